import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person, TestApp } from '../../../test/test-app.ts'
import { request, startServiceProcess, onTestDatabase } from '../../../test/programs/service-process.ts'
import { TEST_SECRET } from '../../../test/test-database.ts'
import { deriveKey } from '../../platform/crypto/sealing.ts'
import { systemRunnerOf } from '../../platform/database/runners.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import { passwordGuess, withAttempt } from './attempts.ts'

// The edge cases of lockout: concurrency, several nodes, strangers and owners. The threshold is 5 unless a test says
// otherwise.

const [here, there] = [await createTestApp(), await createTestApp()]
const { admin, signUp } = here
const THRESHOLD = 5
const api = '/api/v1/auth'
const WRONG = 'Wrong-horse-7'

const logIn = (
  app: Pick<TestApp, 'call'>,
  who: object,
  password: string,
  headers: Record<string, string> = {},
): Promise<Answer> => app.call('POST', `${api}/login`, { ...who, password }, headers)

const outcomes = (answers: readonly Answer[]): Record<string, number> =>
  Object.fromEntries(
    Object.entries(Object.groupBy(answers, ({ status, body }) => body.code ?? String(status))).map(([code, all]) => [
      code,
      all!.length,
    ]),
  )

const throttleOf = async (key: string) =>
  (
    await admin.query<{ failures: number; pending: number; locked: boolean }>(
      'select failures, pending, coalesce(locked_until > now(), false) as locked from throttles where key = $1',
      [key],
    )
  ).rows[0]

const eventsOf = async (user_id: string, type: string): Promise<Record<string, unknown>[]> =>
  (
    await admin.query<{ details: Record<string, unknown> }>(
      'select details from security_events where user_id = $1 and type = $2 order by id',
      [user_id, type],
    )
  ).rows.map(({ details }) => details)

/** Locks an account from a device that no one knows. */
async function lock(person: Person, app: TestApp = here): Promise<void> {
  for (let guess = 0; guess < THRESHOLD; guess++)
    assert.equal((await logIn(app, { email: person.email }, WRONG)).body.code, 'invalid-credentials')
}

const fits = (answer: Answer): string => {
  const { 'x-request-id': id, date: _date, ...headers } = answer.headers
  return JSON.stringify([answer.status, headers, answer.text.replaceAll(String(id), '')])
}

// Red when: take_guess does not count `pending`.
test('of a hundred concurrent guesses on two nodes, by address and by username, five are verified', async () => {
  const person = await signUp()
  const username = `u-${randomUUID()}`
  await admin.query('update users set username = $1 where id = $2', [username, person.user_id])
  const before = here.work.guesses + there.work.guesses
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, guess) =>
      logIn(guess % 2 ? here : there, guess % 3 ? { email: person.email } : { username }, `${WRONG}${guess}`),
    ),
  )
  assert.equal(here.work.guesses + there.work.guesses - before, THRESHOLD)
  const { 'invalid-credentials': refused = 0, busy = 0, ...others } = outcomes(answers)
  assert.deepEqual(others, {})
  assert.equal(refused + busy, 100)
  assert.deepEqual(await throttleOf(`account ${person.user_id}`), { failures: THRESHOLD, pending: 0, locked: true })

  // The right password is no longer verified, on either node, by either name.
  for (const [app, who] of [[here, { email: person.email }] as const, [there, { username }] as const])
    assert.equal((await logIn(app, who, PASSWORD)).body.code, 'invalid-credentials')
  assert.equal(here.work.guesses + there.work.guesses - before, THRESHOLD)
  assert.equal((await eventsOf(person.user_id, 'sign-in-locked')).length, 1)
  assert.equal((await here.mailTo(person.email)).filter(({ subject }) => /locked/.test(subject)).length, 1)
})

test('two separate processes verify five of a hundred concurrent guesses', async () => {
  const settings = { ...onTestDatabase(), RUN_JOBS: 'false' }
  const services = await Promise.all([startServiceProcess(settings), startServiceProcess(settings)])
  try {
    const person = await signUp()
    await Promise.all(
      Array.from({ length: 100 }, (_, guess) =>
        request(services[guess % 2]!.url, 'POST', `${api}/login`, {
          email: person.email,
          password: `${WRONG}${guess}`,
        }),
      ),
    )
    const failed = await eventsOf(person.user_id, 'login-failed')
    assert.equal(failed.filter(({ locked }) => locked !== true).length, THRESHOLD)
    assert.equal((await throttleOf(`account ${person.user_id}`))?.failures, THRESHOLD)
  } finally {
    await Promise.all(services.map(service => service.end('SIGTERM')))
  }
})

test('the response of a locked account is identical to that of a wrong password, and also costs one hash', async () => {
  const [locked, open] = [await signUp(), await signUp()]
  await lock(locked)
  const cost = async (who: string, password: string) => {
    const before = here.work.hashes
    const answer = await logIn(here, { email: who }, password)
    return [fits(answer), here.work.hashes - before]
  }
  const wrong = await cost(open.email, WRONG)
  assert.equal(wrong[1], 1)
  assert.deepEqual(await cost(locked.email, PASSWORD), wrong)
  assert.deepEqual(await cost(locked.email, WRONG), wrong)
  assert.deepEqual(await cost(`nobody-${randomUUID()}@example.com`, WRONG), wrong)
})

// Red when: a guess at a locked account counts or changes locked_until.
test('guesses at a locked account neither count nor extend the lock, and after it the count starts again', async () => {
  const person = await signUp()
  await lock(person)
  const key = `account ${person.user_id}`
  const until = async () =>
    (await admin.query('select failures, locked_until from throttles where key = $1', [key])).rows[0]
  const before = await until()
  for (let guess = 0; guess < 3; guess++) await logIn(here, { email: person.email }, WRONG)
  assert.deepEqual(await until(), before)
  await admin.query('update throttles set locked_until = now() where key = $1', [key])
  for (let guess = 0; guess < THRESHOLD - 1; guess++) await logIn(here, { email: person.email }, WRONG)
  assert.equal((await logIn(here, { email: person.email }, PASSWORD)).status, 200)
  // A right password resets the failures before it.
  assert.equal((await throttleOf(key))?.failures, 0)
})

test('an unknown name is locked like any other, in the same rows, and no one is notified', async () => {
  const email = `nobody-${randomUUID()}@example.com`
  const locks = async () =>
    Number(
      (
        await admin.query(
          `select count(*) from security_events where type = 'sign-in-locked' and user_id is null and details ->> 'counter' = 'unknown'`,
        )
      ).rows[0].count,
    )
  const before = await locks()
  for (let guess = 0; guess < THRESHOLD + 2; guess++) await logIn(here, { email }, WRONG)
  assert.equal(await locks(), before + 1)
  assert.deepEqual(await here.mailTo(email), [])
  const { rows } = await admin.query(`select key from throttles where key like '%' || $1 || '%'`, [email])
  assert.deepEqual(rows, [], 'the name itself stands nowhere')
})

test('two accounts do not share a counter', async () => {
  const [one, other] = [await signUp(), await signUp()]
  await lock(one)
  assert.equal((await logIn(here, { email: other.email }, PASSWORD)).status, 200)
})

// Red when: the reservation of reserve_guess counts pending guesses as failed.
test('concurrent right passwords all sign in, even if one failure locks', async () => {
  const strict = await createTestApp({ ACCOUNT_LOCKOUT_THRESHOLD: '1' })
  for (const [app, times] of [[here, 10] as const, [strict, 4] as const]) {
    const person = await signUp()
    const guesses = Array.from({ length: times }, () => logIn(app, { email: person.email }, PASSWORD))
    assert.deepEqual(outcomes(await Promise.all(guesses)), { 200: times })
  }
})

test('guesses of a process that crashes before settling them count as failures', async () => {
  const person = await signUp()
  const key = `account ${person.user_id}`
  await logIn(here, { email: person.email }, WRONG)
  await admin.query(`update throttles set pending = 4, pending_until = now() + interval '15 seconds' where key = $1`, [
    key,
  ])
  assert.equal((await logIn(here, { email: person.email }, PASSWORD)).body.code, 'busy')
  await admin.query('update throttles set pending_until = now() where key = $1', [key])
  assert.equal((await logIn(here, { email: person.email }, PASSWORD)).body.code, 'invalid-credentials')
  assert.deepEqual(await throttleOf(key), { failures: 5, pending: 0, locked: true })
  assert.equal((await here.mailTo(person.email)).filter(({ subject }) => /locked/.test(subject)).length, 1)
  await admin.query('update throttles set locked_until = now() where key = $1', [key])
  assert.equal((await logIn(here, { email: person.email }, PASSWORD)).status, 200)
})

// Red when: updated_at is set to the exact time: each guess then leaves dead index entries that every sign-in reads.
test('counting and settling a guess changes no indexed column', async () => {
  const client = await admin.connect()
  const updated = async () =>
    (
      await client.query<{ all: number; in_page: number }>(
        `select n_tup_upd::int as all, n_tup_hot_upd::int as in_page from pg_stat_xact_user_tables where relname = 'throttles'`,
      )
    ).rows[0]!
  try {
    const key = `account ${randomUUID()}`
    await client.query('begin')
    const before = await updated()
    for (let guess = 0; guess < 10; guess++) {
      await client.query('select reserve_guess($1, 5, 60, null, null, 0)', [key])
      await client.query('select settle_guess($1, 5, 60, null, null, 0, true)', [key])
    }
    const after = await updated()
    assert.deepEqual([after.all - before.all, after.in_page - before.in_page], [20, 20])
  } finally {
    await client.query('rollback')
    client.release()
  }
})

test('a guess that was not verified does not count', async () => {
  const person = await signUp()
  const lockout = { threshold: 5, seconds: 60, failuresPerAddress: 100, key: deriveKey(TEST_SECRET, 'unknown names') }
  const origin = { request_id: 'test', ip: '198.51.100.77', user_agent: '' }
  const who = { user_id: person.user_id }
  const guess = { ...passwordGuess, counter: 'mfa', who, failed: eventKind('mfa-failed') } as const
  const attempt = withAttempt(systemRunnerOf(here.database.system, { origin }), { lockout }, guess, async () => {
    throw new Problem('busy')
  })
  await assert.rejects(attempt, { code: 'busy' })
  for (const key of [`mfa ${person.user_id}`, 'address 198.51.100.77'])
    assert.deepEqual(await throttleOf(key), { failures: 0, pending: 0, locked: false })
})

test('a stranger who locks an account does not lock the devices that its owner has used before', async () => {
  const person = await signUp()
  const known = await logIn(here, { email: person.email }, PASSWORD)
  const { device_token } = known.body
  const cookie = String(known.headers['set-cookie'])
  assert.match(cookie, /^__Host-device=[\w-]{64}; Path=\/; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax$/)
  assert.ok(cookie.includes(`=${device_token};`))
  await lock(person)
  const who = { email: person.email }
  assert.equal((await logIn(here, who, PASSWORD)).status, 401)
  assert.equal((await logIn(there, { ...who, device_token }, PASSWORD)).status, 200)
  const sent = { cookie: `theme=dark; ${cookie.split(';', 1)[0]}; lang=en` }
  const again = await logIn(here, who, PASSWORD, sent)
  assert.equal(again.status, 200)
  assert.equal(again.body.device_token, device_token, 'the same device')

  // The device has its own failures and its own lock; the emails say which.
  for (let guess = 0; guess < THRESHOLD; guess++) await logIn(here, who, WRONG, sent)
  assert.equal((await logIn(here, who, PASSWORD, sent)).status, 401)
  const mails = (await here.mailTo(person.email)).filter(({ subject }) => /locked/.test(subject))
  assert.match(mails[0]?.text ?? '', /devices on which you signed in before are not affected/)
  assert.match(mails[1]?.text ?? '', /on a device on which you had signed in before/)
  assert.deepEqual(
    (await eventsOf(person.user_id, 'sign-in-locked')).map(({ counter }) => counter),
    ['account', 'device'],
  )
})

// Red when: the reservation joins the device without its user_id, or without revoked_at.
test("another user's device, a revoked device and an invented one do not count as known", async () => {
  const [person, stranger] = [await signUp(), await signUp()]
  const foreign: string = (await logIn(here, { email: stranger.email }, PASSWORD)).body.device_token
  const signedIn = await logIn(here, { email: person.email }, PASSWORD)
  const forgotten: string = signedIn.body.device_token
  const devices = await person.call('GET', '/api/v1/auth/devices', undefined, {
    authorization: `Bearer ${signedIn.body.access_token}`,
  })
  const { id } = devices.body.items.find(({ current }: { current: boolean }) => current)
  assert.equal((await person.call('DELETE', `/api/v1/auth/devices/${id}`)).status, 204)
  await lock(person)
  const forged = `${forgotten.slice(0, -1)}${forgotten.endsWith('A') ? 'B' : 'A'}`
  const tokens = [foreign, forgotten, forged, 'x', signedIn.body.refresh_token.slice(0, 64), randomUUID()]
  for (const device_token of tokens)
    assert.equal((await logIn(here, { email: person.email, device_token }, PASSWORD)).status, 401, device_token)
  for (const device_token of tokens) {
    const headers = { cookie: `__Host-device=${device_token}` }
    assert.equal((await logIn(here, { email: person.email }, PASSWORD, headers)).status, 401, device_token)
  }
})

test('a step-up counts on its own device, which strangers cannot lock', async () => {
  const person = await signUp()
  await lock(person)
  const stepUp = (password: string) => person.call('POST', `${api}/step-up`, { password })
  assert.equal((await stepUp(PASSWORD)).status, 200)
  for (let guess = 0; guess < THRESHOLD; guess++)
    assert.equal((await stepUp(`${WRONG}${guess}`)).body.code, 'invalid-credentials')
  assert.equal((await stepUp(PASSWORD)).body.code, 'invalid-credentials')
  assert.equal((await eventsOf(person.user_id, 'step-up-failed')).length, THRESHOLD + 1)
})

test('an account of another organization looks the same whether it is locked or not', async () => {
  const owner = await signUp('Acme')
  const member = await here.addMember(owner, 'member')
  const view = async () =>
    fits(await owner.call('GET', `/api/v1/organizations/${owner.organization_id}/members`)) +
    fits(await owner.call('GET', '/api/v1/audit-logs'))
  const before = await view()
  await lock(member)
  assert.equal(await view(), before)
})

const behindProxy = { TRUSTED_PROXIES: '127.0.0.1', SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR: '10' }
let serial = 0
/** An address that no other test has. */
const newAddress = () => `10.${process.pid % 250}.${serial >> 8}.${serial++ & 255}`

// Red when: reserve_guess does not count a guess of the address.
test('a client address with ten failures, over all accounts and nodes, is blocked for an hour', async () => {
  const [one, other] = [await createTestApp(behindProxy), await createTestApp(behindProxy)]
  const person = await signUp()
  const device_token: string = (await logIn(here, { email: person.email }, PASSWORD)).body.device_token
  const ip = newAddress()
  const from = { 'x-forwarded-for': ip }
  const before = one.work.hashes + other.work.hashes
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, guess) =>
      logIn(guess % 2 ? one : other, { email: `nobody-${guess}-${randomUUID()}@example.com` }, WRONG, from),
    ),
  )
  const { 'invalid-credentials': refused, 'rate-limited': limited = 0, busy = 0, ...others } = outcomes(answers)
  assert.deepEqual([refused, limited + busy, others], [10, 30, {}])
  assert.equal(one.work.hashes + other.work.hashes - before, 10)

  const blocked = await logIn(one, { email: person.email }, PASSWORD, from)
  assert.equal(blocked.status, 429)
  assert.ok(Number(blocked.headers['retry-after']) > 3590 && Number(blocked.headers['retry-after']) <= 3600)
  assert.equal((await logIn(one, { email: person.email }, PASSWORD, { 'x-forwarded-for': newAddress() })).status, 200)
  assert.equal((await logIn(one, { email: person.email, device_token }, PASSWORD, from)).status, 200, 'a known device')
  const { rows } = await admin.query(`select details from security_events where type = 'address-blocked' and ip = $1`, [
    ip,
  ])
  assert.equal(rows.length, 1)

  await admin.query('update throttles set locked_until = now() where key = $1', [`address ${ip}`])
  assert.equal((await logIn(one, { email: person.email }, PASSWORD, from)).status, 200)
})

test('failures of a client address count for an hour, despite right guesses in between; IPv6 counts by /64', async () => {
  const app = await createTestApp(behindProxy)
  const person = await signUp()
  const prefix = `2001:db8:${(process.pid % 65535).toString(16)}:${(Date.now() % 65535).toString(16)}`
  const guess = (password: string, who = `nobody-${randomUUID()}@example.com`) =>
    logIn(app, { email: who }, password, { 'x-forwarded-for': `${prefix}::${(serial++).toString(16)}` })
  for (let failure = 0; failure < 9; failure++) {
    assert.equal((await guess(WRONG)).status, 401)
    assert.equal((await guess(PASSWORD, person.email)).status, 200)
  }
  const key = `address ${prefix}::/64`
  assert.equal((await throttleOf(key))?.failures, 9)
  await admin.query(`update throttles set counted_since = counted_since - interval '1 hour' where key = $1`, [key])
  assert.equal((await guess(WRONG)).status, 401)
  assert.deepEqual(await throttleOf(key), { failures: 1, pending: 0, locked: false })
})

test('concurrent guesses at the same accounts from the same addresses never deadlock', async () => {
  const apps = [await createTestApp({ ...behindProxy, ACCOUNT_LOCKOUT_THRESHOLD: '3' }), there]
  const people = [await signUp(), await signUp(), await signUp()]
  const addresses = [newAddress(), newAddress()]
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, guess) => {
      const person = people[guess % 3]!
      return logIn(apps[guess % 2]!, { email: person.email }, WRONG, { 'x-forwarded-for': addresses[guess % 2]! })
    }),
  )
  assert.deepEqual(
    Object.keys(outcomes(answers)).filter(code => !['invalid-credentials', 'busy', 'rate-limited'].includes(code)),
    [],
  )
  for (const app of apps) assert.doesNotMatch(app.logged(), /deadlock/)
  const { rows } = await admin.query(
    `select key, pending from throttles where pending <> 0 and (key = any ($1) or key = any ($2))`,
    [people.map(({ user_id }) => `account ${user_id}`), addresses.map(address => `address ${address}`)],
  )
  assert.deepEqual(rows, [])
})
