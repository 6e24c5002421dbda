import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { enrolApp } from '../../../test/browsers/authenticator-app.ts'
import { accountState, attackToken, idOf } from '../../../test/bad-tokens.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import { waits } from '../../../test/meeting.ts'
import type { Person } from '../../../test/test-app.ts'

const app = await createTestApp()
const NEW_PASSWORD = 'Brand-new-zebra-42'

const newAddress = () => `recovery-${randomUUID()}@example.com`
const logIn = (email: string, password: string) => app.call('POST', '/api/v1/auth/login', { email, password })
const complete = (token: unknown, new_password: unknown = NEW_PASSWORD) =>
  app.call('POST', '/api/v1/auth/password-reset/complete', { token, new_password })
const verify = (token: string) => app.call('POST', '/api/v1/auth/verify-email', { token })
/** What asks for another address. */
const toAddress = (new_email: string) => ({ new_email, proof: { password: PASSWORD } })
const isLive = async (person: Person) => (await person.call('GET', '/api/v1/auth/me')).status === 200

/** Someone new, whose mails so far are read. */
async function newPerson(): Promise<Person> {
  const person = await app.signUp()
  await app.mailTo(person.email)
  return person
}

/** Asks for a reset. @returns the token of the mail */
async function askForReset(email: string): Promise<string> {
  const asked = await app.call('POST', '/api/v1/auth/password-reset', { email })
  assert.equal(asked.status, 202)
  assert.deepEqual(asked.body, { status: 'accepted' })
  const mail = (await app.mailTo(email)).at(-1)
  assert.match(mail?.link ?? '', /\/account\/reset-password\?token=/)
  return mail!.token
}

const eventsOf = async (user_id: string) =>
  (
    await app.admin.query<{ type: string }>('select type from security_events where user_id = $1 order by id', [
      user_id,
    ])
  ).rows.map(({ type }) => type)

/** How many devices of theirs are known. */
const devicesOf = async (user_id: string) =>
  (
    await app.admin.query<{ count: number }>(
      'select count(*)::int as count from devices where user_id = $1 and revoked_at is null',
      [user_id],
    )
  ).rows[0]!.count

test('a reset sets a new password, revokes every session and device, confirms the address, and notifies the user', async () => {
  // Red when: completePasswordReset omits any step after spendToken.
  const person = await newPerson()
  const other = await app.logIn(person)
  const stranger = await newPerson()
  const token = await askForReset(person.email.toUpperCase())
  assert.ok(await isLive(person), 'asking alone ended the session')
  const answer = await complete(token)
  assert.equal(answer.status, 204, answer.text)
  assert.equal(answer.text, '')
  assert.equal(answer.headers['set-cookie'], undefined)
  assert.ok(!(await isLive(person)) && !(await isLive(other)))
  assert.equal((await app.call('POST', '/api/v1/auth/refresh', { refresh_token: person.refresh_token })).status, 401)
  assert.equal(await devicesOf(person.user_id), 0)
  assert.equal((await logIn(person.email, PASSWORD)).status, 401)
  const again = await logIn(person.email, NEW_PASSWORD)
  assert.equal(again.status, 200)
  assert.equal(again.body.user.email_verified, true)
  assert.ok(await isLive(stranger))
  assert.equal((await eventsOf(person.user_id)).filter(type => type === 'password-reset').length, 1)
  const mails = await app.mailTo(person.email)
  assert.match(mails.at(-1)!.subject, /was reset/)
  assert.equal((await complete(token)).body.code, 'invalid-token')
})

test('no email is sent to an address without an account, or with a disabled or deleted one', async () => {
  const unknown = newAddress()
  assert.equal((await app.call('POST', '/api/v1/auth/password-reset', { email: unknown })).status, 202)
  assert.deepEqual(await app.mailTo(unknown), [])
  for (const column of ['disabled_at', 'deleted_at']) {
    const person = await newPerson()
    const token = await askForReset(person.email)
    await app.admin.query(`update users set ${column} = now() where id = $1`, [person.user_id])
    assert.equal((await complete(token)).body.code, 'invalid-token')
    await app.call('POST', '/api/v1/auth/password-reset', { email: person.email })
    assert.deepEqual(await app.mailTo(person.email), [])
  }
})

test("a password that the policy rejects leaves the token unspent, and the user's own data counts", async () => {
  // Red when: checkPassword runs after spendToken, or without the data of the user.
  const person = await newPerson()
  await person.call('PATCH', '/api/v1/users/me', { full_name: 'Augusta Ada King' })
  const token = await askForReset(person.email)
  const before = await accountState(app, person.user_id)
  for (const weak of ['short', 'password', 'Augusta-1815!', 'Aa1!'.repeat(40)]) {
    const refused = await complete(token, weak)
    assert.ok(['weak-password', 'invalid-fields'].includes(refused.body.code), refused.text)
    assert.ok(refused.body.errors.every(({ pointer }: { pointer: string }) => pointer === '/new_password'))
  }
  assert.equal(await accountState(app, person.user_id), before)
  assert.equal((await complete(token)).status, 204)
})

test('every kind of invalid reset token gets the same response, and the valid token still works once', async () => {
  // Red when: spendToken does not check used_at.
  const person = await newPerson()
  const token = await askForReset(person.email)
  await attackToken(app, {
    path: '/api/v1/auth/password-reset/complete',
    purpose: 'reset-password',
    token,
    body: { new_password: NEW_PASSWORD },
    user_id: person.user_id,
  })
  const passwords = [1, 2, 3, 4].map(number => `${NEW_PASSWORD}-${number}`)
  const answers = await Promise.all(passwords.map(password => complete(token, password)))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 422, 422, 422])
  const winner = passwords[answers.findIndex(({ status }) => status === 204)]!
  for (const password of passwords)
    assert.equal((await logIn(person.email, password)).status, password === winner ? 200 : 401)
})

test('a reset revokes the other links, pending sign-ins, and a pending change of address', async () => {
  // Red when: a kind of token loses `endsWithPassword`.
  const person = await newPerson()
  const tokens = [await askForReset(person.email), await askForReset(person.email)]
  const new_email = newAddress()
  assert.equal((await person.call('POST', '/api/v1/auth/change-email', toAddress(new_email))).status, 202)
  const [change] = await app.mailTo(new_email)
  assert.equal((await complete(tokens[1])).status, 204)
  assert.equal((await complete(tokens[0])).body.code, 'invalid-token')
  assert.equal((await verify(change!.token)).body.code, 'invalid-token')
})

test('a reset lifts a lockout', async () => {
  // Red when: completePasswordReset does not call unlockSignIn.
  const locked = await createTestApp({ ACCOUNT_LOCKOUT_THRESHOLD: '2' })
  const person = await locked.signUp()
  const guess = (password: string) => locked.call('POST', '/api/v1/auth/login', { email: person.email, password })
  for (let count = 0; count < 3; count++) await guess('Wrong-horse-7')
  assert.equal((await guess(PASSWORD)).status, 401)
  await locked.call('POST', '/api/v1/auth/password-reset', { email: person.email })
  const mails = await locked.mailTo(person.email)
  const token = mails.find(({ link }) => link.includes('/reset-password?token='))!.token
  const done = await locked.call('POST', '/api/v1/auth/password-reset/complete', { token, new_password: NEW_PASSWORD })
  assert.equal(done.status, 204, done.text)
  assert.equal((await guess(NEW_PASSWORD)).status, 200)
})

test('a user who signs in only with a provider gets a first password by a reset', async () => {
  const person = await newPerson()
  await app.admin.query('update users set password_hash = null where id = $1', [person.user_id])
  assert.equal((await logIn(person.email, PASSWORD)).status, 401)
  assert.equal((await complete(await askForReset(person.email))).status, 204)
  assert.equal((await logIn(person.email, NEW_PASSWORD)).status, 200)
})

test('the link of a reset works only for the address that it was sent to, and for half an hour', async () => {
  // Red when: completePasswordReset does not compare the address, or resetPasswordToken has another lifetime.
  const person = await newPerson()
  const token = await askForReset(person.email)
  const { rows } = await app.admin.query<{ seconds: number }>(
    'select extract(epoch from expires_at - created_at)::int as seconds from one_time_tokens where id = $1',
    [idOf('reset-password', token)],
  )
  assert.equal(rows[0]!.seconds, 1800)
  await app.admin.query('update users set email = $1 where id = $2', [newAddress(), person.user_id])
  assert.equal((await complete(token)).body.code, 'invalid-token')
})

test('a user changes the password with the current one; other sessions and devices are revoked, this one stays', async () => {
  // Red when: revokeOtherSessions or revokeDevices is omitted, or revokes the current session.
  const person = await newPerson()
  const [other, here] = [await app.logIn(person), await app.logIn(person)]
  const change = (body: object) => here.call('POST', '/api/v1/auth/change-password', body)
  const cases: [object, number, string][] = [
    [{ new_password: NEW_PASSWORD }, 422, 'invalid-fields'],
    [{ current_password: 'Wrong-horse-7', new_password: NEW_PASSWORD }, 401, 'invalid-credentials'],
    [{ current_password: PASSWORD, new_password: PASSWORD }, 422, 'weak-password'],
    [{ current_password: PASSWORD, new_password: 'weak' }, 422, 'weak-password'],
    [{ current_password: PASSWORD, new_password: NEW_PASSWORD, end_other_sessions: 'no' }, 422, 'invalid-fields'],
  ]
  for (const [body, status, code] of cases) {
    const refused = await change(body)
    assert.deepEqual([refused.status, refused.body.code], [status, code], refused.text)
  }
  assert.ok((await isLive(other)) && (await isLive(person)))
  assert.deepEqual(await app.mailTo(person.email), [])
  const changed = await change({ current_password: PASSWORD, new_password: NEW_PASSWORD })
  assert.equal(changed.status, 204, changed.text)
  assert.ok(!(await isLive(other)) && !(await isLive(person)))
  assert.ok(await isLive(here))
  assert.equal(await devicesOf(person.user_id), 1)
  assert.equal((await logIn(person.email, PASSWORD)).status, 401)
  assert.equal((await logIn(person.email, NEW_PASSWORD)).status, 200)
  assert.match((await app.mailTo(person.email)).at(-1)!.subject, /password was changed/i)
})

test('other sessions and devices stay on request', async () => {
  const person = await newPerson()
  const other = await app.logIn(person)
  const devices = await devicesOf(person.user_id)
  const body = { current_password: PASSWORD, new_password: NEW_PASSWORD, end_other_sessions: false }
  assert.equal((await person.call('POST', '/api/v1/auth/change-password', body)).status, 204)
  assert.ok((await isLive(other)) && (await isLive(person)))
  assert.equal(await devicesOf(person.user_id), devices)
})

test('of two concurrent changes of a password, one succeeds', async () => {
  // Red when: replaceHash does not compare the former hash.
  const person = await newPerson()
  const passwords = [1, 2, 3].map(number => `${NEW_PASSWORD}-${number}`)
  const answers = await Promise.all(
    passwords.map(new_password =>
      person.call('POST', '/api/v1/auth/change-password', { current_password: PASSWORD, new_password }),
    ),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 401, 401])
  const winner = passwords[answers.findIndex(({ status }) => status === 204)]!
  assert.equal((await logIn(person.email, winner)).status, 200)
})

test('an account without a password sets one within two minutes of its sign-in', async () => {
  // Red when: choose (identity/proofs) does not check how recent the sign-in is, or trusts the claim of the token.
  const person = await newPerson()
  await app.admin.query('update users set password_hash = null where id = $1', [person.user_id])
  const set = (more: object = {}) =>
    person.call('POST', '/api/v1/auth/change-password', { new_password: NEW_PASSWORD, ...more })
  const age = (seconds: number) =>
    app.admin.query('update sessions set authenticated_at = now() - make_interval(secs => $1) where user_id = $2', [
      seconds,
      person.user_id,
    ])
  await age(121)
  assert.equal((await set()).body.code, 'step-up-required')
  await age(60)
  assert.equal((await set({ proof: { password: PASSWORD } })).body.errors[0].pointer, '/proof')
  assert.equal((await set()).status, 204)
  assert.equal((await logIn(person.email, NEW_PASSWORD)).status, 200)
})

test('guesses at the current password count towards the lockout', async () => {
  // Red when: verifyPassword (identity/proofs) reserves no guess.
  const locked = await createTestApp({ ACCOUNT_LOCKOUT_THRESHOLD: '3' })
  const person = await locked.signUp()
  const change = (current_password: string) =>
    person.call('POST', '/api/v1/auth/change-password', { current_password, new_password: NEW_PASSWORD })
  for (let count = 0; count < 3; count++) assert.equal((await change('Wrong-horse-7')).status, 401)
  assert.equal((await change(PASSWORD)).body.code, 'invalid-credentials')
})

test('a revoked session can change neither password nor address', async () => {
  const person = await newPerson()
  await person.call('POST', '/api/v1/auth/logout')
  const before = await accountState(app, person.user_id)
  for (const [path, body] of [
    ['change-password', { current_password: PASSWORD, new_password: NEW_PASSWORD }],
    ['change-email', toAddress(newAddress())],
  ] as const)
    assert.equal((await person.call('POST', `/api/v1/auth/${path}`, body)).status, 401)
  assert.equal(await accountState(app, person.user_id), before)
})

test('an address changes when the new one is confirmed; the old one gets two notices, and sessions continue', async () => {
  // Red when: completeEmailChange records no event or revokes no tokens, or the token does not store the old address.
  const person = await newPerson()
  const reset = await askForReset(person.email)
  const new_email = newAddress()
  const asked = await person.call('POST', '/api/v1/auth/change-email', toAddress(new_email.toUpperCase()))
  assert.equal(asked.status, 202, asked.text)
  assert.match((await app.mailTo(person.email)).at(-1)!.subject, /requested/)
  const [mail] = await app.mailTo(new_email)
  assert.equal((await logIn(person.email, PASSWORD)).status, 200)
  const token = mail!.token
  await attackToken(app, { path: '/api/v1/auth/verify-email', purpose: 'change-email', token, user_id: person.user_id })
  assert.deepEqual((await verify(token)).body, { status: 'email-changed', email: new_email })
  const told = await app.mailTo(person.email)
  assert.equal(told.length, 1)
  assert.ok(told[0]!.text.includes(new_email))
  assert.ok(await isLive(person))
  assert.equal((await person.call('GET', '/api/v1/auth/me')).body.user.email, new_email)
  assert.equal((await logIn(person.email, PASSWORD)).status, 401)
  assert.equal((await logIn(new_email, PASSWORD)).status, 200)
  assert.equal((await complete(reset)).body.code, 'invalid-token')
  assert.equal((await verify(token)).body.code, 'invalid-token')
  const { rows } = await app.admin.query('select purpose from one_time_tokens where email = $1 and used_at is null', [
    person.email,
  ])
  assert.deepEqual(rows, [{ purpose: 'undo' }], 'of what the former address was sent, only the way back is good')
})

test('an address with an account is not taken over: its owner is notified, and the requester learns nothing', async () => {
  const [person, other] = [await newPerson(), await newPerson()]
  const asked = await person.call('POST', '/api/v1/auth/change-email', toAddress(other.email))
  assert.equal(asked.status, 202)
  const mails = await app.mailTo(other.email)
  assert.equal(mails.length, 1)
  assert.equal(mails[0]!.token, '')
  const own = await person.call('POST', '/api/v1/auth/change-email', toAddress(person.email.toUpperCase()))
  assert.equal(own.body.code, 'invalid-fields')
})

test('an address that was taken meanwhile is refused like an invalid link, and nothing changes', async () => {
  // Red when: users_email_key is not mapped to invalid-token.
  const person = await newPerson()
  const new_email = newAddress()
  await person.call('POST', '/api/v1/auth/change-email', toAddress(new_email))
  const [mail] = await app.mailTo(new_email)
  const taken = await app.call('POST', '/api/v1/auth/signup', { email: new_email, password: PASSWORD })
  assert.equal(taken.status, 201)
  const before = await accountState(app, person.user_id)
  assert.equal((await verify(mail!.token)).body.code, 'invalid-token')
  assert.equal(await accountState(app, person.user_id), before)
})

test('of two changes of address the latest request counts; of two users who request the same address, one gets it', async () => {
  const person = await newPerson()
  const wanted = [newAddress(), newAddress()]
  const tokens: string[] = []
  for (const new_email of wanted) {
    await person.call('POST', '/api/v1/auth/change-email', toAddress(new_email))
    tokens.push((await app.mailTo(new_email))[0]!.token)
  }
  assert.equal((await verify(tokens[0]!)).body.code, 'invalid-token')
  assert.equal((await verify(tokens[1]!)).status, 200)
  const rivals = [await newPerson(), await newPerson()]
  const new_email = newAddress()
  for (const rival of rivals) await rival.call('POST', '/api/v1/auth/change-email', toAddress(new_email))
  const answers = await Promise.all((await app.mailTo(new_email)).map(({ token }) => verify(token)))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 422])
})

test('a concurrent sign-in with the old password leaves no session after a reset', async () => {
  // Red when: completePasswordReset revokes the sessions before it has changed the hash.
  for (let round = 0; round < 5; round++) {
    const person = await newPerson()
    const token = await askForReset(person.email)
    const [done, ...logins] = await Promise.all([
      complete(token),
      ...[1, 2, 3, 4].map(() => logIn(person.email, PASSWORD)),
    ])
    assert.equal(done.status, 204)
    for (const { status, body } of logins) {
      if (status !== 200) continue
      const authorization = `Bearer ${body.access_token}`
      assert.equal((await app.call('GET', '/api/v1/auth/me', undefined, { authorization })).status, 401)
    }
  }
})

// Red when: completePasswordReset keeps earlier identities, or confirms the address although the owner lacks the second
// factor.
test('after a reset, an account created by a stranger keeps neither its providers nor a verified address', async () => {
  const link = async ({ user_id }: Person) =>
    app.admin.query(
      `insert into identities (user_id, provider, issuer, subject) values ($1::uuid, 'github', 'https://github.com/login/oauth', $1::text)`,
      [user_id],
    )
  const identitiesOf = async ({ user_id }: Person) =>
    (await app.admin.query('select from identities where user_id = $1', [user_id])).rowCount
  const squatter = await newPerson()
  await link(squatter)
  assert.equal((await complete(await askForReset(squatter.email))).status, 204)
  assert.equal(await identitiesOf(squatter), 0)
  assert.ok((await eventsOf(squatter.user_id)).includes('identity-unlinked'))
  assert.equal((await logIn(squatter.email, NEW_PASSWORD)).body.user.email_verified, true, 'the owner gets in')

  const stubborn = await newPerson()
  await enrolApp(app, stubborn)
  assert.equal((await complete(await askForReset(stubborn.email))).status, 204)
  assert.equal((await logIn(stubborn.email, NEW_PASSWORD)).body.code, 'mfa-required', 'a reset skips no second factor')
  const { rows } = await app.admin.query('select email_verified from users where id = $1', [stubborn.user_id])
  assert.deepEqual(rows, [{ email_verified: false }])

  const owner = await newPerson()
  await app.verify(owner)
  await link(owner)
  assert.equal((await complete(await askForReset(owner.email))).status, 204)
  assert.equal(await identitiesOf(owner), 1, 'a proved address keeps what it had')
})

// Red when: requestEmailChange does not lock the session: its change would commit after the reset has revoked all
// others.
test('a change of address that a session began does not outlive the session', async () => {
  const person = await newPerson()
  const blocker = await app.admin.connect()
  try {
    await blocker.query('begin')
    await blocker.query('lock table one_time_tokens in share mode')
    const asked = person.call('POST', '/api/v1/auth/change-email', toAddress(newAddress()))
    assert.ok(await waits(app.admin, blocker, asked))
    // A revocation of the session waits for the change and then sees it; or the change sees the revocation.
    await blocker.query(`set local lock_timeout = '500ms'`)
    await blocker.query('savepoint ending')
    const ended = await blocker
      .query(`update sessions set revoked_at = now(), revoked_reason = 'test' where user_id = $1`, [person.user_id])
      .then(
        () => true,
        () => false,
      )
    if (!ended) await blocker.query('rollback to ending')
    await blocker.query('commit')
    assert.equal((await asked).status, ended ? 401 : 202)
  } finally {
    blocker.release()
  }
})

// Red when: lockSession, completeEmailChange or completePasswordReset locks another row before the account.
test('concurrent changes of an account run one at a time, without a deadlock', async () => {
  const wide = await createTestApp({ DATABASE_POOL_SIZE: '24' })
  const api = '/api/v1'
  for (let round = 0; round < 5; round++) {
    const person = await newPerson()
    const new_email = newAddress()
    await person.call('POST', `${api}/auth/change-email`, toAddress(new_email))
    const { token } = (await app.mailTo(new_email)).at(-1)!
    const reset = await askForReset(person.email)
    const headers = { authorization: `Bearer ${person.access_token}` }
    const answers = await Promise.all([
      wide.call('POST', `${api}/auth/verify-email`, { token }),
      wide.call('POST', `${api}/auth/change-email`, toAddress(newAddress()), headers),
      wide.call('POST', `${api}/auth/password-reset/complete`, { token: reset, new_password: NEW_PASSWORD }),
      wide.call('DELETE', `${api}/users/me`, undefined, headers),
    ])
    for (const { status, text } of answers) assert.notEqual(status, 503, text)
  }
})
