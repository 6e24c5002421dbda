import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { call, signUp, admin, services } = await createTestApp()
const operator = await signUp()
const owner = await signUp('Acme')
await admin.query('update users set superuser = true where id = $1', [operator.user_id])

test('an operator sees the cache and clears it, which is recorded; no other user does', async () => {
  await call('GET', '/api/v1/openapi.json')
  await call('GET', '/api/v1/openapi.json')
  const { status, body } = await operator.call('GET', '/api/v1/cache/stats')
  assert.equal(status, 200)
  assert.deepEqual(body, { store: 'memory', entries: 1, hits: 1, shared_hits: 0, misses: 1, redis: null })

  for (const [method, path] of [
    ['GET', '/api/v1/cache/stats'],
    ['DELETE', '/api/v1/cache'],
  ] as const) {
    assert.equal((await owner.call(method, path)).body.code, 'permission-missing')
    assert.equal((await call(method, path)).body.code, 'not-signed-in')
  }
  assert.equal((await services.cache.stats()).entries, 1, 'the refused request has not cleared it')

  assert.equal((await operator.call('DELETE', '/api/v1/cache')).status, 204)
  assert.equal((await services.cache.stats()).entries, 0)
  const { rows } = await admin.query('select actor_id, operation from operator_log')
  assert.deepEqual(rows, [{ actor_id: operator.user_id, operation: 'clearCache' }])
})
