import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../test/test-app.ts'

const required = await createTestApp({ EMAIL_VERIFICATION: 'required' })
const optional = await createTestApp()

let serial = 0
const newAddress = () => `verify-${process.pid}-${Date.now()}-${serial++}@example.com`

test('under required, signing up makes an account only when the link is used, and then one signs in', async () => {
  const email = newAddress()
  const asked = await required.call('POST', '/api/v1/auth/signup', {
    email: email.toUpperCase().replace('@EXAMPLE.COM', '@Example.com'),
    password: PASSWORD,
    given_name: 'Ada',
    organization_name: 'Engines',
  })
  assert.equal(asked.status, 202)
  assert.deepEqual(asked.body, { status: 'accepted' })
  const login = () => required.call('POST', '/api/v1/auth/login', { email, password: PASSWORD })
  assert.equal((await login()).status, 401)
  const mails = await required.mailTo(email)
  assert.equal(mails.length, 1)
  const verified = await required.call('POST', '/api/v1/auth/verify-email', { token: mails[0]!.token })
  assert.equal(verified.status, 200, verified.text)
  assert.deepEqual(verified.body, { status: 'signed-up', email })
  const { status, body } = await login()
  assert.equal(status, 200)
  assert.equal(body.user.email_verified, true)
  assert.equal(body.organization.name, 'Engines')
})
