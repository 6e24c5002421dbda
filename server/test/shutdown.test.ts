import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { waits } from './meeting.ts'
import {
  findEmbeddedPostgres,
  onTestDatabase,
  request,
  signUpAt,
  startServiceProcess,
  waitUntil,
} from './programs/service-process.ts'
import { startProxy } from './programs/silent-proxy.ts'
import { testDatabase } from './test-database.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'freehold-shutdown-'))
after(() => rmSync(dataDir, { recursive: true, force: true }))

type Outcome = { status: number; isWhole: boolean } | { code: string | undefined; isReused: boolean }

/** One request on a kept connection, and its result. */
function ask(agent: Agent, url: string, access_token: string, body?: object): Promise<Outcome> {
  return new Promise(resolve => {
    const sent = httpRequest(`${url}/api/v1/projects`, {
      agent,
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${access_token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
    })
    sent.on('error', (error: NodeJS.ErrnoException) => resolve({ code: error.code, isReused: sent.reusedSocket }))
    sent.on('response', answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('close', () => {
        let isWhole = answer.complete
        try {
          JSON.parse(text)
        } catch {
          isWhole = false
        }
        resolve({ status: answer.statusCode as number, isWhole })
      })
    })
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** Blocks changes of a project until `release`. */
async function holdProject(id: string): Promise<{ waits: () => Promise<boolean>; release: () => Promise<void> }> {
  const [password, port] = ['password', 'port'].map(name =>
    readFileSync(join(dataDir, 'postgres', name), 'utf8').trim(),
  )
  const admin = new pg.Client({
    host: '127.0.0.1',
    port: Number(port),
    user: 'postgres',
    password: password as string,
    database: 'freehold',
    options: '-c search_path=freehold',
  })
  await admin.connect()
  admin.on('error', () => {}) // it may have been stopped with the server
  await admin.query('begin')
  await admin.query('select from projects where id = $1 for update', [id])
  return {
    // Only what waits for this very row: a job of the service may wait for some other lock meanwhile.
    waits: async () =>
      (await admin.query(`select from pg_stat_activity where pg_backend_pid() = any (pg_blocking_pids(pid))`)).rows
        .length > 0,
    release: () => admin.end(),
  }
}

// Red when: main.ts closes the database before the app; cli/freehold.ts exits at the first signal; responses are cut
// off (`forceCloseConnections: true` in app.ts); or app.ts leaves out closeGracefully, or main.ts provisioned.stop().
test('SIGTERM under load finishes the requests in flight, then exits 0 and stops the embedded PostgreSQL', async t => {
  const service = await startServiceProcess({ DATA_DIR: dataDir })
  t.after(() => service.end('SIGKILL'))
  const client = await signUpAt(service.url)
  const project = await client.call('POST', '/api/v1/projects', { name: 'Held' })
  const postgres = findEmbeddedPostgres(dataDir)
  assert.ok(postgres !== undefined)

  // A load of everything; each client keeps its own connection.
  const outcomes: Outcome[] = []
  const over = new AbortController()
  const agents = Array.from({ length: 32 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  const load = agents.map(async (agent, requester) => {
    while (!over.signal.aborted) {
      const outcome = await ask(
        agent,
        service.url,
        client.access_token,
        requester % 4 === 0 ? { name: `Load ${crypto.randomUUID()}` } : undefined,
      )
      outcomes.push(outcome)
      if ('code' in outcome) break
    }
    agent.destroy()
  })
  await waitUntil(() => outcomes.length > 300)

  // And requests that are certainly in flight: one waits for a row that the test holds, for less than the 30 seconds that
  // PostgreSQL lets it wait, others wait for a password hash.
  const hold = await holdProject(project.body.id)
  const hashing = Array.from({ length: 8 }, () =>
    request(service.url, 'POST', '/api/v1/auth/login', { email: client.email, password: 'Correct-horse-7' }),
  )
  const held = client.call('PATCH', `/api/v1/projects/${project.body.id}`, { name: 'Let go' })
  await waitUntil(hold.waits)
  // Connections are accepted in their order: once this one is answered, those before it were accepted.
  outcomes.push(await ask(new Agent(), service.url, client.access_token))

  const before = outcomes.length
  const signalled = Date.now()
  const ended = service.end('SIGTERM')
  await delay(1000)
  assert.ok(service.isRunning(), 'it waits for the requests in flight')
  await hold.release()
  const { status, body } = await held
  assert.deepEqual([status, body.name], [200, 'Let go'])
  for (const login of await Promise.all(hashing)) assert.equal(login.status, 200, JSON.stringify(login.body))
  assert.deepEqual(await ended, { code: 0, signal: null })
  assert.ok(Date.now() - signalled < 50_000, 'no kept connection delays it')
  over.abort()
  await Promise.all(load)

  const counts: Record<string, number> = {}
  for (const outcome of outcomes) {
    const name =
      'status' in outcome
        ? `${outcome.status}${outcome.isWhole ? '' : ' cut'}`
        : `${outcome.code}${outcome.isReused ? ' on a kept connection' : ''}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  t.diagnostic(
    `${before} answers before the signal; ended ${Date.now() - signalled} ms after it; outcomes: ${JSON.stringify(counts)}`,
  )
  // Refused, or reset before the service accepted the connection: a client's next attempt goes elsewhere.
  const allowed = ['200', '201', '503', 'ECONNREFUSED', 'ECONNRESET', 'ECONNRESET on a kept connection']
  assert.deepEqual(
    Object.keys(counts).filter(name => !allowed.includes(name)),
    [],
    JSON.stringify(counts),
  )
  assert.ok(
    (counts['ECONNRESET on a kept connection'] ?? 0) <= 4,
    `who is busy gets a last answer: ${JSON.stringify(counts)}`,
  )
  // Every request that the service accepted was answered completely: its log and the clients agree.
  const lines = service
    .output()
    .split('\n')
    .filter(line => line.includes('"msg":"request"'))
    .map(line => JSON.parse(line) as { route: string; status: number; method: string })
  const logged = (wanted: number) =>
    lines.filter(
      ({ route, status: found, method }) => route === '/api/v1/projects' && found === wanted && method !== 'PATCH',
    ).length
  assert.equal(logged(201), (counts['201'] ?? 0) + 1)
  assert.equal(logged(200), counts['200'] ?? 0)
  assert.equal(service.errors(), '')

  assert.equal(findEmbeddedPostgres(dataDir), undefined)
  assert.equal(existsSync(join(dataDir, 'postgres/data/postmaster.pid')), false, 'a graceful shutdown')
  await assert.rejects(fetch(`${service.url}/ready`))
})

// Red when: cli/freehold.ts does not count the signals.
test('a second signal, a second later, stops it immediately, and the next start works', async t => {
  const service = await startServiceProcess({ DATA_DIR: dataDir })
  t.after(() => service.end('SIGKILL'))
  const client = await signUpAt(service.url)
  const project = await client.call('POST', '/api/v1/projects', { name: 'Held' })
  const hold = await holdProject(project.body.id)
  const held = client.call('PATCH', `/api/v1/projects/${project.body.id}`, { name: 'Cut off' }).catch(() => 'cut off')
  await waitUntil(hold.waits)
  // A terminal and npm both pass on the first one. Two that are equal and pending would count as one.
  void service.end('SIGTERM')
  void service.end('SIGINT')
  await waitUntil(() => service.output().includes('stopping'))
  await delay(1200)
  assert.ok(service.isRunning(), service.output())
  assert.deepEqual(await service.end('SIGTERM'), { code: 130, signal: null })
  assert.equal(await held, 'cut off')
  await hold.release()

  const next = await startServiceProcess({ DATA_DIR: dataDir })
  t.after(() => next.end('SIGKILL'))
  assert.equal(
    (await request(next.url, 'POST', '/api/v1/auth/login', { email: client.email, password: 'Correct-horse-7' }))
      .status,
    200,
  )
  assert.deepEqual(await next.end('SIGINT'), { code: 0, signal: null })
  assert.equal(findEmbeddedPostgres(dataDir), undefined)
})

// Red when: database.limit() is not called before the app closes, or a part of the stop waits for the database for ever.
test('a service whose PostgreSQL has fallen silent answers 503, and stops within seconds', async t => {
  const urls = onTestDatabase()
  const proxy = await startProxy(urls['DATABASE_URL']!)
  const { port } = new URL(proxy.url)
  const through = Object.entries(urls).map(([name, value]) => [
    name,
    name.startsWith('DATABASE') ? Object.assign(new URL(value), { port }).href : value,
  ])
  const service = await startServiceProcess({ ...Object.fromEntries(through), RUN_JOBS: 'true' })
  t.after(() => service.end('SIGKILL'))
  const client = await signUpAt(service.url)
  proxy.hold()
  const unanswered = [
    client.call('POST', '/api/v1/projects', { name: 'Unanswered' }),
    client.call('GET', '/api/v1/projects'),
  ]
  await waitUntil(() => proxy.said() !== '')
  assert.deepEqual(await service.end('SIGTERM'), { code: 0, signal: null })
  for (const { status, body } of await Promise.all(unanswered))
    assert.deepEqual([status, body.code], [503, 'database-unavailable'])
})

// Red when: the stop of platform/gate/signing-keys.ts clears the timer only: the read in flight sets another one.
test('a service that is reading the signing keys when it stops does not read them again', async t => {
  const { adminUrl, ownerUrl } = testDatabase()
  const connectionString = Object.assign(new URL(adminUrl), { pathname: new URL(ownerUrl).pathname }).href
  const pool = new pg.Pool({ connectionString, options: '-c search_path=freehold' })
  t.after(() => pool.end())
  const service = await startServiceProcess(onTestDatabase())
  t.after(() => service.end('SIGKILL'))
  const holder = await pool.connect()
  await holder.query('begin; lock table signing_keys in access exclusive mode')
  assert.ok(await waits(pool, holder, service.ended))
  const ended = service.end('SIGTERM')
  const isClosed = () =>
    fetch(`${service.url}/ready`).then(
      () => false,
      () => true,
    )
  await waitUntil(isClosed)
  await delay(1500) // then it waits for this statement
  await holder.query('commit')
  holder.release()
  assert.deepEqual(await ended, { code: 0, signal: null })
  assert.doesNotMatch(service.output(), /signing keys could not be read/)
})
