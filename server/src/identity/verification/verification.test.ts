import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { accountState, attackToken, idOf } from '../../../test/bad-tokens.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { TestApp } from '../../../test/test-app.ts'

const required = await createTestApp({ EMAIL_VERIFICATION: 'required' })
const optional = await createTestApp()
const kept = await createTestApp({ UNVERIFIED_ACCESS: 'own' })

const newAddress = () => `verify-${randomUUID()}@example.com`
const isThere = async (app: TestApp, email: string) =>
  (await app.admin.query('select from users where email = $1', [email])).rowCount === 1
/** With the password that is chosen, or that the account has. */
const verify = (app: TestApp, token: unknown, password: string | undefined = PASSWORD) =>
  app.call('POST', '/api/v1/auth/verify-email', { token, password })

/** Asks for an account under `required`. @returns the token of the mail */
async function askForAccount(email: string, more: object = {}): Promise<string> {
  const asked = await required.call('POST', '/api/v1/auth/signup', { email, password: PASSWORD, ...more })
  assert.equal(asked.status, 202, asked.text)
  const mails = await required.mailTo(email)
  assert.equal(mails.length, 1)
  return mails[0]!.token
}

test('under required, a sign-up creates the account only when the link is used, and the user can then sign in', async () => {
  // Red when: signUpRoutes creates the account at once, or completeSignUp leaves the address unconfirmed.
  const email = newAddress()
  const asked = await required.call('POST', '/api/v1/auth/signup', {
    email: email.toUpperCase().replace('@EXAMPLE.COM', '@Example.com'),
    password: PASSWORD,
    given_name: 'Ada',
    family_name: 'Lovelace',
    organization_name: 'Engines',
  })
  assert.equal(asked.status, 202)
  assert.deepEqual(asked.body, { status: 'accepted' })
  const login = () => required.call('POST', '/api/v1/auth/login', { email, password: PASSWORD })
  assert.equal((await login()).status, 401)
  assert.equal(await isThere(required, email), false)
  const [mail] = await required.mailTo(email)
  const verified = await verify(required, mail!.token)
  assert.equal(verified.status, 200, verified.text)
  assert.deepEqual(verified.body, { status: 'signed-up', email })
  const { status, body } = await login()
  assert.equal(status, 200)
  assert.equal(body.user.email_verified, true)
  assert.equal(body.user.full_name, 'Ada Lovelace')
  assert.equal(body.organization.name, 'Engines')
  assert.equal(body.organization.role, undefined)
  // No data of the request is kept.
  const { rows } = await required.admin.query(`select details from one_time_tokens where email = $1`, [email])
  assert.deepEqual(rows, [{ details: {} }])
  assert.equal((await verify(required, mail!.token)).body.code, 'invalid-token')
})

test('register creates a personal organization in the same way', async () => {
  const email = newAddress()
  assert.equal(
    (await required.call('POST', '/api/v1/auth/register', { email, password: PASSWORD, full_name: 'Ada' })).status,
    202,
  )
  const [mail] = await required.mailTo(email)
  assert.equal((await verify(required, mail!.token)).status, 200)
  const { body } = await required.call('POST', '/api/v1/auth/login', { email, password: PASSWORD })
  assert.equal(body.organization.kind, 'personal')
})

test('a sign-up with a taken address creates no account, and its owner is notified', async () => {
  // Red when: signUp (identity/sign-up/mails.ts) sends the sign-up mail to an address that has an account.
  const email = newAddress()
  assert.equal((await verify(required, await askForAccount(email))).status, 200)
  assert.equal(
    (await required.call('POST', '/api/v1/auth/signup', { email, password: 'Different-horse-9' })).status,
    202,
  )
  const mails = await required.mailTo(email)
  assert.equal(mails.length, 1)
  assert.equal(mails[0]!.token, '')
  assert.match(mails[0]!.subject, /already/)
})

test('of many sign-ups with one address, one becomes an account, and the links of the others are invalid', async () => {
  // Red when: the response is email-taken.
  const email = newAddress()
  const tokens = [
    await askForAccount(email, { organization_name: 'One', organization_slug: `one-${randomUUID()}` }),
    await askForAccount(email, { organization_name: 'Two', organization_slug: `two-${randomUUID()}` }),
  ]
  const answers = await Promise.all([...tokens, ...tokens, ...tokens].map(token => verify(required, token)))
  assert.deepEqual(
    answers.map(({ status }) => status).sort(),
    [200, 422, 422, 422, 422, 422],
    answers.map(({ text }) => text).join('\n'),
  )
  for (const { status, body } of answers) if (status !== 200) assert.equal(body.code, 'invalid-token')
  const { rows } = await required.admin.query(
    `select count(*)::int as people, (select count(*)::int from memberships m join users u on u.id = m.user_id where u.email = $1) as memberships
      from users where email = $1`,
    [email],
  )
  assert.deepEqual(rows, [{ people: 1, memberships: 1 }])
})

// Red when: completeSignUp takes the password of the request instead of the one that comes with the token.
test('the password of an account is the one that is entered with the link, regardless of earlier requests', async () => {
  const passwords = [PASSWORD, 'Strangers-horse-8']
  for (const clicked of [0, 1]) {
    const email = newAddress()
    const tokens = [await askForAccount(email), await askForAccount(email, { password: passwords[1] })]
    const chosen = 'Brand-new-zebra-42'
    assert.deepEqual((await verify(required, tokens[clicked], chosen)).body, { status: 'signed-up', email })
    for (const password of [...passwords, chosen]) {
      const { status } = await required.call('POST', '/api/v1/auth/login', { email, password })
      assert.equal(status, password === chosen ? 200 : 401)
    }
  }
})

// Red when: signUpRoutes stores the hash, or completeSignUp does not check the password.
test('a sign-up needs no password before the link, stores none that is sent, and checks both', async () => {
  const email = newAddress()
  const signup = (body: object, app = required) => app.call('POST', '/api/v1/auth/signup', { email, ...body })
  assert.equal((await signup({ password: 'weak' })).body.code, 'weak-password')
  assert.equal((await signup({}, optional)).body.errors[0].pointer, '/password')
  assert.equal((await signup({})).status, 202)
  const [mail] = await required.mailTo(email)
  const { rows } = await required.admin.query(`select details::text from one_time_tokens where email = $1`, [email])
  assert.doesNotMatch(JSON.stringify(rows), /argon|password/)
  const token = mail!.token
  const missing = await required.call('POST', '/api/v1/auth/verify-email', { token })
  assert.deepEqual([missing.status, missing.body.errors[0].pointer], [422, '/password'])
  const weak = await verify(required, token, 'weak')
  assert.deepEqual([weak.body.code, weak.body.errors[0].pointer], ['weak-password', '/password'])
  assert.equal((await verify(required, token)).status, 200)
})

/** An account that someone made with an address that is not theirs, and the mail to its owner. */
async function squat() {
  const squatter = await optional.signUp()
  const [mail] = await optional.mailTo(squatter.email)
  return { squatter, token: mail!.token }
}

// Red when: verifyAccount confirms without the password, or reserves no guess.
test('the owner of a mailbox cannot confirm an account that a stranger created: its password is required, and guesses count', async () => {
  const { squatter, token } = await squat()
  const confirm = (password?: string) =>
    optional.call('POST', '/api/v1/auth/verify-email', { token, ...(password !== undefined && { password }) })
  const missing = await confirm()
  assert.deepEqual([missing.status, missing.body.errors[0].pointer], [422, '/password'])
  for (let guess = 0; guess < 5; guess++)
    assert.deepEqual((await confirm('Wrong-horse-7')).body.code, 'invalid-credentials')
  assert.equal((await confirm(PASSWORD)).body.code, 'invalid-credentials', 'five failures lock')
  const stranger = await optional.signUp()
  const foreign = await stranger.call('POST', '/api/v1/auth/verify-email', { token })
  assert.equal(foreign.body.errors[0].pointer, '/password', 'a session of another account is none of this one')
  assert.equal((await squatter.call('GET', '/api/v1/auth/me')).body.user.email_verified, false)
  // A reset also confirms the address, and revokes the stranger's access.
  await optional.call('POST', '/api/v1/auth/password-reset', { email: squatter.email })
  const reset = (await optional.mailTo(squatter.email)).at(-1)!
  const done = { token: reset.token, new_password: 'Brand-new-zebra-42' }
  assert.equal((await optional.call('POST', '/api/v1/auth/password-reset/complete', done)).status, 204)
  assert.equal((await squatter.call('GET', '/api/v1/auth/me')).status, 401)
})

// Red when: verifyEmail does not check the session, or accepts a revoked one.
test('a live session of the account replaces its password', async () => {
  const { squatter: person, token } = await squat()
  const other = await optional.logIn(person)
  await other.call('POST', '/api/v1/auth/logout')
  const ended = await other.call('POST', '/api/v1/auth/verify-email', { token })
  assert.equal(ended.body.code, 'session-ended')
  const verified = await person.call('POST', '/api/v1/auth/verify-email', { token })
  assert.deepEqual(verified.body, { status: 'email-verified', email: person.email })
})

test('an account without a password needs only the link to confirm its address', async () => {
  const { squatter: person, token } = await squat()
  await optional.admin.query('update users set password_hash = null where id = $1', [person.user_id])
  assert.equal((await optional.call('POST', '/api/v1/auth/verify-email', { token })).status, 200)
})

test('a taken username or slug is reported at once; one that is taken meanwhile is omitted', async () => {
  // Red when: completeSignUp fails at a conflict of names.
  const username = `ada-${randomUUID().slice(0, 8)}`
  const slug = `engines-${randomUUID().slice(0, 8)}`
  const names = { username: username.toUpperCase(), organization_name: 'Engines', organization_slug: slug }
  const [first, second] = [newAddress(), newAddress()]
  const [one, two] = [await askForAccount(first, names), await askForAccount(second, names)]
  assert.equal((await verify(required, one)).status, 200)
  for (const [given, code] of [
    [{ username }, 'username-taken'],
    [{ organization_name: 'Engines', organization_slug: slug }, 'organization-slug-taken'],
  ] as const) {
    for (const email of [newAddress(), first]) {
      const refused = await required.call('POST', '/api/v1/auth/signup', { email, password: PASSWORD, ...given })
      assert.equal(refused.status, 409)
      assert.equal(refused.body.code, code)
    }
  }
  assert.equal((await verify(required, two)).status, 200)
  const { body } = await required.call('POST', '/api/v1/auth/login', { email: second, password: PASSWORD })
  assert.equal(body.user.username, null)
  assert.notEqual(body.organization.slug, slug)
  assert.match(body.organization.slug, /^engines/)
})

test('a sign-up never creates a superuser or a verified address, whatever is sent', async () => {
  for (const extra of [{ superuser: true }, { email_verified: true }, { identity: {} }, { details: {} }]) {
    const refused = await required.call('POST', '/api/v1/auth/signup', {
      email: newAddress(),
      password: PASSWORD,
      ...extra,
    })
    assert.equal(refused.body.code, 'invalid-fields')
  }
})

test('the email of a pending sign-up is sent again on request; for other addresses nothing is sent', async () => {
  // Red when: repeatSignUp (identity/accounts/mails.ts) finds nothing.
  const email = newAddress()
  await askForAccount(email)
  const resend = (address: string) =>
    required.call('POST', '/api/v1/auth/verify-email/resend', { email: address.toUpperCase() })
  assert.equal((await resend(email)).status, 202)
  const [again] = await required.mailTo(email)
  assert.equal((await verify(required, again!.token)).status, 200)
  assert.equal((await resend(email)).status, 202)
  assert.deepEqual(await required.mailTo(email), [])
  const stranger = newAddress()
  assert.equal((await resend(stranger)).status, 202)
  assert.deepEqual(await required.mailTo(stranger), [])
})

test('the email is sent again after two sign-ups too, whoever made the second', async () => {
  // Red when: repeatSignUp wants exactly one pending sign-up.
  const email = newAddress()
  for (let times = 0; times < 3; times++) await askForAccount(email)
  await required.call('POST', '/api/v1/auth/verify-email/resend', { email })
  const [again] = await required.mailTo(email)
  assert.ok(again?.token, 'there is a link')
  assert.equal((await verify(required, again.token)).status, 200)
})

test('every kind of invalid sign-up token gets the same response, and the valid token still works', async () => {
  const email = newAddress()
  const token = await askForAccount(email)
  const path = '/api/v1/auth/verify-email'
  await attackToken(required, { path, purpose: 'sign-up', token, user_id: randomUUID(), body: { password: PASSWORD } })
  assert.equal(await isThere(required, email), false)
  assert.equal((await verify(required, token)).status, 200)
})

test('under optional, the account gets the verification email, and an existing session sees the confirmation', async () => {
  // Red when: signUp issues no token, or confirmEmail sets nothing.
  const person = await optional.signUp()
  const [mail] = await optional.mailTo(person.email)
  assert.equal((await person.call('GET', '/api/v1/auth/me')).body.user.email_verified, false)
  await attackToken(optional, {
    path: '/api/v1/auth/verify-email',
    purpose: 'verify-email',
    token: mail!.token,
    body: { password: PASSWORD },
    user_id: person.user_id,
  })
  const answers = await Promise.all([1, 2, 3, 4].map(() => verify(optional, mail!.token)))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 422, 422, 422])
  assert.deepEqual(answers.find(({ status }) => status === 200)!.body, {
    status: 'email-verified',
    email: person.email,
  })
  assert.equal((await person.call('GET', '/api/v1/auth/me')).body.user.email_verified, true)
  assert.equal((await optional.call('POST', '/api/v1/auth/verify-email/resend', { email: person.email })).status, 202)
  assert.deepEqual(await optional.mailTo(person.email), [])
})

test('under optional, the email is sent again on request, and both links work once', async () => {
  const person = await optional.signUp()
  await optional.call('POST', '/api/v1/auth/verify-email/resend', { email: person.email })
  const [first, second] = await optional.mailTo(person.email)
  assert.equal((await verify(optional, second!.token)).status, 200)
  assert.equal((await verify(optional, first!.token)).status, 200)
  const { rows } = await optional.admin.query<{ email_verified_at: Date; used_at: Date }>(
    `select email_verified_at, used_at from users join one_time_tokens t on t.user_id = users.id where users.id = $1 order by used_at`,
    [person.user_id],
  )
  assert.ok(rows[0]!.email_verified_at <= rows[0]!.used_at, 'the second confirmation moved the first')
})

test('an address gets at most five emails an hour, in the language of the request', async () => {
  const person = await optional.signUp()
  await optional.mailTo(person.email)
  for (let count = 0; count < 7; count++)
    await optional.call(
      'POST',
      '/api/v1/auth/verify-email/resend',
      { email: person.email },
      { 'accept-language': 'de-CH, en;q=0.5' },
    )
  const mails = await optional.mailTo(person.email)
  assert.equal(mails.length, 4)
  assert.match(mails[0]!.subject, /E-Mail-Adresse/)
})

test('the link of an address that is no longer the account’s confirms nothing', async () => {
  // Red when: confirmEmail does not compare the address.
  const person = await optional.signUp()
  const [mail] = await optional.mailTo(person.email)
  await optional.admin.query('update users set email = $1 where id = $2', [newAddress(), person.user_id])
  const before = await accountState(optional, person.user_id)
  assert.equal((await verify(optional, mail!.token)).body.code, 'invalid-token')
  assert.equal(await accountState(optional, person.user_id), before)
})

test('an account with an unconfirmed address cannot sign in if addresses must be confirmed', async () => {
  const person = await optional.signUp()
  const refused = await required.call('POST', '/api/v1/auth/login', { email: person.email, password: PASSWORD })
  assert.equal(refused.body.code, 'email-unverified')
  await required.call('POST', '/api/v1/auth/verify-email/resend', { email: person.email })
  const mails = await required.mailTo(person.email)
  assert.equal((await verify(required, mails.at(-1)!.token)).status, 200)
  assert.equal(
    (await required.call('POST', '/api/v1/auth/login', { email: person.email, password: PASSWORD })).status,
    200,
  )
})

test('under own, an unconfirmed account cannot enter an organization in any way', async () => {
  // Red when: refresh() or switchOrganization() lets an unconfirmed account choose one.
  const person = await kept.signUp()
  assert.equal(person.organization_id, undefined)
  const { rows } = await kept.admin.query<{ organization_id: string }>(
    'select organization_id from memberships where user_id = $1',
    [person.user_id],
  )
  const organization_id = rows[0]!.organization_id
  const named = await kept.call('POST', '/api/v1/auth/refresh', {
    refresh_token: person.refresh_token,
    organization_id,
  })
  assert.equal(named.body.code, 'email-unverified', named.text)
  const plain = await kept.call('POST', '/api/v1/auth/refresh', { refresh_token: person.refresh_token })
  assert.equal(plain.body.organization, null)
  const switched = await person.call('POST', '/api/v1/auth/switch-organization', { organization_id })
  assert.equal(switched.body.code, 'email-unverified', switched.text)
  const [mail] = await kept.mailTo(person.email)
  assert.equal((await verify(kept, mail!.token)).status, 200)
  const after = await kept.call('POST', '/api/v1/auth/refresh', {
    refresh_token: plain.body.refresh_token,
    organization_id,
  })
  assert.equal(after.body.organization.id, organization_id)
})

test('a token and its email job are written atomically', async () => {
  // Red when: issueToken enqueues in a separate statement.
  const email = newAddress()
  await askForAccount(email)
  const { rows } = await required.admin.query<{ id: string }>(
    `select t.id, j.data from one_time_tokens t join freehold_jobs.job j on j.data ->> 'token_id' = t.id::text where t.email = $1`,
    [email],
  )
  assert.equal(rows.length, 1)
  assert.deepEqual(Object.keys((rows[0] as unknown as { data: object }).data), ['token_id'])
  assert.equal(idOf('sign-up', 'x'.repeat(64)), undefined)
})
