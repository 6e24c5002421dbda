import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enrolApp } from './browsers/authenticator-app.ts'
import { recordStatements } from './statements.ts'
import { createTestApp } from './test-app.ts'

// The cost of the longest sign-in. When a number falls, lower it here, so that it cannot rise again unnoticed. `npm run
// shape` prints these names.

const app = await createTestApp()

// Red when: a step of signIn takes another statement, or verifyFactor looks up the secret in a separate one.
test('a sign-in with an authenticator code takes four and five round trips', async () => {
  const person = await app.signUp('Acme')
  const authenticator = await enrolApp(app, person)
  const statements = recordStatements(app.database)
  const { email, password } = person
  const refused = await app.call('POST', '/api/v1/auth/login', { email, password })
  assert.equal(refused.body.code, 'mfa-required', refused.text)
  const first = statements.take()
  const code = await authenticator.next()
  statements.take()
  const { status, text } = await app.call('POST', '/api/v1/auth/mfa/verify', {
    mfa_token: refused.body.mfa_token,
    code,
  })
  assert.equal(status, 200, text)
  const second = statements.take()
  assert.deepEqual([first.length, second.length], [4, 5], [...first, '', ...second].join('\n'))
})
