import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const origin = { request_id: 'test', ip: '', user_agent: '' }

// Red when: `transaction` opens before its `try`, so that nothing rolls back what has begun.
test('a transaction that fails to open leaves its connection to the next request as it was', async () => {
  const { database, signUp } = await createTestApp({ DATABASE_POOL_SIZE: '2' }) // one connection for each login
  const person = await signUp('Acme')
  await assert.rejects(
    database.tenant.transaction({ session_id: 'no uuid', origin }, async () => {}),
    { code: '22P02' },
  )
  assert.equal((await person.call('GET', '/api/v1/projects')).status, 200)
})

// Red when: `asksGate` is `gated` alone.
test('what runs for a session on the system login ends with the session, even an answer that was kept', async () => {
  const { call, signUp } = await createTestApp()
  const person = await signUp()
  const found = () => person.call('POST', '/api/v1/organizations', { name: 'Acme' }, { 'idempotency-key': 'acme' })
  assert.equal((await found()).status, 201)
  await call('POST', '/api/v1/auth/logout', { refresh_token: person.refresh_token })
  const late = await found()
  assert.deepEqual([late.status, late.body.code], [401, 'session-ended'])
})
