import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import { startPeer } from '../../../test/programs/peer.ts'
import { send } from '../../platform/outbound/outbound.ts'
import { features } from '../../features.ts'
import { feature } from '../../platform/feature.ts'
import type { Feature } from '../../platform/feature.ts'
import { runJobs } from '../../platform/jobs/jobs.ts'

interface Value {
  stringValue?: string
  intValue?: number
}

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: { key: string; value: Value }[]
  status: { code?: number }
}

const collector = await startPeer()
const other = await startPeer()
/** Calls another server within a request. */
const calling = feature({
  name: 'calling',
  rootRoutes: [
    app => {
      app.get('/calling', { access: 'public', schema: { hide: true } }, async () => {
        await send(`${other.url}/ours`, { to: 'operator' })
        await send(`${other.url}/theirs`, { to: { isAllowed: () => true } })
        return {}
      })
    },
  ],
})
const { app, call, signUp, services, database, admin } = await createTestApp(
  {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=abc%20def',
    OTEL_SERVICE_NAME: 'freehold-test',
  },
  [...(features as readonly Feature[]), calling],
)
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

const person = await signUp('Acme')
const authorization = `Bearer ${person.access_token}`
const traceparent = `00-${TRACE}-${SPAN}-01`
const note = 'A name that is nobody’s business'
const created = await app.inject({
  method: 'POST',
  url: '/api/v1/projects?',
  headers: {
    authorization,
    traceparent,
    tracestate: 'vendor=secret-state',
    baggage: 'user=secret-baggage',
    'x-request-id': 'the-traced-one',
    'content-type': 'application/json',
  },
  payload: JSON.stringify({ name: note }),
})
assert.equal(created.statusCode, 201)
const listed = await call('GET', '/api/v1/projects?text=secret-search', undefined, { authorization })
await call('GET', '/secret-path/of-nothing', undefined, {
  traceparent: '00-ffffffffffffffffffffffffffffffff-0000000000000000-01',
})
await app.inject({
  url: '/api/v1/projects',
  headers: { authorization, traceparent: `00-${TRACE.replace('0a', '0b')}-${SPAN}-00` },
})
const OTHER = TRACE.replace('0a', '0c')
/** None of these is a parent (W3C Trace Context, section 3.2). */
const hostile = [
  `00-${OTHER}-${SPAN}-01-more`,
  `ff-${OTHER}-${SPAN}-01`,
  `00-${OTHER.toUpperCase()}-${SPAN}-01`,
  `00-${OTHER}-${SPAN}-1`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${OTHER}-${'0'.repeat(16)}-01`,
  `00-${OTHER}-${SPAN}-01${'f'.repeat(12_000)}`,
  '0'.repeat(12_000),
  `00-${OTHER}-${SPAN}-01, 00-${OTHER}-${SPAN}-01`,
  '\u00ff-\u00e9'.repeat(100),
  '__proto__',
  '',
]
for (const parent of hostile)
  await app.inject({ url: '/api/v1/organizations', headers: { traceparent: parent, tracestate: parent } })
await app.inject({ url: '/calling' })
await app.inject({ method: 'HEAD', url: '/problems' })
await app.inject({ method: 'PROPFIND', url: '/secret-path/of-files' } as object)
await call('GET', '/health')

// A job that fails.
const done = Promise.withResolvers<void>()
const handled: object[] = []
const jobs = await runJobs(
  { pool: database.system.pool, schema: 'freehold', log: { warn: () => {} } },
  {
    mail: {
      queue: {},
      concurrency: 1,
      pollingSeconds: 0.5,
      handler: () => async data => {
        handled.push(data)
        done.resolve()
        throw new Error('secret-reason')
      },
    },
  },
  () => ({ system: undefined as never, services, defer: () => {} }),
)
await call('POST', '/api/v1/auth/verify-email/resend', { email: person.email })
await done.promise
await jobs.stop()
await services.tracing!.close()

const spans = collector.received.flatMap(({ body }) =>
  (JSON.parse(body).resourceSpans as { scopeSpans: { spans: Span[] }[] }[]).flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(scope => scope.spans),
  ),
)
const of = (span: Span | undefined, key: string) => {
  const value = span?.attributes.find(attribute => attribute.key === key)?.value
  return value?.stringValue ?? value?.intValue
}
const spansNamed = (name: string) => spans.filter(span => span.name === name)

// Red when: the context is lost on the way to a statement, as after the body was read, or the parent is not read.
test('a request continues the trace of its client, and its statements are part of it', () => {
  const request = spansNamed('POST /api/v1/projects').find(({ traceId }) => traceId === TRACE)!
  assert.equal(request.parentSpanId, SPAN)
  assert.equal(of(request, 'freehold.request_id'), 'the-traced-one')
  assert.equal(of(request, 'http.response.status_code'), 201)
  const [statement, ...more] = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId)
  assert.deepEqual(more, [])
  assert.equal(statement!.traceId, TRACE)
  assert.match(String(of(statement, 'db.query.text')), /insert into "projects"/)
  assert.equal(of(statement, 'freehold.login'), 'tenant')
})

// Red when: an invalid parent is taken over, or a request that its client does not record is recorded.
test('an invalid parent is ignored, whatever it is, and a client may decide not to be recorded', () => {
  const refused = spansNamed('GET /api/v1/organizations')
  assert.equal(refused.length, hostile.length)
  for (const { parentSpanId, traceId } of refused) {
    assert.equal(parentSpanId ?? '', '')
    assert.match(traceId, /^[0-9a-f]{32}$/)
    assert.notEqual(traceId, OTHER)
  }
  const [lost] = spansNamed('GET (none)')
  assert.equal(lost!.parentSpanId ?? '', '')
  assert.equal(of(lost, 'error.type'), 'not-found')
  assert.equal(spans.filter(({ traceId }) => traceId.startsWith('0bf7')).length, 0)
  assert.deepEqual(
    spans.filter(({ name }) => name.includes('/health')),
    [],
  )
})

// Red when: the method is that of the route, or any text that a client sends.
test('a span has the method that was sent, if it is a known one', () => {
  for (const [name, method] of [
    ['GET (none)', 'GET'],
    ['HEAD /problems', 'HEAD'],
    ['HTTP (none)', '_OTHER'],
  ] as const)
    assert.equal(of(spansNamed(name)[0], 'http.request.method'), method, name)
})

// Red when: the URL, a parameter, a header or a message becomes an attribute.
test('spans have nothing of what users send, and nobody’s ids', () => {
  const everything = JSON.stringify(spans)
  for (const secret of [
    'secret-',
    note,
    person.email,
    person.access_token.slice(-20),
    person.user_id,
    person.organization_id,
  ])
    assert.ok(!everything.includes(secret), secret)
  assert.equal(listed.status, 422)
})

// Red when: the origin of a request has no trace, or enqueue_job leaves it out.
test('a job is part of the trace of the request that caused it', () => {
  const [job] = spansNamed('job mail')
  const cause = spans.find(({ spanId }) => spanId === job!.parentSpanId)
  assert.match(cause!.name, /^POST \/api\/v1\/auth\/(signup|verify-email\/resend)$/)
  assert.equal(job!.traceId, cause!.traceId)
  assert.equal(job!.status.code, 2)
  assert.match(String(of(job, 'freehold.job_id')), /^[0-9a-f-]{36}$/)
  assert.deepEqual(
    handled.map(data => Object.keys(data)),
    handled.map(() => ['token_id']),
    'the handler gets the data alone',
  )
})

// Red when: enqueue_job takes over what the setting says.
test('nothing but a trace gets into the data of a job', async () => {
  const dataWith = async (traceparent: string) => {
    const { rows } = await admin.query(
      `with setting as materialized (select set_config('app.context', $1, false)),
        made as materialized (select enqueue_job('mail', '{}') as id from setting) select id from made`,
      [JSON.stringify({ traceparent })],
    )
    const job = await admin.query('select data from freehold_jobs.job where id = $1', [rows[0].id])
    return job.rows[0].data
  }
  const trace = `00-${TRACE}-${SPAN}-01`
  assert.deepEqual(await dataWith(trace), { traceparent: trace })
  for (const other of ['someone@example.com', `${trace}\nx`, `${trace}x`, ''])
    assert.deepEqual(await dataWith(other), {})
})

// Red when: traceparent is sent to every server, or to none.
test('only servers that the operator has chosen learn the trace', () => {
  const [ours, theirs] = other.received
  const [request] = spansNamed('GET /calling')
  assert.equal(ours!.headers['traceparent'], `00-${request!.traceId}-${request!.spanId}-01`)
  assert.equal(theirs!.path, '/theirs')
  assert.equal(theirs!.headers['traceparent'], undefined)
})

test('the collector gets its header, and the name of the service', () => {
  const { path, headers, body } = collector.received[0]!
  assert.equal(path, '/v1/traces')
  assert.equal(headers['x-collector-key'], 'abc def')
  assert.match(body, /"freehold-test"/)
})
