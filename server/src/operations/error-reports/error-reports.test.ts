import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createTestApp } from '../../../test/test-app.ts'
import { startPeer } from '../../../test/programs/peer.ts'
import type { Peer } from '../../../test/programs/peer.ts'
import { features } from '../../features.ts'
import { feature } from '../../platform/feature.ts'
import type { Feature } from '../../platform/feature.ts'
import { faults } from '../../platform/observation/channels.ts'
import { reportErrors } from './error-reports.ts'
import { describeFault } from './event.ts'
import { redact } from '../../platform/observation/redaction.ts'

const sentry = await startPeer()

const SECRETS = [
  'someone@example.com',
  'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln',
  'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCd',
]
/** A route with a fault. */
const faulty = feature({
  name: 'faulty',
  rootRoutes: [
    app => {
      app.post('/faulty/:id', { access: 'public', schema: { hide: true } }, async () => {
        const cause = new Error(`no answer from https://user:hunter2@db.example.com/x?token=hunter3`)
        throw new TypeError(`cannot read ${SECRETS.join(' of ')}`, { cause })
      })
    },
  ],
})
const { app, services } = await createTestApp({ SENTRY_DSN: `http://publickey@${sentry.host}/42` }, [
  ...(features as readonly Feature[]),
  faulty,
])

const eventsOf = ({ received }: Peer) => received.map(({ body }) => JSON.parse(body.split('\n')[2]!))

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition(); await delay(10))
    assert.ok(Date.now() < deadline, 'it never happened')
}

// Red when: the body, the path or a header of the request is reported, or a message is not redacted.
test('a fault is reported with its stack and its route, and with nothing of the request', async () => {
  const payload = JSON.stringify({ password: 'body-secret' })
  const { statusCode } = await app.inject({
    method: 'POST',
    url: '/faulty/path-secret?query-secret=1',
    headers: {
      'content-type': 'application/json',
      authorization: 'Bearer header-secret',
      'x-request-id': 'the-faulty-one',
    },
    payload,
  })
  assert.equal(statusCode, 500)
  await until(() => sentry.received.length > 0)
  const [{ path, headers, body }] = sentry.received as [Peer['received'][0]]
  assert.equal(path, '/api/42/envelope/')
  assert.match(
    String(headers['x-sentry-auth']),
    /^Sentry sentry_version=7, sentry_client=freehold\/[\d.]+, sentry_key=publickey$/,
  )
  const [event] = eventsOf(sentry)
  assert.equal(event.transaction, 'POST /faulty/:id')
  assert.equal(event.level, 'error')
  assert.equal(event.environment, 'development')
  assert.deepEqual(event.tags, { what: 'unexpected error', request_id: 'the-faulty-one' })
  const [cause, error] = event.exception.values
  assert.equal(error.type, 'TypeError')
  assert.equal(error.value, 'cannot read (address) of (token) of (removed)')
  assert.equal(cause.value, 'no answer from https://(removed)@db.example.com/x?(removed)')
  const frame = error.stacktrace.frames.at(-1)
  assert.equal(frame.filename, 'server/src/operations/error-reports/error-reports.test.ts')
  assert.ok(frame.lineno > 10 && frame.in_app)
  for (const secret of [...SECRETS, 'hunter', 'body-secret', 'path-secret', 'query-secret', 'header-secret'])
    assert.ok(!body.includes(secret), secret)
})

// Red when: every repetition is sent.
test('a storm of the same error is one report', async () => {
  await Promise.all(Array.from({ length: 50 }, () => app.inject({ method: 'POST', url: '/faulty/1' })))
  // Reports are sent one after the other, so this one is the last.
  faults.publish({ level: 'error', message: 'the next one', error: new Error('next') })
  const reported = () => eventsOf(sentry).map(({ tags }) => tags.what)
  await until(() => reported().includes('the next one'))
  assert.ok(reported().filter(what => what === 'unexpected error').length <= 2)
})

// Red when: sending is awaited by the request, an event is forgotten, or a failure to report is reported.
test('while Sentry cannot be reached nothing is slower, and what happened is reported later', async t => {
  const gone = await startPeer()
  await gone.stop()
  const lines: string[] = []
  const log = { warn: (_details: object, message: string) => void lines.push(message) }
  const [url, port] = [`http://${gone.host}/api/1/envelope/`, Number(gone.host.split(':')[1])]
  const reports = reportErrors({ url, key: 'k' }, { version: '1', environment: 'test' }, log, { firstPauseMs: 100 })
  t.after(() => reports.close())
  const start = performance.now()
  for (let index = 0; index < 150; index++)
    faults.publish({ level: 'error', message: `fault ${index}`, error: new Error(`number ${index}`) })
  assert.ok(performance.now() - start < 5000)
  await until(() => lines.length > 0)
  const back = await startPeer(port)
  back.answer(503)
  await until(() => back.received.length > 0)
  back.answer(200)
  await until(() => new Set(eventsOf(back).map(({ tags }) => tags.what)).size >= 100)
  const told = new Set(eventsOf(back).map(({ tags }) => tags.what))
  // The oldest of more than a hundred are given up.
  assert.ok(told.has('fault 149') && told.has('fault 50') && !told.has('fault 10'))
  assert.deepEqual(
    [...told].filter(what => !what.startsWith('fault')),
    [],
  )
  assert.deepEqual([...new Set(lines)], ['an error could not be reported to Sentry'])
})

// Red when: the process waits for a Sentry that never answers.
test('a service that stops sends what is left, and waits for at most two seconds', async () => {
  const silent = await startPeer()
  silent.answer(0)
  const reports = reportErrors(
    { url: `${silent.url}/api/1/envelope/`, key: 'k' },
    { version: '1', environment: 'test' },
    { warn: () => {} },
  )
  faults.publish({ level: 'warning', message: 'the last one', error: new Error('last') })
  const start = performance.now()
  await reports.close()
  assert.ok(performance.now() - start < 30_000)
  assert.equal(silent.received.length, 1)
  await services.errorReports!.close()
  assert.ok(eventsOf(sentry).some(({ tags }) => tags.what === 'the last one'))
})

// Red when: a pattern of redact is removed, or one reads a word again from each of its letters.
test('what looks like a secret is removed, everything else stays, and a long text takes no time', () => {
  for (const [text, redacted] of [
    ['Authorization: Bearer abc.def', 'Authorization: Bearer (removed)'],
    ['relation "projects" does not exist', 'relation "projects" does not exist'],
    ['postgres://freehold:pw@host/db failed', 'postgres://(removed)@host/db failed'],
    ['job 0192f3a4-5b6c-7d8e-9f00-112233445566 failed', 'job 0192f3a4-5b6c-7d8e-9f00-112233445566 failed'],
    ['a key 0123456789abcdef0123456789abcdef', 'a key (removed)'],
    ['{"email": "ann@example.com", "b": "<bob@example.org>"}', '{"email": "(address)", "b": "<(address)>"}'],
    ['"$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"', '"(hash)"'],
    ['apply 0004_proof_consent_and_quotas', 'apply 0004_proof_consent_and_quotas'],
    ['no such file /srv/shop/secrets/database-tenant-url', 'no such file /srv/shop/secrets/database-tenant-url'],
  ])
    assert.equal(redact(text!), redacted)
  const start = process.cpuUsage()
  for (const long of ['a'.repeat(1e6), 'a:'.repeat(1e6), '$a'.repeat(1e6), 'a.'.repeat(1e6), 'eyJ'.repeat(1e6)])
    assert.ok(redact(`${long}@`).length < 5000)
  assert.ok(process.cpuUsage(start).user < 1_000_000)
})

// Red when: the frames are looked for in the whole stack, or the causes of an error are followed for ever.
test('a message that looks like a stack, and an error that is its own cause, are reported', () => {
  const error = new Error('first\n    at secret-place (/of/a-client:1:2)\nlast')
  error.cause = error
  const event = describeFault({ level: 'fatal', message: 'x', error }, { version: '1', environment: 'test' })
  const { values } = event['exception'] as { values: { stacktrace: { frames: object[] } }[] }
  assert.equal(values.length, 5)
  assert.ok(values[0]!.stacktrace.frames.length > 0)
  assert.doesNotMatch(JSON.stringify(values[0]!.stacktrace), /of\/a-client/)
})
