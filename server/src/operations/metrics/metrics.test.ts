import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { METHODS } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { needs, programPaths } from '../../../test/programs/programs.ts'
import { waitUntil } from '../../../test/programs/service-process.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { answers } from '../../platform/observation/channels.ts'
import { openDatabase } from '../../platform/database/database.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { startJobs } from '../../work.ts'
import {
  asRules,
  countAlertTests,
  groupingsIn,
  metricsIn,
  nameAlerts,
  namesIn,
  readAlerts,
  readDashboard,
  selectorsIn,
  seriesIn,
} from '../../../test/documents/monitoring-files.ts'
import type { Selector } from '../../../test/documents/monitoring-files.ts'
import { readDocument } from '../../../test/documents/markdown.ts'
import { createMetrics } from './metrics.ts'
import { serveMetrics } from './worker-server.ts'

const TOKEN = 'metrics-token-of-the-tests-0123456789'
const { app, call, signUp, services, database, admin, logged } = await createTestApp({
  ENABLE_METRICS: 'true',
  METRICS_TOKEN: TOKEN,
  PUBLIC_MONITORING: 'false',
  METRICS_PORT: '1',
})
const bearer = { authorization: `Bearer ${TOKEN}` }

/** A request that has been answered. */
const answer = {
  method: 'GET',
  route: '/x',
  status: 200,
  milliseconds: 3,
  received: undefined,
  sent: 100,
  problem: undefined,
}

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

// Red when: the route takes a token from its query, or the log has the query.
test('a token in the URL opens nothing, and is not logged', async () => {
  for (const name of ['token', 'access_token', 'metrics_token', 'bearer', 'authorization']) {
    const { status } = await call('GET', `/metrics?${name}=${TOKEN}`)
    assert.ok(status >= 400 && status < 500, `${name}: ${status}`)
  }
  assert.ok(!logged().includes(TOKEN))
})

// Red when: an alert or a panel names a metric that does not exist, or one is renamed.
test('every metric that the alerts and the dashboard name exists after some traffic', async () => {
  const person = await signUp('Acme')
  await person.call('GET', '/api/v1/projects')
  await call('POST', '/api/v1/auth/login', { email: person.email, password: 'Wrong-horse-7' })
  await call('GET', '/api/nowhere')
  await call('POST', '/api/v1/auth/verify-email/resend', { email: person.email })
  await person.call('POST', '/api/v1/auth/logout', {})
  const jobs = await startJobs(services, database)
  const sent = `select from freehold_jobs.job where name = 'mail' and state = 'completed'`
  await waitUntil(async () => (await admin.query(sent)).rows.length > 0)
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
  // The values of labels too; without a fault there is no 5xx.
  answers.publish({ ...answer, route: '/x', status: 500 })
  const expressions = [...(await readAlerts()), ...(await readDashboard())]
  const series = seriesIn(await scrape())
  const isThere = ({ metric, labels }: Selector) =>
    series.some(one => one.metric === metric && Object.entries(labels).every(([name, is]) => one.labels[name] === is))
  assert.deepEqual(
    selectorsIn(expressions).filter(one => one.metric !== 'up' && !isThere(one)),
    [],
  )
  for (const { labels, metrics: named } of groupingsIn(expressions))
    for (const label of labels)
      assert.ok(
        series.some(one => named.has(one.metric) && label in one.labels),
        `${[...named].join(', ')} by ${label}`,
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

// Red when: the path, the method or a header field of a request is a label.
test('thousands of random paths, methods, ids and header fields make no new series', async () => {
  const paths = (word: string) => [
    `/${word}/${word}?q=${word}`,
    `/api/v1/projects/${word}`,
    `/api/v5/${word}`,
    `/api/v1/organizations/${randomUUID()}`,
    `/problems?${word}=${word}`,
  ]
  const bomb = (index: number) => {
    const word = `bomb-${index}-${Math.random()}`
    const ours = paths(word)
    return app.inject({
      method: METHODS[index % METHODS.length] as 'GET',
      url: ours[index % ours.length]!,
      headers: {
        'user-agent': word,
        host: `${word}.example.com`,
        origin: `https://${word}.example.com`,
        'accept-language': word,
        'x-request-id': word,
        'x-organization-id': randomUUID(),
        traceparent: word,
        authorization: `Bearer ${word}`,
      },
    })
  }
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

// Red when: the announced length of a body that is refused is counted.
test('a client that announces an endless body does not spoil the count of bytes', async () => {
  const received = async () =>
    Number(
      /^freehold_http_request_bytes_total\{method="POST",route="\/api\/v1\/auth\/login"\} (\d+)$/m.exec(
        await scrape(),
      )?.[1],
    )
  await call('POST', '/api/v1/auth/login', { email: 'nobody@example.com', password: 'x' })
  const before = await received()
  assert.ok(before > 0)
  const { statusCode } = await app.inject({
    method: 'POST',
    url: '/api/v1/auth/login',
    headers: { 'content-type': 'application/json', 'content-length': String(Number.MAX_SAFE_INTEGER) },
    payload: '{}',
  })
  assert.equal(statusCode, 413)
  assert.equal(await received(), before)
})

/** The series, without those of the garbage collector, which come with its first run of each kind. */
const namesAndLabels = (text: string) =>
  new Set([...text.matchAll(/^((?!nodejs_gc)\w+(?:\{[^}]*\})?) /gm)].map(([, series]) => series!))

// Red when: each scrape renders anew, or asks the database.
test('a thousand scrapes while a thousand routes have series are answered from one text', async t => {
  for (let index = 0; index < 1000; index++) answers.publish({ ...answer, route: `/r/${index}/:id` })
  await services.metrics!.render(systemFor(database, 'scrape'))
  await delay(1050)
  const start = process.cpuUsage()
  const texts = await Promise.all(
    Array.from({ length: 1000 }, () => services.metrics!.render(systemFor(database, 'scrape'))),
  )
  const milliseconds = process.cpuUsage(start).user / 1000
  t.diagnostic(`${Math.round(milliseconds)} ms of computing for 1,000 scrapes of ${texts[0]!.length} bytes`)
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
test(
  'Prometheus accepts the alerts, which fire when they should, the panels and the metrics',
  needs('promtool'),
  async t => {
    const folder = fileURLToPath(new URL('../../../../deploy/prometheus/', import.meta.url))
    const scratch = mkdtempSync(join(tmpdir(), 'freehold-panels-'))
    t.after(() => rmSync(scratch, { recursive: true }))
    writeFileSync(join(scratch, 'panels.yml'), asRules(await readDashboard()))
    for (const args of [
      ['check', 'rules', `${folder}alerts.yml`],
      ['check', 'rules', join(scratch, 'panels.yml')],
      ['test', 'rules', `${folder}alerts.test.yml`],
      ['check', 'config', '--syntax-only', `${folder}prometheus.yml`],
    ]) {
      const { status, stdout, stderr } = promtool(args)
      assert.equal(status, 0, `promtool ${args.join(' ')}: ${stdout}${stderr}`)
    }
    const linted = promtool(['check', 'metrics'], await scrape())
    const ours = `${linted.stdout}${linted.stderr}`.split('\n').filter(line => line.startsWith('freehold_'))
    assert.deepEqual(ours, [])
  },
)

// Red when: an alert is added without a test that fires it and one that does not, or without a line in the guide.
test('every alert is tested in both directions, and the guide says what to do about it', async () => {
  const [names, counts, guide] = [
    await nameAlerts(),
    await countAlertTests(),
    readDocument('docs/guides/monitoring.md'),
  ]
  assert.ok(names.length > 15)
  assert.deepEqual(Object.keys(counts).toSorted(), names.toSorted())
  for (const name of names) {
    assert.ok(counts[name]!.fires > 0 && counts[name]!.rests > 0, name)
    assert.ok(guide.includes(`\`${name}\``), `${name} is missing in the guide`)
  }
})
