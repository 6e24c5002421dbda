import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { hash as bcrypt } from 'bcrypt'
import { recordStatements } from './statements.ts'
import { createTestApp, PASSWORD } from './test-app.ts'
import type { Answer, TestApp } from './test-app.ts'

// No response, and no work that it causes, reveals whether an email address or username has an account: status,
// headers, bytes, statements and the number of hashes are equal. `npm run bench -- enumeration` measures the times.

const app = await createTestApp()
const { admin, call, signUp, verify } = app
const observe = observer(app)

const required = await createTestApp({ EMAIL_VERIFICATION: 'required' })
const observeRequired = observer(required)

/** Records everything that a client can see of a response, and what it cost. */
function observer({ database, work }: TestApp) {
  const statements = recordStatements(database)
  return async (request: () => Promise<Answer>) => {
    statements.take()
    const hashes = work.hashes
    const { status, headers, text } = await request()
    const { 'x-request-id': id, date: _date, ...fields } = headers
    return {
      status,
      headers: fields,
      body: text.replaceAll(String(id), '<request id>'),
      statements: statements.take(),
      hashes: work.hashes - hashes,
    }
  }
}

/** A user with a username, whose row is changed directly in the database. */
async function personWith(change: string): Promise<{ email: string; username: string }> {
  const { email, user_id } = await signUp()
  const username = `u-${randomUUID()}`
  await admin.query(`update users set username = $1, ${change} where id = $2`, [username, user_id])
  return { email, username }
}

const wrong = (who: object) => () => call('POST', '/api/v1/auth/login', { ...who, password: 'Wrong-horse-7' })

// Red when: the accounts' conditions move from the join into a later check, verify() returns early without a hash, or
// a locked account is refused before the hash.
test('a wrong password looks and costs the same for every name, and so does the right one where none is accepted', async () => {
  const absent = { email: `nobody-${randomUUID()}@example.com`, username: `n-${randomUUID()}` }
  const locked = await personWith('disabled_at = null')
  for (let guess = 0; guess < 5; guess++) await wrong({ email: locked.email })()
  const imported = await bcrypt(PASSWORD, 4)
  const people = {
    known: await personWith('disabled_at = null'),
    confirmed: await personWith('email_verified_at = now()'),
    'a superuser': await personWith('superuser = true'),
    imported: await personWith(`password_hash = '${imported}'`),
    'without a password': await personWith('password_hash = null'),
    disabled: await personWith('disabled_at = now()'),
    deleted: await personWith('deleted_at = now()'),
    locked,
  }
  for (const identifier of ['email', 'username'] as const) {
    const expected = await observe(wrong({ [identifier]: absent[identifier] }))
    assert.equal(expected.status, 401)
    assert.equal(expected.hashes, 1)
    assert.ok(expected.statements.length >= 2)
    for (const [name, person] of Object.entries(people))
      assert.deepEqual(await observe(wrong({ [identifier]: person[identifier] })), expected, `${name} by ${identifier}`)
    for (const name of ['without a password', 'disabled', 'deleted', 'locked'] as const) {
      const who = { [identifier]: people[name][identifier] }
      const right = () => call('POST', '/api/v1/auth/login', { ...who, password: PASSWORD })
      assert.deepEqual(await observe(right), expected, `the right password of ${name} by ${identifier}`)
    }
  }
})

test('the failure that starts a lockout looks and costs the same for a name without an account', async () => {
  const [known, unknown] = [(await signUp()).email, `nobody-${randomUUID()}@example.com`]
  for (let guess = 0; guess < 7; guess++) {
    const expected = await observe(wrong({ email: unknown }))
    assert.deepEqual(await observe(wrong({ email: known })), expected, `failure ${guess + 1}`)
  }
  const { rows } = await admin.query<{ failures: number }>(
    `select failures from throttles where key = 'account ' || (select id from users where email = $1)`,
    [known],
  )
  assert.deepEqual(rows, [{ failures: 5 }], 'it was locked on the way')
})

test('the device token of another account looks and costs the same as an invalid one', async () => {
  const [person, other] = [await signUp(), await signUp()]
  const { device_token } = (await call('POST', '/api/v1/auth/login', { email: other.email, password: PASSWORD })).body
  const expected = await observe(wrong({ email: person.email }))
  assert.deepEqual(await observe(wrong({ email: person.email, device_token })), expected)
  assert.deepEqual(await observe(wrong({ email: person.email, device_token: 'x'.repeat(64) })), expected)
})

/** Addresses of every kind of account, and one of each kind of pending request. */
async function knownAddresses(): Promise<Record<string, string>> {
  const waiting = `waiting-${randomUUID()}@example.com`
  await required.call('POST', '/api/v1/auth/signup', { email: waiting, password: PASSWORD })
  const people: Record<string, { email: string }> = {
    known: await personWith('disabled_at = null'),
    confirmed: await personWith('email_verified_at = now()'),
    'a superuser': await personWith('superuser = true'),
    'without a password': await personWith('password_hash = null'),
    disabled: await personWith('disabled_at = now()'),
    deleted: await personWith('deleted_at = now()'),
    'waiting to be confirmed': { email: waiting },
  }
  const addresses = Object.entries(people).map(([name, { email }]) => [name, email] as const)
  const capitals = addresses.map(([name, email]) => [`${name}, in capitals`, email.toUpperCase()] as const)
  return Object.fromEntries([...addresses, ...capitals])
}

/** Every request that can cause an email to an address; `hashes` is the number of hashes that it takes. */
const mailed: readonly { name: string; path: string; hashes: number; body: (email: string) => object }[] = [
  { name: 'a reset', path: 'password-reset', hashes: 0, body: email => ({ email }) },
  { name: 'a repeated confirmation', path: 'verify-email/resend', hashes: 0, body: email => ({ email }) },
  { name: 'a sign-up', path: 'signup', hashes: 0, body: email => ({ email, password: PASSWORD }) },
  {
    name: 'a sign-up with names',
    path: 'signup',
    hashes: 0,
    body: email => ({ email, password: PASSWORD, username: `u-${randomUUID()}`, organization_name: 'Engines' }),
  },
  { name: 'a registration', path: 'register', hashes: 0, body: email => ({ email, password: PASSWORD }) },
]

// Red when: a route looks the address up, responds before it has done all of its work, or does not enqueue the job
// where no email will be sent.
test('a request that can cause an email looks and costs the same for every address, with and without an account', async () => {
  const people = await knownAddresses()
  for (const { name, path, hashes, body } of mailed) {
    const ask = (email: string) => () => required.call('POST', `/api/v1/auth/${path}`, body(email))
    const expected = await observeRequired(ask(`nobody-${randomUUID()}@example.com`))
    assert.equal(expected.status, 202, name)
    assert.equal(expected.hashes, hashes, name)
    assert.ok(expected.statements.length >= 1, name)
    for (const [whose, email] of Object.entries(people))
      assert.deepEqual(await observeRequired(ask(email)), expected, `${name} for ${whose}`)
    assert.deepEqual(await observeRequired(ask(`nobody-${randomUUID()}@example.com`)), expected, name)
  }
})

// Red when: requestSignUp checks the address before the names.
test('a sign-up that is refused for its names or its password gets the same response for every address', async () => {
  const { username } = await personWith('disabled_at = null')
  const people = await knownAddresses()
  for (const [given, status] of [
    [{ password: PASSWORD, username }, 409],
    [{ password: 'weak' }, 422],
    [{ password: PASSWORD, organization_slug: 'without-a-name' }, 422],
  ] as const) {
    const ask = (email: string) => () => required.call('POST', '/api/v1/auth/signup', { email, ...given })
    const expected = await observeRequired(ask(`nobody-${randomUUID()}@example.com`))
    assert.equal(expected.status, status)
    for (const [whose, email] of Object.entries(people))
      assert.deepEqual(await observeRequired(ask(email)), expected, whose)
  }
})

// Red when: createInvitation looks an address up, except among the members whom the inviter sees.
test('inviting an address, or adding it as a member, looks and costs the same for every address', async () => {
  const owner = await signUp('Inviting')
  await verify(owner)
  const people = await knownAddresses()
  for (const path of ['invitations', 'members']) {
    const ask = (email: string) => async (): Promise<Answer> => {
      const invite = { email, role: 'member' }
      const answer = await owner.call('POST', `/api/v1/organizations/${owner.organization_id}/${path}`, invite)
      // These values belong to the invitation, and have the same length in each.
      const { id, email: invited, created_at: _created, mail_at: _mailed, expires_at: _expires, ...body } = answer.body
      assert.deepEqual([typeof id, invited], ['string', email.toLowerCase()])
      delete answer.headers['content-length']
      return { ...answer, text: JSON.stringify(body) }
    }
    const expected = await observe(ask(`nobody-${randomUUID()}@example.com`))
    assert.deepEqual([expected.status, expected.hashes], [202, 0])
    for (const [whose, email] of Object.entries(people))
      assert.deepEqual(await observe(ask(email)), expected, `${path} for ${whose}`)
  }
})

// Red when: requestEmailChange looks up whether the new address has an account.
test('requesting a change of address looks and costs the same for every new address', async () => {
  const person = await signUp()
  const proof = { password: PASSWORD }
  const ask = (new_email: string) => () => person.call('POST', '/api/v1/auth/change-email', { new_email, proof })
  const expected = await observe(ask(`nobody-${randomUUID()}@example.com`))
  assert.equal(expected.status, 202)
  assert.equal(expected.hashes, 1)
  for (const [whose, email] of Object.entries(await knownAddresses()))
    assert.deepEqual(await observe(ask(email)), expected, whose)
})

// Red when: a page responds to a known address with a different text.
test('the pages that request an email look and cost the same for every address', async () => {
  const people = await knownAddresses()
  for (const path of ['reset-password', 'verify-email', 'sign-up']) {
    const ask = (email: string) => async (): Promise<Answer> => {
      const { statusCode, headers, body } = await required.app.inject({
        method: 'POST',
        url: `/account/${path}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: new URLSearchParams({ email }).toString(),
      })
      // It shows the address that was entered, and is as long as that.
      const { 'content-length': length, ...others } = headers as Record<string, string>
      assert.equal(Number(length), Buffer.byteLength(body))
      const text = body.replaceAll(email, 'the address')
      return { status: statusCode, headers: others, body: text, text }
    }
    const expected = await observeRequired(ask(`nobody-${randomUUID()}@example.com`))
    assert.equal(expected.status, 200)
    for (const [whose, email] of Object.entries(people))
      assert.deepEqual(await observeRequired(ask(email)), expected, `${path} for ${whose}`)
  }
})
