import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRoleMatrix, exceptions, outcomeOf } from './role-matrix.ts'
import { createTestApp } from './test-app.ts'

// Every operation of the document, called by every kind of caller: the service must respond as the features declare
// (`permissions` in feature.ts). Each request has its own world in which it would succeed, so only the caller matters.

const { operations, check, askAsStranger } = await createRoleMatrix(await createTestApp())

const met = new Set<string>()
for (const operation of operations) {
  test(`${operation.id} (${operation.access}) answers each caller as the permission table says`, async () => {
    for (const exception of await check(operation)) met.add(exception)
  })
}

test('every exception of the matrix was met', () => {
  assert.deepEqual(
    Object.keys(exceptions).filter(name => !met.has(name)),
    [],
  )
})

test('a public operation serves a client without an account, whatever the token', async () => {
  for (const operation of operations.filter(({ access }) => access === 'public')) {
    const answer = await askAsStranger(operation)
    assert.equal(outcomeOf(operation, answer), 'done', `${operation.id}: ${answer.text}`)
  }
})
