import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthenticator } from '../../../test/browsers/authenticator.ts'
import type { Authenticator, Lie } from '../../../test/browsers/authenticator.ts'
import { waits } from '../../../test/meeting.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// Passkeys with a software authenticator, which can lie; those with a real browser are in passkeys-browser.test.ts.

const { call, signUp, logIn, admin, mailTo, tokens } = await createTestApp({
  DATABASE_POOL_SIZE: '16', // four connections of the system login: what is at once here is at once in the database
})

const SITE = 'http://localhost:8000'
const path = '/api/v1/auth/passkeys'

const begin = (person: Person): Promise<Answer> => person.call('POST', `${path}/registration-options`)

const byPassword = { proof: { password: PASSWORD } }

/** Shows that it is that person who asks, by a passkey of theirs. */
async function proveBy(authenticator: Authenticator, person: Person): Promise<{ proof: object }> {
  const { challenge_token, options } = (await person.call('POST', '/api/v1/auth/step-up/passkey-options')).body
  return { proof: { passkey: { challenge_token, response: authenticator.get(options) } } }
}

/** A new passkey of that person's, in an authenticator of its own; with `by` where it is not the first. */
async function enrol(
  person: Person,
  authenticator = createAuthenticator(SITE),
  by?: Authenticator,
): Promise<Authenticator & { row_id: string }> {
  const { body } = await begin(person)
  const response = authenticator.create(body.options)
  const given = { challenge_token: body.challenge_token, name: 'Laptop', response }
  const proof = by === undefined ? byPassword : await proveBy(by, person)
  const added = await person.call('POST', path, { ...given, ...proof })
  assert.equal(added.status, 201, added.text)
  return { ...authenticator, row_id: added.body.id }
}

const challenge = async () => (await call('POST', `${path}/authentication-options`)).body

async function present(authenticator: Authenticator, lie?: Lie, more: object = {}): Promise<Answer> {
  const { challenge_token, options } = await challenge()
  return call('POST', `${path}/login`, { challenge_token, response: authenticator.get(options, lie), ...more })
}

const eventsOf = async (person: Person, type: string) =>
  (
    await admin.query('select details from security_events where user_id = $1 and type = $2 order by id', [
      person.user_id,
      type,
    ])
  ).rows.map(({ details }) => details)

/** The problem, without what tells one request from another. */
const problemOf = ({ status, body: { request_id: _id, ...problem } }: Answer) => ({ status, ...problem })

// Red when: the handle holds the address, verification is not required, or known passkeys are not excluded.
test('the options request a discoverable passkey with user verification', async () => {
  const person = await signUp()
  const first = await enrol(person)
  const { status, body } = await begin(person)
  assert.equal(status, 200)
  const { challenge: one, excludeCredentials, pubKeyCredParams, user, ...options } = body.options
  assert.deepEqual(options, {
    rp: { id: 'localhost', name: 'Freehold' },
    timeout: 300_000,
    authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
    attestation: 'none',
  })
  assert.deepEqual(excludeCredentials, [{ id: first.id, type: 'public-key', transports: ['internal', 'hybrid'] }])
  assert.deepEqual(
    pubKeyCredParams.map(({ alg }: { alg: number }) => alg),
    [-8, -7, -257],
  )
  assert.equal(Buffer.from(user.id, 'base64url').toString('hex'), person.user_id.replaceAll('-', ''))
  assert.equal(user.name, person.email)
  assert.equal(Buffer.from(one, 'base64url').length, 32)
  assert.notEqual((await begin(person)).body.options.challenge, one)
})

// Red when: addPasskey does not call completeEnrolment.
test('the first passkey creates recovery codes and counts as a verified second factor; the user is notified', async () => {
  const person = await signUp()
  const { body } = await begin(person)
  const own = createAuthenticator(SITE)
  const response = own.create(body.options)
  const added = await person.call('POST', path, {
    challenge_token: body.challenge_token,
    name: 'My phone',
    response,
    ...byPassword,
  })
  assert.equal(added.status, 201)
  const { recovery_codes, ...passkey } = added.body
  assert.equal(recovery_codes.length, 10)
  assert.equal(added.headers['location'], `${path}/${passkey.id}`)
  const { created_at: _created, updated_at: _updated, id: _id, ...described } = passkey
  assert.deepEqual(described, {
    name: 'My phone',
    transports: ['internal', 'hybrid'],
    backed_up: false,
    last_used_at: null,
  })
  assert.deepEqual((await person.call('GET', `${path}?include_total=true`)).body, {
    items: [passkey],
    next_cursor: null,
    total: 1,
  })
  assert.deepEqual((await person.call('GET', `${path}/${passkey.id}`)).body, passkey)

  const { rows } = await admin.query('select second_factor_at is not null as proved from sessions where user_id = $1', [
    person.user_id,
  ])
  assert.deepEqual(rows, [{ proved: true }])
  assert.equal((await eventsOf(person, 'passkey-added')).length, 1)
  const mails = await mailTo(person.email)
  assert.ok(
    mails.some(({ subject }) => /passkey/i.test(subject)),
    JSON.stringify(mails.map(({ subject }) => subject)),
  )

  const second = await begin(person)
  const more = createAuthenticator(SITE).create(second.body.options)
  const another = await person.call('POST', path, {
    challenge_token: second.body.challenge_token,
    name: 'Key',
    response: more,
    ...(await proveBy(own, person)),
  })
  assert.equal(another.status, 201)
  assert.equal(another.body.recovery_codes, undefined)
})

// Red when: the sign-in does not count as two factors, or its use is not recorded.
test('a passkey signs in without a username, and as two factors', async () => {
  const person = await signUp('Passkeys')
  const passkey = await enrol(person)
  const signedIn = await present(passkey)
  assert.equal(signedIn.status, 200, signedIn.text)
  assert.equal(signedIn.body.user.id, person.user_id)
  assert.equal(signedIn.body.organization.id, person.organization_id)
  const { sid } = tokens.verify(signedIn.body.access_token)
  const { rows } = await admin.query(
    'select methods, second_factor_at is not null as proved from sessions where id = $1',
    [sid],
  )
  assert.deepEqual(rows, [{ methods: ['passkey'], proved: true }])
  const read = await person.call('GET', `${path}/${passkey.row_id}`)
  assert.ok(read.body.last_used_at > read.body.created_at)
  assert.equal(read.headers['etag'], `"${passkey.row_id}.1"`) // a use is no change of the passkey

  const elsewhere = await person.call('POST', '/api/v1/organizations', { name: 'Elsewhere' })
  const again = await present(
    passkey,
    {},
    { organization_id: elsewhere.body.id, device_token: signedIn.body.device_token },
  )
  assert.equal(again.body.organization.id, elsewhere.body.id)
  assert.equal(again.body.device_token, signedIn.body.device_token)
  const stranger = await signUp()
  const foreign = await present(passkey, {}, { organization_id: stranger.organization_id })
  assert.equal(foreign.body.errors[0].pointer, '/organization_id')
})

test('the options to sign in are the same for everyone', async () => {
  const { options } = await challenge()
  assert.deepEqual(
    { ...options, challenge: '' },
    { challenge: '', rpId: 'localhost', timeout: 300_000, userVerification: 'required' },
  )
})

// Each case has one fault in an otherwise valid response.
const lies: Record<string, Lie> = {
  'another origin': { origin: 'http://localhost:8001' },
  'an origin that only begins like ours': { origin: 'http://localhost:8000.example.com' },
  'another domain': { rpId: 'example.com' },
  'another challenge': { challenge: Buffer.alloc(32).toString('base64url') },
  'a frame of another site': { crossOrigin: true },
  'nobody present': { flags: 4 },
  'nobody verified': { flags: 1 },
}

// Red when: a line of readAuthentication or isOf is removed, or origins, domain or requireUserVerification are not
// passed on.
test('a signature for another site or challenge signs no one in, and reveals nothing', async () => {
  const [person, stranger] = [await signUp(), await signUp()]
  const [passkey, foreign] = [await enrol(person), await enrol(stranger)]
  const unknown = problemOf(await present(createAuthenticator(SITE)))
  assert.equal(unknown.status, 401)
  assert.equal(unknown.code, 'invalid-passkey')
  const handleOf = ({ user_id }: Person) => Buffer.from(user_id.replaceAll('-', ''), 'hex').toString('base64url')
  const all: Record<string, Lie> = {
    ...lies,
    'an answer to a registration': { type: 'webauthn.create' },
    'backed up though it cannot be': { flags: 5 | 16 },
    'a spoiled signature': { spoil: true },
    'another key': { by: foreign },
    "somebody else's passkey": { id: foreign.id },
    "somebody else's passkey under their name": { id: foreign.id, userHandle: handleOf(stranger) },
    'another name': { userHandle: handleOf(stranger) },
    'no name': { userHandle: null },
    'an address for a name': { userHandle: Buffer.from(person.email).toString('base64url') },
  }
  // Has an answer of its own, for an unknown passkey too (browser-quirks.test.ts).
  const unverified = problemOf(await present(createAuthenticator(SITE), lies['nobody verified']))
  for (const [name, lie] of Object.entries(all))
    assert.deepEqual(problemOf(await present(passkey, lie)), name === 'nobody verified' ? unverified : unknown, name)
  assert.equal((await present(passkey)).status, 200, 'the same without the lie')
  const refused = [...(await eventsOf(person, 'passkey-refused')), ...(await eventsOf(stranger, 'passkey-refused'))]
  assert.equal(refused.length, Object.keys(all).length)
  const { rows } = await admin.query(`select count(*)::int as sessions from sessions where user_id = any ($1)`, [
    [person.user_id, stranger.user_id],
  ])
  assert.equal(rows[0].sessions, 3)
})

// Red when: the challenge is not spent, or is spent after the session was created.
test('a response signs in once, and only before its challenge expires', async () => {
  const person = await signUp()
  const passkey = await enrol(person)
  const { challenge_token, options } = await challenge()
  const body = { challenge_token, response: passkey.get(options) }
  const both = await Promise.all([call('POST', `${path}/login`, body), call('POST', `${path}/login`, body)])
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 422])
  const replayed = await call('POST', `${path}/login`, body)
  assert.equal(replayed.body.code, 'invalid-token')

  const late = await challenge()
  await admin.query(`update one_time_tokens set expires_at = now() where details ->> 'challenge' = $1`, [
    late.options.challenge,
  ])
  const answer = { challenge_token: late.challenge_token, response: passkey.get(late.options) }
  assert.deepEqual(problemOf(await call('POST', `${path}/login`, answer)), problemOf(replayed))
  const truncated = { ...answer, challenge_token: `${answer.challenge_token.slice(0, -1)}_` }
  assert.deepEqual(problemOf(await call('POST', `${path}/login`, truncated)), problemOf(replayed))

  // A token that was issued for another purpose is not a challenge.
  const registration = (await begin(person)).body
  const bound = (await person.call('POST', '/api/v1/auth/step-up/passkey-options')).body
  for (const other of [registration, bound]) {
    const response = passkey.get(other.options)
    const refused = await call('POST', `${path}/login`, { challenge_token: other.challenge_token, response })
    assert.deepEqual(problemOf(refused), problemOf(replayed))
  }
})

// Red when: recordUse does not check the counter, or accepts an equal one.
test('a counter that goes backwards means a copied passkey: refused and recorded', async () => {
  const person = await signUp()
  const passkey = await enrol(person)
  assert.equal((await present(passkey, { counter: 7 })).status, 200)
  for (const counter of [7, 6, 0]) {
    const refused = await present(passkey, { counter })
    assert.equal(refused.body.code, 'invalid-passkey')
  }
  assert.equal((await present(passkey, { counter: 8 })).status, 200)
  const expected = { reason: 'counter', passkey_id: passkey.row_id }
  assert.deepEqual(await eventsOf(person, 'passkey-refused'), [expected, expected, expected])

  const silent = await enrol(await signUp(), createAuthenticator(SITE, { counts: false }))
  assert.equal((await present(silent)).status, 200)
  assert.equal((await present(silent)).status, 200)
})

// Red when: findCredential does not check the account.
test('the passkey of a disabled or deleted account is treated as unknown', async () => {
  const person = await signUp()
  const passkey = await enrol(person)
  const unknown = problemOf(await present(createAuthenticator(SITE)))
  for (const column of ['disabled_at', 'deleted_at']) {
    await admin.query(`update users set ${column} = now() where id = $1`, [person.user_id])
    assert.deepEqual(problemOf(await present(passkey)), unknown)
    await admin.query(`update users set ${column} = null where id = $1`, [person.user_id])
  }
  assert.equal((await present(passkey)).status, 200)
})

// Red when: logInByPasskey requires no passkey, or lookUp does not check that the requirement was met.
test('a passkey that is removed during the verification does not sign in', async () => {
  const person = await signUp()
  const passkey = await enrol(person)
  const removal = await admin.connect()
  try {
    await removal.query('begin')
    await removal.query('select from users where id = $1 for no key update', [person.user_id])
    const answer = present(passkey)
    assert.ok(await waits(admin, removal, answer))
    await removal.query('delete from passkeys where id = $1', [passkey.row_id])
    await removal.query('commit')
    assert.equal((await answer).body.code, 'invalid-passkey')
  } finally {
    removal.release()
  }
})

// Red when: a line of readRegistration is removed, or the token's owner is not compared.
test('a credential that was not created for this site and this user is not registered', async () => {
  const person = await signUp()
  const all: Record<string, Lie> = {
    ...lies,
    'an answer to a sign-in': { type: 'webauthn.get' },
    'no passkey in it': { flags: 5 },
    'another id than the authenticator’s': { id: createAuthenticator(SITE).id },
    'an algorithm that we did not ask for': { algorithm: -47 },
    'an attestation by a certificate': { attestation: 'fido-u2f' },
    'a wrong signature of itself': { attestation: 'packed', by: createAuthenticator(SITE) },
  }
  for (const [name, lie] of Object.entries(all)) {
    const { challenge_token, options } = (await begin(person)).body
    const response = createAuthenticator(SITE).create(options, lie)
    const refused = await person.call('POST', path, { challenge_token, name: 'Key', response, ...byPassword })
    assert.equal(refused.status, 422, name)
    assert.equal(refused.body.errors[0].pointer, '/response', name)
  }
  assert.deepEqual((await person.call('GET', path)).body.items, [])
  assert.deepEqual(await eventsOf(person, 'passkey-added'), [])
})

test('a passkey with self attestation is registered', async () => {
  const person = await signUp()
  const { challenge_token, options } = (await begin(person)).body
  const response = createAuthenticator(SITE).create(options, { attestation: 'packed' })
  const given = { challenge_token, name: 'Key', response, ...byPassword }
  assert.equal((await person.call('POST', path, given)).status, 201)
})

// Red when: the token of another purpose or user is accepted, or one is accepted twice.
test('a challenge registers one passkey, for the user that it was created for', async () => {
  const [person, stranger] = [await signUp(), await signUp()]
  const { challenge_token, options } = (await begin(person)).body
  const authenticator = createAuthenticator(SITE)
  const body = { challenge_token, name: 'Key', response: authenticator.create(options), ...byPassword }
  const stolen = await stranger.call('POST', path, body)
  assert.equal(stolen.body.code, 'invalid-token')
  const login = await challenge()
  const creation = { ...options, challenge: login.options.challenge }
  const response = createAuthenticator(SITE).create(creation)
  const other = await person.call('POST', path, { ...body, challenge_token: login.challenge_token, response })
  assert.deepEqual(problemOf(other), problemOf(stolen))
  assert.equal((await person.call('POST', path, body)).status, 201)
  const again = {
    ...body,
    response: createAuthenticator(SITE).create(options),
    ...(await proveBy(authenticator, person)),
  }
  assert.deepEqual(problemOf(await person.call('POST', path, again)), problemOf(stolen))
  assert.equal((await person.call('GET', path)).body.items.length, 1)
})

// Red when: the credential's unique key is not named in insertPasskey.
test('of two concurrent registrations of one credential, by any users, one succeeds', async () => {
  const people = [await signUp(), await signUp()]
  const authenticator = createAuthenticator(SITE)
  const answers = await Promise.all(
    people.map(async person => {
      const { challenge_token, options } = (await begin(person)).body
      const response = authenticator.create(options)
      return person.call('POST', path, { challenge_token, name: 'Key', response, ...byPassword })
    }),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409])
  assert.equal(answers.find(({ status }) => status === 409)?.body.code, 'passkey-taken')
})

// Red when: the count is not taken under the lock.
test('a user has at most twenty passkeys, even if many are added at once', async () => {
  const person = await signUp()
  const first = await enrol(person)
  await admin.query(
    `insert into passkeys (user_id, credential_id, public_key, name)
      select $1::uuid, sha256(($1::uuid || n::text)::bytea), '', 'Filler' from generate_series(1, 17) n`,
    [person.user_id],
  )
  const begun = await Promise.all(Array.from({ length: 4 }, () => begin(person)))
  const recovery_codes = (await person.call('POST', '/api/v1/auth/mfa/recovery-codes', await proveBy(first, person)))
    .body.recovery_codes as string[]
  const added = await Promise.all(
    begun.map(({ body: { challenge_token, options } }, index) => {
      const proof = { recovery_code: recovery_codes[index] }
      const response = createAuthenticator(SITE).create(options)
      return person.call('POST', path, { challenge_token, name: 'Key', response, proof })
    }),
  )
  assert.deepEqual(added.map(({ status }) => status).sort(), [201, 201, 409, 409])
  assert.equal((await begin(person)).body.code, 'too-many-passkeys')
})

// Red when: renamePasskey drops the condition; the policies of passkeys (passkeys.sql) do not compare the user.
test('a passkey is renamed by its owner, under If-Match', async () => {
  const [person, stranger] = [await signUp(), await signUp()]
  const { row_id } = await enrol(person)
  const one = `${path}/${row_id}`
  const renamed = await person.call('PATCH', one, { name: 'Yellow key' }, { 'if-match': `"${row_id}.1"` })
  assert.equal(renamed.body.name, 'Yellow key')
  assert.equal(renamed.headers['etag'], `"${row_id}.2"`)
  assert.equal((await person.call('PUT', one, { name: 'Late' }, { 'if-match': `"${row_id}.1"` })).status, 412)
  assert.equal((await person.call('PUT', one, { name: 'Blue key' })).body.name, 'Blue key')
  for (const [method, body] of [
    ['GET'],
    ['PATCH', { name: 'Mine' }],
    ['PUT', { name: 'Mine' }],
    ['DELETE', byPassword],
  ] as const)
    assert.equal((await stranger.call(method, one, body)).status, 404, method)
  assert.deepEqual((await stranger.call('GET', path)).body.items, [])
})

// Red when: a statement runs in a scope without a session.
test('no passkey operation works under a revoked session', async () => {
  const person = await signUp()
  const { row_id } = await enrol(person)
  const { challenge_token, options } = (await begin(person)).body
  const body = { challenge_token, name: 'Key', response: createAuthenticator(SITE).create(options), ...byPassword }
  await admin.query('update sessions set revoked_at = now() where user_id = $1', [person.user_id])
  for (const [method, url, payload] of [
    ['POST', `${path}/registration-options`],
    ['POST', path, body],
    ['GET', path],
    ['GET', `${path}/${row_id}`],
    ['PATCH', `${path}/${row_id}`, { name: 'Ended' }],
    ['DELETE', `${path}/${row_id}`, byPassword],
  ] as const)
    assert.equal((await person.call(method, url, payload)).body.code, 'session-ended', `${method} ${url}`)
})

// Red when: changeCredentials does not lock the session first.
test('a passkey is not removed by a session that is revoked meanwhile', async () => {
  const person = await signUp()
  const first = await enrol(person)
  await enrol(person, undefined, first)
  const proof = await proveBy(first, person)
  const revoking = await admin.connect()
  await revoking.query('begin')
  await revoking.query('update sessions set revoked_at = now() where user_id = $1', [person.user_id])
  const removing = person.call('DELETE', `${path}/${first.row_id}`, proof)
  try {
    assert.ok(await waits(admin, revoking, removing))
  } finally {
    await revoking.query('commit')
    revoking.release()
  }
  assert.equal((await removing).body.code, 'session-ended')
  assert.equal((await admin.query('select from passkeys where user_id = $1', [person.user_id])).rowCount, 2)
})

// Red when: completeRemoval is omitted.
test('removing the last second factor also removes the recovery codes and the verified factors of sessions', async () => {
  const person = await signUp()
  const first = await enrol(person)
  const second = await enrol(person, undefined, first)
  const remove = async ({ row_id }: { row_id: string }, by: Authenticator, headers = {}) =>
    person.call('DELETE', `${path}/${row_id}`, await proveBy(by, person), headers)
  const state = async () =>
    (
      await admin.query(
        `select (select count(*)::int from recovery_codes where user_id = $1) as codes,
          (select count(*)::int from sessions where user_id = $1 and second_factor_at is not null) as proved`,
        [person.user_id],
      )
    ).rows[0]
  assert.equal((await remove(first, second, { 'if-match': '"x.1"' })).status, 412)
  assert.equal((await remove(first, second)).status, 204)
  assert.deepEqual(await state(), { codes: 10, proved: 1 })
  assert.equal((await remove(second, second)).status, 204)
  assert.deepEqual(await state(), { codes: 0, proved: 0 })
  assert.equal((await eventsOf(person, 'passkey-removed')).length, 2)
  assert.equal((await present(second)).body.code, 'invalid-passkey')
  await logIn(person) // by password alone again
})

// Red when: keepSignInMethod is omitted, or runs before the removal.
test('the last sign-in method cannot be removed, not even by two concurrent removals', async () => {
  const person = await signUp()
  const first = await enrol(person)
  const passkeys = [first, await enrol(person, undefined, first)]
  await admin.query('update users set password_hash = null where id = $1', [person.user_id])
  const remove = async (passkey: Authenticator & { row_id: string }) =>
    person.call('DELETE', `${path}/${passkey.row_id}`, await proveBy(passkey, person))
  const answers = await Promise.all(passkeys.map(remove))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 409])
  const left = passkeys[answers.findIndex(({ status }) => status === 409)]!
  assert.equal((await remove(left)).body.code, 'last-way-in')
  assert.equal((await present(left)).status, 200)
  await admin.query(
    `insert into identities (user_id, provider, issuer, subject) values ($1, 'google', 'https://accounts.google.com', $2)`,
    [person.user_id, person.user_id],
  )
  assert.equal((await remove(left)).status, 204)
})

// Red when: verifyPasskey does not compare the account, or the sign-in does not record the verified factor.
test('after the password, only a passkey of the account finishes the sign-in', async () => {
  const [person, stranger] = [await signUp(), await signUp()]
  const [passkey, foreign] = [await enrol(person), await enrol(stranger)]
  const paused = await call('POST', '/api/v1/auth/login', { email: person.email, password: person.password })
  assert.equal(paused.body.code, 'mfa-required')
  assert.deepEqual(paused.body.methods, ['passkey', 'recovery_code'])
  const { mfa_token } = paused.body
  const ask = async () => (await call('POST', '/api/v1/auth/mfa/passkey-options', { mfa_token })).body
  const { options, challenge_token } = await ask()
  assert.deepEqual(options.allowCredentials, [
    { id: passkey.id, type: 'public-key', transports: ['internal', 'hybrid'] },
  ])
  const verify = (token: string, response: unknown) =>
    call('POST', '/api/v1/auth/mfa/verify', { mfa_token, passkey: { challenge_token: token, response } })
  const other = await verify(challenge_token, foreign.get(options))
  assert.equal(other.body.code, 'invalid-passkey')
  assert.deepEqual(await eventsOf(stranger, 'passkey-refused'), [{ reason: 'unknown', passkey_id: foreign.row_id }])
  const unbound = await challenge()
  assert.equal((await verify(unbound.challenge_token, passkey.get(unbound.options))).body.code, 'invalid-token')

  // If the request names the passkey, authenticators may omit the user handle.
  const again = await ask()
  const finished = await verify(again.challenge_token, passkey.get(again.options, { userHandle: null }))
  assert.equal(finished.status, 200, finished.text)
  const { sid } = tokens.verify(finished.body.access_token)
  const { rows } = await admin.query(
    'select methods, second_factor_at is not null as proved from sessions where id = $1',
    [sid],
  )
  assert.deepEqual(rows, [{ methods: ['password', 'passkey'], proved: true }])
  assert.equal((await call('POST', '/api/v1/auth/mfa/passkey-options', { mfa_token })).body.code, 'invalid-token')
})

test('a passkey can re-authenticate', async () => {
  const person = await signUp()
  const passkey = await enrol(person)
  const { challenge_token, options } = (await person.call('POST', '/api/v1/auth/step-up/passkey-options')).body
  const claims = tokens.verify(person.access_token)
  await admin.query(`update sessions set authenticated_at = now() - interval '1 hour' where user_id = $1`, [
    person.user_id,
  ])
  const stale = { authorization: `Bearer ${tokens.sign({ ...claims, auth_time: claims.auth_time - 3600 })}` }
  const answer = { passkey: { challenge_token, response: passkey.get(options) } }
  const proved = await call('POST', '/api/v1/auth/step-up', answer, stale)
  assert.equal(proved.status, 200, proved.text)
  const fresh = { authorization: `Bearer ${proved.body.access_token}` }
  assert.equal((await call('POST', `${path}/registration-options`, undefined, fresh)).status, 200)
  assert.equal((await call('POST', '/api/v1/auth/step-up', answer, stale)).body.code, 'invalid-token')
})

test('without a domain name, passkeys are reported as unavailable', async () => {
  const byAddress = await createTestApp({ PUBLIC_URL: 'http://192.168.1.5:8000' })
  const person = await byAddress.signUp()
  assert.equal((await person.call('POST', `${path}/registration-options`)).body.code, 'passkeys-unavailable')
  const refused = await byAddress.call('POST', `${path}/authentication-options`)
  assert.equal(refused.body.code, 'passkeys-unavailable')
})
