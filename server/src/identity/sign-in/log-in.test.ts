import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hash as bcrypt } from 'bcrypt'
import { waits } from '../../../test/meeting.ts'
import { recordStatements } from '../../../test/statements.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'

const own = await createTestApp()
const { admin, call, database, signUp } = own

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

test('the right password replaces an imported hash by our own, a wrong one does not', async () => {
  const person = await signUpElsewhere()
  assert.equal((await logIn(person.email, 'Wrong-horse-7')).status, 401)
  assert.match(await hashOf(person.user_id), /^\$2b\$/)
  assert.equal((await logIn(person.email, PASSWORD)).status, 200)
  const renewed = await hashOf(person.user_id)
  assert.match(renewed, /^\$argon2id\$/)
  assert.equal((await logIn(person.email, PASSWORD)).status, 200)
  assert.equal(await hashOf(person.user_id), renewed)
})

// Red when: renewHash returns the former hash if it replaced nothing.
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

// Red when: a step of signIn takes another statement, the settlement of the guess or the commit a trip of its own, or the
// transaction opens with one. The code's trips are those of server/test/round-trips.test.ts.
test('a sign-in by password takes four round trips: the guess, the account, what is looked up, and the session', async () => {
  const person = await signUp('Acme')
  const second: string = (await person.call('POST', '/api/v1/organizations', { name: 'Second' })).body.id
  const statements = recordStatements(database)
  const { email } = person
  const trips = async (more: object) => {
    statements.take()
    const { status, body } = await call('POST', '/api/v1/auth/login', { email, password: PASSWORD, ...more })
    assert.equal(status, 200)
    assert.equal(statements.take().length, 4, JSON.stringify(more))
    return body
  }
  const { device_token } = await trips({})
  await trips({ device_token })
  await trips({ device_token, organization_id: second })
})

// Red when: the step after a right guess does not settle it; a refusal leaves it pending; settleRefused settles it as
// wrong.
test('a right guess is settled with the sign-in, and also where the sign-in is refused', async () => {
  const strict = await createTestApp({ EMAIL_VERIFICATION: 'required' })
  const stranger = await signUp('Globex')
  for (const [app, more, status] of [
    [own, {}, 200],
    [own, { organization_id: stranger.organization_id }, 422],
    [strict, {}, 403],
  ] as const) {
    const { email, user_id } = await signUp()
    const attempt = (password: string) => app.call('POST', '/api/v1/auth/login', { email, password, ...more })
    assert.equal((await attempt('Wrong-horse-7')).status, 401)
    assert.equal((await attempt(PASSWORD)).status, status)
    const { rows } = await admin.query('select failures, pending from throttles where key = $1', [`account ${user_id}`])
    assert.deepEqual(rows, [{ failures: 0, pending: 0 }], String(status))
  }
})

// Red when: takeSteps looks up the second factors before it has locked the account, or in the same statement.
test('a factor that is enrolled while the password is verified is required', async () => {
  const { email, user_id } = await signUp()
  const enrolment = await admin.connect()
  try {
    await enrolment.query('begin')
    await enrolment.query('select from users where id = $1 for no key update', [user_id])
    const answer = logIn(email, PASSWORD)
    assert.ok(await waits(admin, enrolment, answer), 'the password has been verified')
    await enrolment.query(`insert into totp_factors (user_id, secret, confirmed_at) values ($1, 'x', now())`, [user_id])
    await enrolment.query('commit')
    assert.equal((await answer).body.code, 'mfa-required')
  } finally {
    enrolment.release()
  }
})

// Red when: lockUser does not compare the hash, or does not lock; the view that it reads loses a condition.
test('a password that is changed and an account that is disabled while the password is verified sign no one in', async () => {
  for (const change of [`password_hash = 'another'`, 'disabled_at = now()']) {
    const { email, user_id } = await signUp()
    const changing = await admin.connect()
    try {
      await changing.query('begin')
      await changing.query('select from users where id = $1 for no key update', [user_id])
      const answer = logIn(email, PASSWORD)
      assert.ok(await waits(admin, changing, answer), 'the password has been verified')
      await changing.query(`update users set ${change} where id = $1`, [user_id])
      await changing.query('commit')
      assert.equal((await answer).body.code, 'invalid-credentials', change)
    } finally {
      changing.release()
    }
    const { rows } = await admin.query('select from sessions where user_id = $1', [user_id])
    assert.equal(rows.length, 1, 'the session of the sign-up')
  }
})
