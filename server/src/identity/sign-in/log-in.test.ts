import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hash as bcrypt } from 'bcrypt'
import { recordStatements } from '../../../test/statements.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'

const { admin, call, database, signUp } = await createTestApp()

const logIn = (email: string, password: string) => call('POST', '/api/v1/auth/login', { email, password })
const hashOf = async (user_id: string): Promise<string> =>
  (await admin.query<{ password_hash: string }>('select password_hash from users where id = $1', [user_id])).rows[0]!
    .password_hash

/** A person with a hash that another system made. */
async function signUpElsewhere() {
  const person = await signUp()
  await admin.query('update users set password_hash = $1 where id = $2', [await bcrypt(PASSWORD, 4), person.user_id])
  return person
}

test('the right password replaces an imported hash by one of ours, a wrong one does not', async () => {
  const person = await signUpElsewhere()
  assert.equal((await logIn(person.email, 'Wrong-horse-7')).status, 401)
  assert.match(await hashOf(person.user_id), /^\$2b\$/)
  assert.equal((await logIn(person.email, PASSWORD)).status, 200)
  const renewed = await hashOf(person.user_id)
  assert.match(renewed, /^\$argon2id\$/)
  assert.equal((await logIn(person.email, PASSWORD)).status, 200)
  assert.equal(await hashOf(person.user_id), renewed)
})

// Red when: renewHash returns the former hash where it replaced nothing.
test('several sign-ins at once with an imported hash all succeed, and one replaces it', async () => {
  const person = await signUpElsewhere()
  const answers = await Promise.all(Array.from({ length: 5 }, () => logIn(person.email, PASSWORD)))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200],
  )
  const { rows } = await admin.query(
    `select 1 from security_events where user_id = $1 and type = 'account-changed' and request_id is not null and details -> 'changed' ? 'password_hash'`,
    [person.user_id],
  )
  assert.equal(rows.length, 1)
})

// Red when: a step of signIn takes another statement, or withAttempt a third trip.
test('a sign-in by password takes ten round trips: a guess reserved and settled, and one transaction', async () => {
  const person = await signUp('Acme')
  const { body } = await logIn(person.email, PASSWORD)
  const statements = recordStatements(database)
  const { email } = person
  const { device_token } = body
  const again = await call('POST', '/api/v1/auth/login', { email, password: PASSWORD, device_token })
  assert.equal(again.status, 200)
  assert.equal(statements.take().length, 10)
})
