import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enrolApp } from '../../../test/browsers/authenticator-app.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'

const open = await createTestApp()
const strict = await createTestApp({ EMAIL_VERIFICATION: 'required' })
const limited = await createTestApp({ RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_MINUTE: '1000' })

let serial = 0
const newEmail = () => `v5-in-${process.pid}-${Date.now()}-${serial++}@example.com`

// Red when: v5 answers before the address is looked up differently, or with a 409.
test('where addresses must be verified, register tells nothing and sign-in says what is missing', async () => {
  const person = await open.signUp()
  const register = (email: string) =>
    strict.call('POST', '/v5/auth/register', { email, password: PASSWORD, firstName: 'Test', lastName: 'User' })
  const [known, unknown] = [await register(person.email), await register(newEmail())]
  assert.equal(known.status, 200)
  assert.deepEqual(known.body, { success: true, data: { status: 'verification-required' } })
  assert.deepEqual([unknown.status, unknown.text], [known.status, known.text])
  assert.equal(known.headers['set-cookie'], undefined)

  const refused = await strict.call('POST', '/v5/auth/login', { email: person.email, password: PASSWORD })
  assert.deepEqual([refused.status, refused.body.error.code], [403, 'EMAIL_UNVERIFIED'])
  await open.verify(person)
  const admitted = await strict.call('POST', '/v5/auth/login', { email: person.email, password: PASSWORD })
  assert.equal(admitted.body.data.tenantId, person.organization_id)
})

test('a sign-in with a second factor stops with MFA_REQUIRED and is finished in v5', async () => {
  const person = await open.signUp()
  const authenticator = await enrolApp(open, person)
  const start = () => open.call('POST', '/v5/auth/login', { email: person.email, password: PASSWORD })
  const { status, body } = await start()
  assert.deepEqual([status, body.success, body.error.code], [401, false, 'MFA_REQUIRED'])
  assert.deepEqual(body.error.methods, ['totp', 'recovery_code'])
  const { mfa_token } = body.error
  const verify = (answer: object) => open.call('POST', '/v5/auth/mfa/verify', { mfa_token, ...answer })

  const none = await verify({})
  assert.deepEqual([none.status, none.body.error.code], [422, 'VALIDATION_ERROR'])
  assert.equal(none.body.error.message, 'code: give exactly one of code, recovery_code, passkey')
  const wrong = await verify({ code: '000000' })
  assert.deepEqual([wrong.status, wrong.body.error.code], [401, 'INVALID_CREDENTIALS'])
  const finished = await verify({ code: await authenticator.next(), unknown: true })
  assert.equal(finished.status, 200, finished.text)
  assert.equal(finished.body.data.expiresIn, 86_400)
  const headers = { authorization: `Bearer ${finished.body.data.token}` }
  assert.equal((await open.call('GET', '/v5/users/me', undefined, headers)).body.data.email, person.email)
  const again = await verify({ code: await authenticator.next() })
  assert.deepEqual([again.status, again.body.error.code], [422, 'VALIDATION_ERROR'])
})

// Red when: v5 has the token of a session that lasts for a shorter time.
test('a token is not valid for longer than an unused session', async () => {
  const brief = await createTestApp({ REFRESH_TOKEN_EXPIRE_MINUTES: '60' })
  const { body } = await brief.call('POST', '/v5/auth/register', { email: newEmail(), password: PASSWORD })
  assert.equal(body.data.expiresIn, 3600)
  const { exp, iat } = JSON.parse(Buffer.from(body.data.token.split('.')[1], 'base64url').toString())
  assert.equal(exp - iat, 3600)
})

// Red when: a route of v5 has no `limitedAs`, or an alias of its own.
test('guesses at either base path and in v1 share one limit, and its refusal is in the envelope', async () => {
  const credentials = { email: newEmail(), password: 'Wrong-horse-7' }
  const statuses: number[] = []
  for (let round = 0; round < 4; round++)
    for (const base of ['/v5', '/api/v5', '/api/v1'])
      statuses.push((await limited.call('POST', `${base}/auth/login`, credentials)).status)
  assert.deepEqual(statuses, [...Array.from({ length: 10 }, () => 401), 429, 429])
  const { status, body, headers } = await limited.call('POST', '/v5/auth/login', credentials)
  assert.deepEqual([status, body.error.code, body.success], [429, 'RATE_LIMITED', false])
  assert.ok(Number(headers['retry-after']) > 0)
})

// The account of the demonstration, which only the development data has: its password is too weak for a sign-up.
test('the front end signs in to the demonstration account', async () => {
  const email = newEmail()
  await open.call('POST', '/v5/auth/register', { email, password: PASSWORD })
  const hash = await open.services.passwords.hash('demo')
  await open.admin.query('update users set password_hash = $2 where email = $1', [email, hash])
  assert.equal((await open.call('POST', '/v5/auth/login', { email, password: 'demo' })).status, 200)
  const refused = await open.call('POST', '/v5/auth/register', { email: newEmail(), password: 'demo' })
  assert.equal(refused.body.error.code, 'VALIDATION_ERROR')
})

test('CORS admits the front end of a developer, and in production the origins that are set', async () => {
  const preflight = {
    origin: 'http://localhost:5173',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type',
  }
  const allowed = await open.app.inject({ method: 'OPTIONS', url: '/v5/sessions', headers: preflight })
  assert.deepEqual([allowed.statusCode, allowed.headers['access-control-allow-origin']], [204, preflight.origin])
  const configured = await createTestApp({ CORS_ORIGINS: 'https://app.example.com' })
  for (const [origin, expected] of [
    ['https://app.example.com', 'https://app.example.com'],
    ['http://localhost:5173', undefined],
  ] as const) {
    // An error has the fields as well, so that the front end can read it.
    const refused = await configured.call('GET', '/api/v5/sessions', undefined, { origin })
    assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [401, expected])
  }
})
