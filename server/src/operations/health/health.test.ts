import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { features } from '../../features.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { get, raw, tables } from '../../platform/database/statement.ts'
import { feature } from '../../platform/feature.ts'
import type { Feature } from '../../platform/feature.ts'
import { createRecentTimes } from './recent-times.ts'
import { createRecentUse } from './recent-use.ts'

const TOKEN = 'metrics-token-of-the-tests-0123456789'

let isHanging = false
const failing = feature({
  name: 'failing',
  health: {
    broken: () => Promise.reject(new Error('no reason for clients')),
    hanging: () => (isHanging ? new Promise(() => {}) : { status: 'disabled' }),
    spare: () => ({ status: 'degraded', message: 'It is slow.', details: { seconds: 3 } }),
  },
})

// In production, where nothing is open that a setting does not open.
const { call, signUp, admin, logged, database } = await createTestApp(
  {
    ENVIRONMENT: 'production',
    PUBLIC_URL: 'https://api.example.com',
    TRUSTED_PROXIES: '127.0.0.1',
    EMAIL_VERIFICATION: 'optional',
    SMTP_URL: 'smtp://localhost:2525',
    FROM_EMAIL: 'a@example.com',
    METRICS_TOKEN: TOKEN,
    SLOW_QUERY_MS: '100',
  },
  [...(features as readonly Feature[]), failing],
)
const bearer = { authorization: `Bearer ${TOKEN}` }
const details = ['/api/v1/health/detailed', '/api/v1/health/database', '/api/system/info']

// Red when: requireOperator accepts everyone, the token is compared by its beginning, or the superuser is not asked for.
test('in production details are for the metrics token and for superusers, and the bare status for everyone', async () => {
  const [person, superuser] = [await signUp(), await signUp()]
  await admin.query('update users set superuser = true where id = $1', [superuser.user_id])
  for (const path of details) {
    const anonymous = await call('GET', path)
    assert.equal(anonymous.status, 401, path)
    assert.equal(anonymous.body.code, 'not-signed-in')
    for (const wrong of [TOKEN.slice(0, -1), `${TOKEN}x`, TOKEN.toUpperCase()])
      assert.equal((await call('GET', path, undefined, { authorization: `Bearer ${wrong}` })).status, 401)
    assert.equal((await person.call('GET', path)).body.code, 'permission-missing')
    assert.equal((await call('GET', path, undefined, bearer)).status, 200, path)
    assert.equal((await superuser.call('GET', path)).status, 200, path)
  }
  for (const path of ['/health', '/api/health', '/api/healthz', '/ready'])
    assert.equal((await call('GET', path)).status, 200)
  assert.equal((await person.call('GET', '/api/health')).body.components, undefined)
  assert.equal((await superuser.call('GET', '/api/health')).body.components.database.status, 'healthy')
  await admin.query('update sessions set revoked_at = now() where user_id = $1', [superuser.user_id])
  assert.equal((await superuser.call('GET', '/api/system/info')).body.code, 'session-ended')
  const ended = await superuser.call('GET', '/api/health')
  assert.deepEqual([ended.status, ended.body.components], [200, undefined])
})

test('the details have every component that the documents ask for, with what a feature declares', async () => {
  isHanging = true
  const { body } = await call('GET', '/api/v1/health/detailed', undefined, bearer)
  isHanging = false
  const states = Object.fromEntries(
    Object.entries<{ status: string }>(body.components).map(([name, { status }]) => [name, status]),
  )
  assert.deepEqual(states, {
    database: 'healthy',
    cache: 'disabled',
    mail: 'healthy',
    queue: 'healthy',
    rate_limit: 'disabled',
    broken: 'unhealthy',
    hanging: 'unhealthy',
    spare: 'degraded',
  })
  assert.equal(body.status, 'degraded')
  assert.deepEqual(body.components.spare, { status: 'degraded', message: 'It is slow.', details: { seconds: 3 } })
  assert.doesNotMatch(JSON.stringify(body), /no reason for clients/)
  assert.match(logged(), /the component broken could not be checked/)
  assert.ok(body.response_times.count > 0 && body.response_times.median_ms > 0)
  assert.ok(body.resources.memory_bytes > 1e7 && body.resources.heap_limit_bytes > body.resources.heap_used_bytes)
  const info = await call('GET', '/api/system/info', undefined, bearer)
  assert.equal(info.body.environment, 'production')
  assert.equal(info.body.features.v5, true)
  assert.equal(info.body.features.metrics, false)
})

// Red when: the lag ignores `start_after`, or a late queue counts as healthy.
test('jobs that wait for too long, and jobs that failed for good, show in the queue and in the mail', async () => {
  const healthOf = async () => (await call('GET', '/api/health', undefined, bearer)).body.components
  await admin.query(
    `insert into freehold_jobs.job (name, data, start_after) values ('mail', '{}', now() + interval '1 hour')`,
  )
  assert.equal((await healthOf()).mail.details.delayed, 1)
  assert.equal((await healthOf()).queue.status, 'healthy')
  await admin.query(`update freehold_jobs.job set start_after = now() - interval '31 minutes' where name = 'mail'`)
  const late = await healthOf()
  assert.equal(late.mail.status, 'degraded')
  assert.match(late.queue.message, /for more than half an hour in mail/)
  assert.ok(late.queue.details.lag_seconds >= 1860)
  await admin.query(`delete from freehold_jobs.job where name = 'mail'`)
  await admin.query(`insert into freehold_jobs.job (name, data) values ('dead', '{}')`)
  assert.match((await healthOf()).queue.message, /freehold jobs dead/)
  await admin.query(`delete from freehold_jobs.job where name = 'dead'`)
  assert.equal((await healthOf()).queue.status, 'healthy')
})

// Red when: statements are logged with their parameters, or not measured.
test('a slow statement is listed and logged without its parameters, with the request that ran it', async () => {
  const slow = get(
    raw(tables('system'), sql<{ is: string }>`select ${'a-secret-parameter'}::text as is, pg_sleep(0.15)`),
  )
  await systemFor(database, 'the-slow-request').run(slow)
  const { body } = await call('GET', '/api/v1/health/database', undefined, bearer)
  // On a busy machine other statements can be slow as well.
  const first = body.slow_queries.find(({ statement }: { statement: string }) => statement.includes('pg_sleep'))
  assert.match(first.statement, /^select \$1::text as is, pg_sleep/)
  assert.equal(first.login, 'system')
  assert.ok(first.max_ms >= 150)
  assert.ok(body.query_times.max_ms >= 150 && body.query_times.count > 10)
  const line = logged()
    .split('\n')
    .find(text => text.includes('a statement was slow') && text.includes('pg_sleep'))!
  assert.match(line, /"request_id":"the-slow-request"/)
  assert.doesNotMatch(line + JSON.stringify(body), /a-secret-parameter/)
})

// Red when: the pools are not measured while a transaction is open.
test('the pools and the oldest transaction show what holds a connection', async () => {
  const hold = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const one = get(raw(tables('system'), sql<{ is: number }>`select 1 as is`))
  const transaction = systemFor(database, 'holding').transaction(async ({ run }) => {
    await run(one)
    held.resolve()
    await hold.promise
  })
  await held.promise
  await delay(1000)
  const [system] = systemFor(database, 'looking')
    .pools()
    .filter(({ login }) => login === 'system')
  assert.deepEqual([system?.open, system?.idle], [1, 0])
  assert.ok(system!.longestMilliseconds >= 1000)
  const released = performance.now()
  hold.resolve()
  await transaction
  const { body } = await call('GET', '/api/v1/health/database', undefined, bearer)
  assert.ok(body.connections > 0 && body.max_connections >= 100)
  assert.ok(body.pools.system.longest_use_ms <= Math.ceil(performance.now() - released), 'it is not counted any longer')
})

// Red when: old slots are not left out, or a failure is not counted.
test('recent times are those of five minutes', () => {
  let time = 0
  const times = createRecentTimes(() => time)
  for (let index = 0; index < 100; index++) times.add(index < 90 ? 4 : 400, index === 0)
  const first = times.summarize()
  assert.deepEqual([first.count, first.failed, first.max_ms], [100, 1, 400])
  assert.ok(first.median_ms! > 2 && first.median_ms! <= 5 && first.p95_ms! > 200 && first.p99_ms! <= 400)
  time = 299_000
  assert.equal(times.summarize().count, 100)
  times.add(7, false)
  time = 310_000
  assert.deepEqual([times.summarize().count, times.summarize().max_ms], [1, 7])
  time = 900_000
  assert.deepEqual(times.summarize(), {
    window_seconds: 300,
    count: 0,
    failed: 0,
    median_ms: null,
    p95_ms: null,
    p99_ms: null,
    max_ms: null,
  })
})

/** Keeps the process busy. Milliseconds. */
function spin(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

// Red when: the use is that since the last call, or the oldest mark stays.
test('recent use does not depend on who has asked before, and forgets', async t => {
  const use = createRecentUse()
  const short = createRecentUse(5)
  t.after(() => [use, short].forEach(({ stop }) => stop()))
  const began = performance.now()
  spin(400)
  const busy = short.read().event_loop_percent
  for (const pause of [50, 100]) {
    await delay(pause)
    // On a busy machine the pauses are longer.
    const share = (100 * 400) / (performance.now() - began)
    const { event_loop_percent, cpu_percent } = use.read()
    assert.ok(event_loop_percent >= share / 2 && cpu_percent > 0, `${event_loop_percent} % of ${share} %`)
  }
  await delay(500)
  const calm = short.read().event_loop_percent
  assert.ok(calm < busy / 3, `${busy} % and then ${calm} %`)
})
