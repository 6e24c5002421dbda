import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// The email about a lock, and the link in it.

const here = await createTestApp()
const { admin, signUp } = here
const THRESHOLD = 5
const api = '/api/v1/auth'
const WRONG = 'Wrong-horse-7'

const logIn = (who: object, password: string): Promise<Answer> =>
  here.call('POST', `${api}/login`, { ...who, password })

const eventsOf = async (user_id: string, type: string): Promise<Record<string, unknown>[]> =>
  (
    await admin.query<{ details: Record<string, unknown> }>(
      'select details from security_events where user_id = $1 and type = $2 order by id',
      [user_id, type],
    )
  ).rows.map(({ details }) => details)

/** Locks an account from a device that no one knows. */
async function lock(person: Person): Promise<void> {
  for (let guess = 0; guess < THRESHOLD; guess++)
    assert.equal((await logIn({ email: person.email }, WRONG)).body.code, 'invalid-credentials')
}

test('the email about a lock unlocks it, once; other tokens do not', async () => {
  const person = await signUp()
  const device_token: string = (await logIn({ email: person.email }, PASSWORD)).body.device_token
  await here.mailTo(person.email)
  await lock(person)
  for (let guess = 0; guess < THRESHOLD; guess++) await logIn({ email: person.email, device_token }, WRONG)
  const [token, second] = (await here.mailTo(person.email)).map(mail => mail.token)
  assert.ok(token !== undefined && second !== undefined)
  const unlock = (given: unknown) => here.call('POST', `${api}/unlock`, { token: given })
  const forged = [`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`, token.slice(0, 60), 'x'.repeat(4096)]
  for (const given of forged) assert.equal((await unlock(given)).body.code, 'invalid-token')
  for (const given of [[token], 7, null, '', 'x'.repeat(5000)]) assert.equal((await unlock(given)).status, 422)
  assert.equal((await logIn({ email: person.email }, PASSWORD)).status, 401, 'nothing has changed')

  const both = await Promise.all([unlock(token), unlock(token)])
  assert.deepEqual(both.map(({ status }) => status).toSorted(), [204, 422])
  assert.equal((await logIn({ email: person.email }, PASSWORD)).status, 200)
  assert.equal((await logIn({ email: person.email, device_token }, PASSWORD)).status, 200, 'its devices as well')
  assert.deepEqual(await eventsOf(person.user_id, 'sign-in-unlocked'), [{ by: 'mail' }])
  assert.equal((await unlock(second)).body.code, 'invalid-token', 'the other mail has nothing left to open')
})

test('an email about an expired lock unlocks nothing, not even the next lock', async () => {
  const person = await signUp()
  await here.mailTo(person.email)
  await lock(person)
  const [mail] = await here.mailTo(person.email)
  await admin.query(`update one_time_tokens set expires_at = now() where user_id = $1 and purpose = 'unlock'`, [
    person.user_id,
  ])
  await admin.query('update throttles set locked_until = now() where key = $1', [`account ${person.user_id}`])
  await lock(person)
  assert.equal((await here.call('POST', `${api}/unlock`, { token: mail!.token })).body.code, 'invalid-token')
  assert.equal((await logIn({ email: person.email }, PASSWORD)).status, 401)
})

test('the page of the link unlocks by its button, not when it is opened', async () => {
  const person = await signUp()
  await here.mailTo(person.email)
  await lock(person)
  const [mail] = await here.mailTo(person.email)
  const { pathname, search } = new URL(mail!.link)
  const visit = (method: 'GET' | 'POST', payload?: string) =>
    here.app.inject({
      method,
      url: method === 'GET' ? pathname + search : pathname,
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'accept-language': 'de' },
      ...(payload !== undefined && { payload }),
    })
  for (let look = 0; look < 2; look++) {
    const page = await visit('GET')
    assert.equal(page.statusCode, 200)
    assert.match(page.body, /Anmeldung entsperren/)
  }
  assert.equal((await logIn({ email: person.email }, PASSWORD)).status, 401)
  const done = await visit('POST', new URLSearchParams({ token: mail!.token }).toString())
  assert.equal(done.statusCode, 200)
  assert.match(done.body, /Ihr Konto ist entsperrt/)
  assert.equal((await logIn({ email: person.email }, PASSWORD)).status, 200)
  assert.equal((await visit('POST', new URLSearchParams({ token: mail!.token }).toString())).statusCode, 422)
})
