import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, enrolApp, stepNow } from '../../../test/browsers/authenticator-app.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'

// Codes as people type and paste them, and labels as apps read them.

const app = await createTestApp({ APP_NAME: 'Acme: Tools', SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR: '0' })
const { call, signUp } = app

const split = (code: string, by: string) => `${code.slice(0, 3)}${by}${code.slice(3)}`
const forms: readonly ((code: string) => string)[] = [
  code => code,
  code => split(code, ' '),
  code => split(code, '-'),
  code => split(code, '\u00a0'),
  code => split(code, '\u2011'),
  code => split(code, ' – '),
  code => ` ${code} `,
  code => code.match(/../g)!.join(' '),
  code => code.match(/./g)!.join(' '),
  code => `${code}\n`,
]

// Red when: Code or plainCode knows no separators.
test('a code is accepted with spaces and hyphens, wherever a code is given', async () => {
  const person = await signUp()
  const authenticator = await enrolApp(app, person)
  for (const form of forms) {
    const { body } = await call('POST', '/api/v1/auth/login', { email: person.email, password: PASSWORD })
    const code = form(await authenticator.next())
    const signedIn = await call('POST', '/api/v1/auth/mfa/verify', { mfa_token: body.mfa_token, code })
    assert.equal(signedIn.status, 200, `${JSON.stringify(code)}: ${signedIn.text}`)
    const again = form(await authenticator.next())
    const proved = await person.call('POST', '/api/v1/auth/mfa/recovery-codes', { proof: { code: again } })
    assert.equal(proved.status, 200, `${JSON.stringify(again)}: ${proved.text}`)
  }
})

test('what is no code of six digits is refused before it counts as wrong', async () => {
  const person = await signUp()
  const authenticator = await enrolApp(app, person)
  for (const code of ['12345', '1234567', 'abcdef', '12345a', '', '-', '123_456', '1'.repeat(40)]) {
    const { status, body } = await person.call('POST', '/api/v1/auth/step-up', { code })
    assert.deepEqual([status, body.errors?.[0]?.pointer], [422, '/code'], code)
  }
  const { status } = await person.call('POST', '/api/v1/auth/step-up', { code: await authenticator.next() })
  assert.equal(status, 200)
})

// Red when: a separator other than space and hyphen is part of a recovery code.
test('a recovery code is accepted as people write it down', async () => {
  const person = await signUp()
  const { recovery_codes } = await enrolApp(app, person)
  for (const [index, form] of [
    (code: string) => code.toLowerCase(),
    (code: string) => code.replaceAll('-', ' – '),
    (code: string) => code.replaceAll('-', '\u2011'),
    (code: string) => ` ${code.replaceAll('-', '')}. `,
  ].entries()) {
    const recovery_code = form(recovery_codes[index] as string)
    const { status, text } = await person.call('POST', '/api/v1/auth/step-up', { recovery_code })
    assert.equal(status, 200, `${recovery_code}: ${text}`)
  }
})

// Red when: beginTotp passes APP_NAME on as it is: apps read the label up to the first colon.
test('a colon in the name of the product does not end the issuer in an authenticator app', async () => {
  const person = await signUp()
  const { body } = await person.call('POST', '/api/v1/auth/mfa/totp')
  const label = decodeURIComponent(new URL(body.otpauth_uri).pathname.slice(1))
  assert.equal(label, `Acme Tools:${person.email}`)
  assert.equal(new URL(body.otpauth_uri).searchParams.get('issuer'), 'Acme Tools')
  const confirmed = await person.call('POST', '/api/v1/auth/mfa/totp/confirm', {
    code: split(codeOf(body.secret, stepNow()), '-'),
    proof: { password: PASSWORD },
  })
  assert.equal(confirmed.status, 200, confirmed.text)
})
