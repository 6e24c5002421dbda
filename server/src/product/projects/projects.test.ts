import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { signUp } = await createTestApp()

test('a project is created, read, changed and deleted', async () => {
  const owner = await signUp('Acme')
  const created = await owner.call('POST', '/api/v1/projects', { name: 'First' })
  assert.equal(created.status, 201)
  assert.equal(created.body.slug, 'first')
  const path = `/api/v1/projects/${created.body.id}`
  assert.equal(created.headers['location'], path)

  const patched = await owner.call(
    'PATCH',
    path,
    { description: 'What it is for' },
    { 'if-match': created.headers['etag']! },
  )
  assert.equal(patched.status, 200)
  const stale = await owner.call('PATCH', path, { name: 'Lost' }, { 'if-match': created.headers['etag']! })
  assert.equal(stale.body.code, 'entity-tag-stale')
  const replaced = await owner.call('PUT', path, { name: 'Second', slug: 'second' })
  assert.deepEqual([replaced.body.name, replaced.body.description], ['Second', null])

  assert.equal((await owner.call('DELETE', path)).status, 204)
  assert.equal((await owner.call('GET', path)).status, 404)
  assert.equal((await owner.call('DELETE', path)).status, 404)
})

test('a list continues at its cursor, in every order, and counts on request', async () => {
  const owner = await signUp('Acme')
  for (const name of ['b', 'a', 'd', 'c', 'e']) await owner.call('POST', '/api/v1/projects', { name })
  for (const [sort, expected] of [
    ['name', 'abcde'],
    ['-name', 'edcba'],
    ['created_at', 'badce'],
    ['-created_at', 'ecdab'],
  ]) {
    const seen: string[] = []
    let cursor = ''
    do {
      const page = await owner.call('GET', `/api/v1/projects?limit=2&include_total=true&sort=${sort}${cursor}`)
      assert.equal(page.body.total, 5)
      seen.push(...page.body.items.map((item: { name: string }) => item.name))
      cursor = page.body.next_cursor === null ? '' : `&cursor=${page.body.next_cursor}`
    } while (cursor !== '')
    assert.equal(seen.join(''), expected)
  }
})
