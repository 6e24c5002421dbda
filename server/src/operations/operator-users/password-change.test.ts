import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { test } from 'node:test'
import { enrolApp } from '../../../test/browsers/authenticator-app.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

const app = await createTestApp()
const { admin, call, signUp, mailTo } = app
const auth = '/api/v1/auth'
const NEW = 'Another-horse-8'

const operator = await signUp()
await admin.query('update users set superuser = true where id = $1', [operator.user_id])

const requireChange = ({ user_id }: Person) =>
  operator.call('POST', `/api/v1/admin/users/${user_id}/require-password-change`)
const logIn = ({ email }: Person, password = PASSWORD) => call('POST', `${auth}/login`, { email, password })
const complete = (token: string, new_password: string) =>
  call('POST', `${auth}/password-change/complete`, { token, new_password })
const outcomeOf = ({ status, body }: Answer) => [status, body?.code ?? 'ok']

/** Requires a new password of a new user. @returns the user, and the token of a right sign-in */
async function pause(): Promise<[Person, string]> {
  const person = await signUp()
  assert.ok((await requireChange(person)).body.password_change_required_at)
  const answer = await logIn(person)
  assert.deepEqual(outcomeOf(answer), [403, 'password-change-required'])
  return [person, answer.body.password_change_token]
}

// Red when: takeSteps does not ask for a new password, or completePasswordChange leaves the requirement.
test('after an operator required it, the right password only opens the way to a new one', async () => {
  const [person, token] = await pause()
  assert.equal((await person.call('GET', `${auth}/me`)).body.code, 'session-ended')
  const { rows } = await admin.query(
    'select count(*)::int as live from sessions where user_id = $1 and revoked_at is null',
    [person.user_id],
  )
  assert.equal(rows[0].live, 0, 'the sign-in opened no session')
  const mail = (await mailTo(person.email)).at(-1)
  assert.match(mail!.subject, /set a new password/i)
  assert.ok(mail!.link.endsWith('/reset-password'))

  assert.deepEqual(outcomeOf(await complete(token, 'weak')), [422, 'weak-password'])
  const same = await complete(token, PASSWORD)
  assert.deepEqual(
    [...outcomeOf(same), same.body.errors],
    [422, 'weak-password', [{ pointer: '/new_password', detail: 'must not be the current password' }]],
  )
  assert.equal((await complete(token, NEW)).status, 204)
  assert.deepEqual(outcomeOf(await complete(token, 'Third-horse-9')), [422, 'invalid-token'], 'once')
  assert.deepEqual(outcomeOf(await logIn(person)), [401, 'invalid-credentials'])
  assert.equal((await logIn(person, NEW)).status, 200)
  assert.match((await mailTo(person.email)).map(({ subject }) => subject).join(), /password/i)
})

test('a wrong password is refused and counted as always, and does not tell that a new one is required', async () => {
  const person = await signUp()
  await requireChange(person)
  for (let guess = 0; guess < 5; guess++)
    assert.deepEqual(outcomeOf(await logIn(person, 'Wrong-horse-7')), [401, 'invalid-credentials'])
  assert.deepEqual(outcomeOf(await logIn(person)), [401, 'invalid-credentials'], 'locked')
  const { body } = await operator.call('GET', `/api/v1/admin/users/${person.user_id}`)
  assert.ok(body.locked_until)
})

// Red when: the new password is asked for before the second factor.
test('the second factor comes first', async () => {
  const person = await signUp()
  const device = await enrolApp(app, person)
  await requireChange(person)
  const paused = await logIn(person)
  assert.deepEqual(outcomeOf(paused), [401, 'mfa-required'])
  const answer = { mfa_token: paused.body.mfa_token, code: await device.next() }
  const verified = await call('POST', `${auth}/mfa/verify`, answer)
  assert.deepEqual(outcomeOf(verified), [403, 'password-change-required'])
  assert.deepEqual(outcomeOf(await call('POST', `${auth}/mfa/verify`, answer)), [422, 'invalid-token'])
  assert.equal((await complete(verified.body.password_change_token, NEW)).status, 204)
  assert.deepEqual(outcomeOf(await logIn(person, NEW)), [401, 'mfa-required'])
})

test('the token is good for nothing else, and no other token is good for it', async () => {
  const [person, token] = await pause()
  for (const path of ['password-reset/complete', 'verify-email', 'unlock', 'mfa/verify'])
    assert.equal(
      (await call('POST', `${auth}/${path}`, { token, mfa_token: token, new_password: NEW })).status,
      422,
      path,
    )
  assert.equal((await call('GET', `${auth}/me`, undefined, { authorization: `Bearer ${token}` })).status, 401)
  await call('POST', `${auth}/password-reset`, { email: person.email })
  const reset = (await mailTo(person.email)).find(({ link }) => link.includes('reset-password?'))!
  assert.deepEqual(outcomeOf(await complete(reset.token, NEW)), [422, 'invalid-token'])
  // Red when: completePasswordReset takes the password that has to be replaced.
  const same = await call('POST', `${auth}/password-reset/complete`, { token: reset.token, new_password: PASSWORD })
  assert.deepEqual(outcomeOf(same), [422, 'weak-password'])
  const done = await call('POST', `${auth}/password-reset/complete`, { token: reset.token, new_password: NEW })
  assert.equal(done.status, 204)
  assert.deepEqual(outcomeOf(await complete(token, 'Third-horse-9')), [422, 'invalid-token'], 'the reset revoked it')
  assert.equal((await logIn(person, NEW)).status, 200)
})

test('a token of a disabled or deleted account, an expired and a forged one are refused', async () => {
  const [disabled, token] = await pause()
  await operator.call('PATCH', `/api/v1/admin/users/${disabled.user_id}`, { disabled: true })
  assert.deepEqual(outcomeOf(await complete(token, NEW)), [422, 'invalid-token'])
  const [expired, late] = await pause()
  await admin.query(`update one_time_tokens set expires_at = now() where user_id = $1`, [expired.user_id])
  assert.deepEqual(outcomeOf(await complete(late, NEW)), [422, 'invalid-token'])
  assert.deepEqual(outcomeOf(await complete(`${randomUUIDv7()}${late.slice(36)}`, NEW)), [422, 'invalid-token'])
})

test('of two requests with one token at once, one sets its password', async () => {
  const [person, token] = await pause()
  const answers = await Promise.all([complete(token, NEW), complete(token, 'Third-horse-9')])
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [204, 422])
  const won = answers[0].status === 204 ? NEW : 'Third-horse-9'
  assert.equal((await logIn(person, won)).status, 200)
})
