import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthenticator } from '../../../test/browsers/authenticator.ts'
import type { Authenticator, Lie } from '../../../test/browsers/authenticator.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// What real browsers, security keys and the libraries in front of them send, beside what the specification says.

const { call, signUp, logIn } = await createTestApp({ SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR: '0' })

const SITE = 'http://localhost:8000'
const path = '/api/v1/auth/passkeys'
type Response = ReturnType<Authenticator['get']>

async function register(
  person: Person,
  authenticator: Authenticator,
  {
    mediation,
    lie,
    change = response => response,
  }: {
    mediation?: 'conditional'
    lie?: Lie
    change?: (response: ReturnType<Authenticator['create']>) => unknown
  } = {},
): Promise<Answer> {
  const { body } = await person.call('POST', `${path}/registration-options`, mediation && { mediation })
  const response = change(authenticator.create(body.options, lie))
  const given = { challenge_token: body.challenge_token, name: 'Key', response, proof: { password: PASSWORD } }
  return person.call('POST', path, given)
}

async function newHolder(): Promise<{ person: Person; passkey: Authenticator }> {
  const [person, passkey] = [await signUp(), createAuthenticator(SITE)]
  assert.equal((await register(person, passkey)).status, 201)
  return { person, passkey }
}

const withHandle = (response: Response, userHandle: string | null | undefined) => ({
  ...response,
  response: { ...response.response, userHandle },
})
const pad = (text: string) => text.padEnd(Math.ceil(text.length / 4) * 4, '=')
const otherAlphabet = (text: string) => pad(text.replaceAll('-', '+').replaceAll('_', '/'))

/** Changes all bytes of a response. */
const inNotation = <Any extends { id: string; rawId: string; response: object }>(
  response: Any,
  write: (text: string) => string,
) => ({
  ...response,
  id: write(response.id),
  rawId: write(response.rawId),
  response: Object.fromEntries(
    Object.entries(response.response).map(([name, value]) => [name, typeof value === 'string' ? write(value) : value]),
  ),
})

/** Every form in which the account of a known user is named, or not. */
const forms: Record<string, (response: Response) => object> = {
  'as specified': response => response,
  'no user handle': response => withHandle(response, undefined),
  'null as the user handle': response => withHandle(response, null),
  'an empty user handle (Safari, for a security key)': response => withHandle(response, ''),
  'padded bytes': response => inNotation(response, pad),
  'the other alphabet': response => inNotation(response, otherAlphabet),
  'no extension results': ({ clientExtensionResults: _none, ...response }) => response,
  'null where nothing is known': response => ({
    ...response,
    clientExtensionResults: null,
    authenticatorAttachment: null,
  }),
  'an empty attachment': response => ({ ...response, authenticatorAttachment: '' }),
}

// Red when: isOf compares an empty user handle, plainCredential is not called, or a schema asks for what is missing here.
test('a known user may answer in every form that browsers send: second factor, step-up and proof', async () => {
  const { person, passkey } = await newHolder()
  for (const [name, form] of Object.entries(forms)) {
    const { body: asked } = await call('POST', '/api/v1/auth/login', { email: person.email, password: PASSWORD })
    const mfa = (await call('POST', '/api/v1/auth/mfa/passkey-options', { mfa_token: asked.mfa_token })).body
    const signedIn = await call('POST', '/api/v1/auth/mfa/verify', {
      mfa_token: asked.mfa_token,
      passkey: { challenge_token: mfa.challenge_token, response: form(passkey.get(mfa.options)) },
    })
    assert.equal(signedIn.status, 200, `second factor, ${name}: ${signedIn.text}`)
    const steps = async () => (await person.call('POST', '/api/v1/auth/step-up/passkey-options')).body
    const step = await steps()
    const renewed = await person.call('POST', '/api/v1/auth/step-up', {
      passkey: { challenge_token: step.challenge_token, response: form(passkey.get(step.options)) },
    })
    assert.equal(renewed.status, 200, `step-up, ${name}: ${renewed.text}`)
    const last = await steps()
    const proof = { passkey: { challenge_token: last.challenge_token, response: form(passkey.get(last.options)) } }
    const made = await person.call('POST', '/api/v1/auth/mfa/recovery-codes', { proof })
    assert.equal(made.status, 200, `proof, ${name}: ${made.text}`)
  }
})

test('a sign-in without a name needs the user handle, in any notation', async () => {
  const { passkey } = await newHolder()
  for (const [name, form] of Object.entries(forms)) {
    const { challenge_token, options } = (await call('POST', `${path}/authentication-options`)).body
    const { status } = await call('POST', `${path}/login`, { challenge_token, response: form(passkey.get(options)) })
    assert.equal(status, name.includes('user handle') ? 401 : 200, name)
  }
})

test('a passkey is added in every notation', async () => {
  for (const change of [
    (response: ReturnType<Authenticator['create']>) => inNotation(response, pad),
    (response: ReturnType<Authenticator['create']>) => inNotation(response, otherAlphabet),
    (response: ReturnType<Authenticator['create']>) => ({
      ...response,
      clientExtensionResults: null,
      response: { ...response.response, transports: null },
    }),
  ]) {
    const [person, passkey] = [await signUp(), createAuthenticator(SITE)]
    const added = await register(person, passkey, { change })
    assert.equal(added.status, 201, added.text)
    const { challenge_token, options } = (await call('POST', `${path}/authentication-options`)).body
    const signedIn = await call('POST', `${path}/login`, { challenge_token, response: passkey.get(options) })
    assert.equal(signedIn.status, 200, signedIn.text)
  }
})

// Red when: the flag is not looked at before the passkey is looked up (the two answers differ), or has no text of its own.
test('a security key without a PIN is told to set one, when it is added and when it is used, known or not', async () => {
  const { passkey, person } = await newHolder()
  const other = await signUp()
  const refused = await register(other, createAuthenticator(SITE), { lie: { flags: 0x40 | 1 } })
  assert.deepEqual([refused.status, refused.body.errors[0].pointer], [422, '/response'])
  assert.match(refused.body.errors[0].detail, /PIN/)
  const answers = []
  for (const authenticator of [passkey, createAuthenticator(SITE)]) {
    const { challenge_token, options } = (await call('POST', `${path}/authentication-options`)).body
    const response = authenticator.get(options, { flags: 1 })
    const { body, status } = await call('POST', `${path}/login`, { challenge_token, response })
    answers.push({ ...body, status, request_id: '' })
  }
  assert.deepEqual([answers[0]?.['code'], answers[0]?.status], ['user-not-verified', 401])
  assert.deepEqual(answers[0], answers[1])
  const step = (await person.call('POST', '/api/v1/auth/step-up/passkey-options')).body
  const response = passkey.get(step.options, { flags: 1 })
  const kept = await person.call('POST', '/api/v1/auth/step-up', {
    passkey: { challenge_token: step.challenge_token, response },
  })
  assert.deepEqual([kept.status, kept.body.code], [401, 'user-not-verified'])
})

// Red when: readRegistration requires the user for a conditional creation, or no longer for any other.
test('a password manager adds a passkey without asking, if that was requested', async () => {
  const [person, passkey] = [await signUp(), createAuthenticator(SITE)]
  const silent = { flags: 0x40 }
  assert.equal((await register(person, passkey, { lie: silent })).status, 422)
  const { body } = await person.call('POST', `${path}/registration-options`, { mediation: 'conditional' })
  assert.equal(body.options.authenticatorSelection.userVerification, 'preferred')
  const added = await register(person, passkey, { mediation: 'conditional', lie: silent })
  assert.equal(added.status, 201, added.text)
  const { challenge_token, options } = (await call('POST', `${path}/authentication-options`)).body
  const unasked = await call('POST', `${path}/login`, { challenge_token, response: passkey.get(options, { flags: 1 }) })
  assert.equal(unasked.body.code, 'user-not-verified', 'every use verifies the user')
})

// Red when: getSignals names removed passkeys, or reads the names from the token.
test('password managers learn which passkeys are accepted, and the current names', async () => {
  const { person, passkey } = await newHolder()
  await newHolder()
  const { status, body } = await person.call('GET', '/api/v1/auth/passkey-signals')
  const userId = Buffer.from(person.user_id.replaceAll('-', ''), 'hex').toString('base64url')
  const party = { rpId: 'localhost', userId }
  assert.equal(status, 200)
  assert.deepEqual(body, {
    all_accepted_credentials: { ...party, allAcceptedCredentialIds: [passkey.id] },
    current_user_details: { ...party, name: person.email, displayName: person.email },
  })
  assert.equal((await person.call('PATCH', '/api/v1/users/me', { full_name: 'Ann Archer' })).status, 200)
  const [{ id }] = (await person.call('GET', path)).body.items
  const step = (await person.call('POST', '/api/v1/auth/step-up/passkey-options')).body
  const proof = { passkey: { challenge_token: step.challenge_token, response: passkey.get(step.options) } }
  assert.equal((await person.call('DELETE', `${path}/${id}`, { proof })).status, 204)
  const { body: after } = await (await logIn(person)).call('GET', '/api/v1/auth/passkey-signals')
  assert.deepEqual(after.all_accepted_credentials.allAcceptedCredentialIds, [])
  assert.equal(after.current_user_details.displayName, 'Ann Archer')
})
