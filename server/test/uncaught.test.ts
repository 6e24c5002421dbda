import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { startPeer } from './programs/peer.ts'
import { onTestDatabase, signUpAt, startServiceProcess, waitUntil } from './programs/service-process.ts'
import { testDatabase } from './test-database.ts'

// Faults that no request catches, in the real service: a module that is loaded before it throws when it gets a signal.

const faulty = `
  process.on('SIGWINCH', () => {
    throw new TypeError('no timer for someone@example.com', { cause: new Error('Bearer a-secret-token') })
  })
  process.on('SIGCONT', () => {
    void Promise.reject('not even an error, and secret')
    for (let more = 0; more < 1000; more++) setImmediate(() => { throw new Error('a consequence') })
  })`

/** A service on the test database that has a request in flight, which waits for a row until `release`. */
async function startWithRequest(sentry: string) {
  const service = await startServiceProcess({
    ...onTestDatabase(),
    SENTRY_DSN: `http://key@${sentry}/1`,
    NODE_OPTIONS: `--import=data:text/javascript;base64,${Buffer.from(faulty).toString('base64')}`,
  })
  const client = await signUpAt(service.url)
  const { body } = await client.call('POST', '/api/v1/projects', { name: 'Held' })
  const { adminUrl, ownerUrl } = testDatabase()
  const holder = new pg.Client({
    connectionString: Object.assign(new URL(adminUrl), { pathname: new URL(ownerUrl).pathname }).href,
    options: '-c search_path=freehold',
  })
  await holder.connect()
  await holder.query('begin')
  await holder.query('select from projects where id = $1 for update', [body.id])
  const held = client.call('PATCH', `/api/v1/projects/${body.id}`, { name: 'Let go' })
  const blocked = 'select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))'
  await waitUntil(async () => (await holder.query(blocked)).rows.length > 0)
  return { service, held, release: () => holder.end() }
}

const fatalLinesOf = (output: string) =>
  output
    .split('\n')
    .filter(line => line.includes('"level":60'))
    .map(line => JSON.parse(line))

// Red when: nothing listens for uncaught exceptions (the request in flight is cut off, and Sentry learns nothing), the
// exit code is that of a normal stop, or the listener is one of requests.
test('an exception that nothing catches is logged and reported, and the process ends with 1 after its requests', async t => {
  const sentry = await startPeer()
  const { service, held, release } = await startWithRequest(sentry.host)
  t.after(() => service.end('SIGKILL'))
  process.kill(service.pid, 'SIGWINCH')
  // It accepts no further connections.
  await waitUntil(() =>
    fetch(`${service.url}/health`).then(
      () => false,
      () => true,
    ),
  )
  assert.ok(service.isRunning(), 'it waits for the request')
  await release()
  const { status, body } = await held
  assert.deepEqual([status, body.name], [200, 'Let go'])
  assert.deepEqual(await service.ended, { code: 1, signal: null })
  assert.equal(sentry.received.length, 1, 'it is reported before the process has ended')

  const [line, ...more] = fatalLinesOf(service.output())
  assert.deepEqual(more, [])
  assert.equal(line.msg, 'the process stops, because nothing has caught an error')
  assert.deepEqual(
    [line.err.name, line.err.message, line.err.cause.message],
    ['TypeError', 'no timer for (address)', 'Bearer (removed)'],
  )
  assert.match(line.err.stack, /^TypeError: no timer for \(address\)\n +at /)
  const event = JSON.parse(sentry.received[0]!.body.split('\n')[2]!)
  assert.deepEqual([event.level, event.exception.values[1].mechanism.handled], ['fatal', false])
  const everything = `${service.output()}${service.errors()}${sentry.received.map(({ body: text }) => text).join('')}`
  assert.doesNotMatch(everything, /someone@|a-secret-token/)
})

// Red when: the last five seconds are not limited, a promise's reason has to be an error, or each consequence is logged.
test('a rejection that nothing catches ends it too, within seconds, although a request and Sentry do not end', async t => {
  const sentry = await startPeer()
  sentry.answer(0)
  const { service, held, release } = await startWithRequest(sentry.host)
  t.after(() => service.end('SIGKILL'))
  held.catch(() => {})
  const start = Date.now()
  process.kill(service.pid, 'SIGCONT')
  assert.deepEqual(await service.ended, { code: 1, signal: null })
  assert.ok(Date.now() - start < 30_000, `${Date.now() - start} ms`)
  await release()
  const [line, ...more] = fatalLinesOf(service.output())
  assert.deepEqual(more, [])
  assert.equal(line.err.message, 'a value that is no error was thrown')
  assert.equal(service.output().match(/nothing has caught another error while the process stops/g)?.length, 1)
  assert.doesNotMatch(service.output() + service.errors(), /and secret/)
})
