import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { hash as bcrypt } from 'bcrypt'
import { recordStatements } from './statements.ts'
import { createTestApp, PASSWORD } from './test-app.ts'
import type { Answer } from './test-app.ts'

// Nobody learns from an answer, or from the work that it takes, whether an e-mail address or username is known: status,
// headers, bytes, statements and the number of hashes are equal. How long each takes is measured by `npm run bench -- enumeration`.

const app = await createTestApp()
const { admin, call, signUp, work } = app
const statements = recordStatements(app.database)

/** All that can be seen of an answer, and what it cost. */
async function observe(request: () => Promise<Answer>) {
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

/** A person whose row was changed behind the wall, with a username. */
async function personWith(change: string): Promise<{ email: string; username: string }> {
  const { email, user_id } = await signUp()
  const username = `u-${randomUUID()}`
  await admin.query(`update users set username = $1, ${change} where id = $2`, [username, user_id])
  return { email, username }
}

const wrong = (who: object) => () => call('POST', '/api/v1/auth/login', { ...who, password: 'Wrong-horse-7' })

// Red when: the accounts' conditions move from the join into a check after it, verify() returns early without a hash, or
// a locked account is refused before the hash.
test('a wrong password looks and costs the same, whosever name it is, and so does the right one where none is accepted', async () => {
  const nobody = { email: `nobody-${randomUUID()}@example.com`, username: `n-${randomUUID()}` }
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
    const expected = await observe(wrong({ [identifier]: nobody[identifier] }))
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

test('the failure that locks looks and costs the same for a name that nobody has', async () => {
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

test('a device that is somebody else’s looks and costs as one that is nobody’s', async () => {
  const [person, other] = [await signUp(), await signUp()]
  const { device_token } = (await call('POST', '/api/v1/auth/login', { email: other.email, password: PASSWORD })).body
  const expected = await observe(wrong({ email: person.email }))
  assert.deepEqual(await observe(wrong({ email: person.email, device_token })), expected)
  assert.deepEqual(await observe(wrong({ email: person.email, device_token: 'x'.repeat(64) })), expected)
})
