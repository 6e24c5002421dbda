import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileOnce, tables } from './statement.ts'

const query = tables('tenant', 'projects')

const projects = compileOnce(
  ({ organization_id, status }: { organization_id: string; status: 'active' | 'archived' | undefined }) => {
    const rows = query
      .selectFrom('projects')
      .select('id')
      .where('organization_id', '=', organization_id)
      .where('version', '>', 1)
    return status === undefined
      ? rows
      : rows.where('status', '=', status).where('organization_id', '<>', organization_id)
  },
)

// Red when: parameters are those of the first call, or placeholders are told apart by their order.
test('a query that is compiled once takes the values of each call, in every place where they stand', () => {
  const first = projects({ organization_id: 'a', status: 'active' }).compile()
  const second = projects({ organization_id: 'b', status: 'archived' }).compile()
  assert.deepEqual(first.parameters, ['a', 1, 'active', 'a'])
  assert.deepEqual(second.parameters, ['b', 1, 'archived', 'b'])
  assert.equal(second.sql, first.sql)
})

// Red when: the cache has one entry for all shapes.
test('a value that is not given leaves its part of the query out', () => {
  const without = projects({ organization_id: 'c', status: undefined }).compile()
  assert.deepEqual(without.parameters, ['c', 1])
  assert.doesNotMatch(without.sql, /status/)
  assert.match(projects({ organization_id: 'c', status: 'active' }).compile().sql, /status/)
})
