import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { METHODS } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { needs, programPaths } from '../../../test/programs/programs.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { answers } from '../../platform/observation/channels.ts'
import { openDatabase } from '../../platform/database/database.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { startJobs } from '../../work.ts'
import { metricsIn, namesIn, readAlerts, readDashboard } from '../../../test/documents/monitoring-files.ts'
import { createMetrics } from './metrics.ts'
import { serveMetrics } from './worker-server.ts'

const TOKEN = 'metrics-token-of-the-tests-0123456789'
const { app, call, signUp, services, database, admin } = await createTestApp({
  ENABLE_METRICS: 'true',
  METRICS_TOKEN: TOKEN,
  PUBLIC_MONITORING: 'false',
  METRICS_PORT: '1',
})
const bearer = { authorization: `Bearer ${TOKEN}` }

// Counts the same as those of the app, but renders each time.
const metrics = createMetrics(services, { freshMs: -1 })
after(() => metrics.stop())
const scrape = (): Promise<string> => metrics.render(systemFor(database, 'scrape'))

// Red when: the route does not ask for the token.
test('metrics are for the metrics token and for superusers', async () => {
  const [person, superuser] = [await signUp(), await signUp()]
  await admin.query('update users set superuser = true where id = $1', [superuser.user_id])
  assert.equal((await call('GET', '/metrics')).status, 401)
  assert.equal((await call('GET', '/metrics', undefined, { authorization: `Bearer ${TOKEN}x` })).status, 401)
  assert.equal((await person.call('GET', '/metrics')).status, 403)
  assert.equal((await superuser.call('GET', '/metrics')).status, 200)
  const { status, text, headers } = await call('GET', '/metrics', undefined, bearer)
  assert.deepEqual([status, headers['cache-control']], [200, 'no-store'])
  assert.match(headers['content-type']!, /^text\/plain; version=0\.0\.4/)
  assert.match(text, /^freehold_database_up 1$/m)
})

// Red when: an alert or a panel names a metric that does not exist, or one is renamed.
test('every metric that the alerts and the dashboard name exists after some traffic', async () => {
  const person = await signUp('Acme')
  await person.call('GET', '/api/v1/projects')
  await call('POST', '/api/v1/auth/login', { email: person.email, password: 'Wrong-horse-7' })
  await call('GET', '/api/nowhere')
  await call('POST', '/api/v1/auth/verify-email/resend', { email: person.email })
  const jobs = await startJobs(services, database)
  for (let tries = 0; tries < 100; tries++) {
    const { rows } = await admin.query(`select from freehold_jobs.job where name = 'mail' and state = 'completed'`)
    if (rows.length > 0) break
    await delay(100)
  }
  await jobs.stop()
  const text = await scrape()
  const known = namesIn(text)
  const wanted = new Set([...metricsIn(await readAlerts()), ...metricsIn(await readDashboard())])
  assert.ok(wanted.size > 25, `only ${wanted.size} metrics were found in the files`)
  wanted.delete('up') // of Prometheus itself
  wanted.delete('freehold_redis_up') // only with REDIS_URL
  assert.deepEqual(
    [...wanted].filter(name => !known.has(name)),
    [],
  )
  for (const line of [
    /^freehold_http_request_duration_seconds_count\{method="GET",route="\/api\/v1\/projects",status="2xx"\} 1$/m,
    /^freehold_http_request_duration_seconds_count\{method="GET",route="\(none\)",status="4xx"\} 1$/m,
    /^freehold_problems_total\{code="invalid-credentials"\} 1$/m,
    /^freehold_problems_total\{code="rate-limited"\} 0$/m,
    /^freehold_security_events\{type="login-failed"\} 1$/m,
    /^freehold_security_events\{type="refresh-token-reused"\} 0$/m,
    /^freehold_job_duration_seconds_count\{queue="mail",outcome="success"\} [1-9]/m,
    /^freehold_database_up 1$/m,
    /^freehold_info\{version="[\d.]+",environment="development",node="26/m,
  ])
    assert.match(text, line)
  // Nothing that belongs to a user or an organization.
  assert.doesNotMatch(text, /[0-9a-f]{8}-[0-9a-f]{4}|@|Acme|nowhere/)
})

// Red when: the path or the method of a request is a label.
test('thousands of random paths and methods make no new series, and no scrape slower', async () => {
  const bomb = (index: number) =>
    app.inject({
      method: METHODS[index % METHODS.length] as 'GET',
      url: `/bomb-${index}-${Math.random()}/${index}?q=${index}`,
    })
  for (let index = 0; index < 200; index++) await bomb(index)
  const before = namesAndLabels(await scrape())
  for (let index = 0; index < 2000; index += 50)
    await Promise.all(Array.from({ length: 50 }, (_, more) => bomb(index + more)))
  const after = await scrape()
  assert.deepEqual(
    [...namesAndLabels(after)].filter(series => !before.has(series)),
    [],
  )
  assert.doesNotMatch(after, /bomb|PROPFIND/)
  assert.match(
    after,
    /^freehold_http_request_duration_seconds_count\{method="other",route="\(none\)",status="4xx"\} \d+$/m,
  )
})

/** The series, without those of the garbage collector, which come with its first run of each kind. */
const namesAndLabels = (text: string) =>
  new Set([...text.matchAll(/^((?!nodejs_gc)\w+(?:\{[^}]*\})?) /gm)].map(([, series]) => series!))

// Red when: each scrape renders anew, or asks the database.
test('a thousand scrapes while a thousand routes have series are answered from one text', async t => {
  for (let index = 0; index < 1000; index++)
    answers.publish({
      method: 'GET',
      route: `/r/${index}/:id`,
      status: 200,
      milliseconds: 3,
      received: undefined,
      sent: 100,
      problem: undefined,
    })
  await services.metrics!.render(systemFor(database, 'scrape'))
  await delay(1050)
  const start = performance.now()
  const texts = await Promise.all(
    Array.from({ length: 1000 }, () => services.metrics!.render(systemFor(database, 'scrape'))),
  )
  const milliseconds = performance.now() - start
  t.diagnostic(`${Math.round(milliseconds)} ms for 1,000 scrapes of ${texts[0]!.length} bytes`)
  assert.equal(new Set(texts).size, 1)
  assert.ok(texts[0]!.split('\n').length > 13_000)
  assert.ok(milliseconds < 2000)
})

// Red when: serveMetrics does not look at the token, or a taken port is not explained.
test('a worker serves its metrics, and nothing else, at a port of its own', async t => {
  const { config } = services
  const at = (port: number) => ({
    ...services,
    config: { ...config, host: '127.0.0.1', metrics: { ...config.metrics, port } },
  })
  const server = (await serveMetrics(at(0), systemFor(database, 'worker')))!
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const get = (path: string, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers })
  assert.equal((await get('/metrics')).status, 401)
  assert.equal((await get('/', bearer)).status, 404)
  assert.match(await (await get('/metrics', bearer)).text(), /^freehold_database_up 1$/m)
  await assert.rejects(
    serveMetrics(at(port), systemFor(database, 'worker')),
    /^Error: METRICS_PORT: .* \(EADDRINUSE\); choose a free port/,
  )
})

// Red when: a scrape fails without the database, or keeps the last readings.
test('without the database a scrape still shows the process', async () => {
  const { config } = services
  const { tenantUrl, systemUrl } = config.database
  const gone = openDatabase({ ...config.database, tenantUrl: tenantUrl!, systemUrl: systemUrl!, onError: () => {} })
  await gone.close()
  const text = await metrics.render(systemFor(gone, 'scrape'))
  assert.match(text, /^freehold_database_up 0$/m)
  assert.match(text, /^process_cpu_seconds_total [\d.]+/m)
  assert.doesNotMatch(text, /^freehold_(jobs|security_events|database_connections)\b/m)
  assert.match(await scrape(), /^freehold_jobs\{queue="mail",state="ready"\} \d/m)
})

const promtool = (args: string[], input?: string) =>
  spawnSync('promtool', args, { encoding: 'utf8', env: programPaths, ...(input !== undefined && { input }) })

// Red when: an alert has a fault or another threshold, or a metric has a name that Prometheus advises against.
test('Prometheus accepts the alerts, which fire when they should, and the metrics', needs('promtool'), async () => {
  const folder = fileURLToPath(new URL('../../../../deploy/prometheus/', import.meta.url))
  for (const args of [
    ['check', 'rules', `${folder}alerts.yml`],
    ['test', 'rules', `${folder}alerts.test.yml`],
    ['check', 'config', '--syntax-only', `${folder}prometheus.yml`],
  ]) {
    const { status, stdout, stderr } = promtool(args)
    assert.equal(status, 0, `promtool ${args.join(' ')}: ${stdout}${stderr}`)
  }
  const linted = promtool(['check', 'metrics'], await scrape())
  const ours = `${linted.stdout}${linted.stderr}`.split('\n').filter(line => line.startsWith('freehold_'))
  assert.deepEqual(ours, [])
})
