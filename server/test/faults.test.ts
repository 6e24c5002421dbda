import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { features } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import { migrateDatabase, provisionDatabase } from '../src/platform/schema/provision.ts'
import {
  findEmbeddedPostgres,
  launchService,
  request,
  signUpAt,
  startServiceProcess,
  waitUntil,
} from './programs/service-process.ts'
import type { Client, ServiceProcess } from './programs/service-process.ts'
import { TEST_SECRET } from './test-database.ts'

const directories: string[] = []
const makeDirectory = (name: string): string => {
  const directory = mkdtempSync(join(tmpdir(), `freehold-${name}-`))
  directories.push(directory)
  return directory
}
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})
const isRoot = process.geteuid?.() === 0

interface Writing {
  /** What the service has acknowledged. */
  readonly acknowledged: string[]
  /** Every name that was sent, with its Idempotency-Key. */
  readonly sent: string[]
  /** How often each status or error occurred. */
  readonly counts: Record<string, number>
  /** Responses that must not occur. */
  readonly faults: string[]
  stop(): Promise<void>
}

/** Eight writers, each creating one project after another until `stop`, for at most five minutes, with the responses. */
function write({ call }: Client): Writing {
  const over = new AbortController()
  const [acknowledged, sent, faults]: [string[], string[], string[]] = [[], [], []]
  const counts: Record<string, number> = {}
  const deadline = Date.now() + 300_000
  const writers = Array.from({ length: 8 }, async () => {
    while (!over.signal.aborted && Date.now() < deadline) {
      const name = crypto.randomUUID()
      sent.push(name)
      const answer = await call('POST', '/api/v1/projects', { name }, { 'idempotency-key': name }).catch(
        () => undefined,
      )
      const outcome = answer === undefined ? 'no answer' : String(answer.status)
      counts[outcome] = (counts[outcome] ?? 0) + 1
      if (answer?.status === 201) acknowledged.push(name)
      else if (answer !== undefined && (answer.status !== 503 || answer.headers.get('retry-after') === null))
        faults.push(`${answer.status} ${JSON.stringify(answer.body)}`)
      if (answer?.status !== 201) await delay(50)
    }
  })
  return {
    acknowledged,
    sent,
    counts,
    faults,
    stop: async () => {
      over.abort()
      await Promise.all(writers)
    },
  }
}

/** The names of all projects. */
async function readNames({ call }: Client): Promise<string[]> {
  const names: string[] = []
  for (let cursor = ''; ;) {
    const { status, body } = await call('GET', `/api/v1/projects?limit=100${cursor}`)
    assert.equal(status, 200, JSON.stringify(body))
    names.push(...body.items.map((item: { name: string }) => item.name))
    if (body.next_cursor === null) return names
    cursor = `&cursor=${body.next_cursor}`
  }
}

/** Everything that was acknowledged exists exactly once. */
async function checkNames(client: Client, { acknowledged, sent }: Writing): Promise<void> {
  const names = await readNames(client)
  const found = new Set(names)
  assert.equal(found.size, names.length, 'nothing exists twice')
  assert.deepEqual(
    acknowledged.filter(name => !found.has(name)),
    [],
    'nothing acknowledged is lost',
  )
  assert.ok(found.isSubsetOf(new Set(sent)))
}

async function killTwice(
  service: ServiceProcess,
  client: Client,
  findPostgres: () => number | undefined,
): Promise<Writing> {
  const writing = write(client)
  for (let kill = 0; kill < 2; kill++) {
    const before = writing.acknowledged.length
    await waitUntil(() => writing.acknowledged.length > before + 30)
    const pid = findPostgres()
    assert.ok(pid !== undefined)
    process.kill(pid, 'SIGKILL')
    const killed = writing.acknowledged.length
    // It comes back without help, under the same load.
    await waitUntil(
      () => findPostgres() !== undefined && findPostgres() !== pid && writing.acknowledged.length > killed + 60,
    )
  }
  await writing.stop()
  assert.ok(service.isRunning(), 'the service has survived')
  assert.deepEqual(writing.faults.slice(0, 5), [], 'every response except 201 is a 503 with Retry-After')
  assert.equal(writing.counts['no answer'] ?? 0, 0, 'every request got a response')
  assert.ok((writing.counts['503'] ?? 0) > 0, 'the kill had an effect')
  await checkNames(client, writing)
  return writing
}

// Red when: platform/database/database.ts has no listener for the errors of connections in use, `isBroken` knows fewer
// errors, or platform/embedded/embedded-postgres.ts does not watch its server. Lost rows would need fsync=off and a
// power failure, which a test cannot cause.
test('an embedded PostgreSQL that is killed under load is restarted, and nothing acknowledged is lost', async t => {
  const dataDir = makeDirectory('killed')
  const service = await startServiceProcess({ DATA_DIR: dataDir })
  t.after(() => service.end('SIGKILL'))
  const client = await signUpAt(service.url)
  const { acknowledged, counts } = await killTwice(service, client, () => findEmbeddedPostgres(dataDir))
  t.diagnostic(`${acknowledged.length} acknowledged and found again; answers: ${JSON.stringify(counts)}`)
  assert.match(service.output(), /PostgreSQL has died/)
  assert.deepEqual(await service.end('SIGTERM'), { code: 0, signal: null })
  assert.equal(findEmbeddedPostgres(dataDir), undefined)
})

test('a PostgreSQL behind DATABASE_URL that is killed under load is reconnected to, and nothing acknowledged is lost', async t => {
  const databaseDir = makeDirectory('database')
  const provisioned = await provisionDatabase({
    url: undefined,
    schema: 'freehold',
    tenantUrl: undefined,
    systemUrl: undefined,
    dataDir: databaseDir,
    secretKey: TEST_SECRET,
    log: () => {},
  })
  t.after(() => provisioned.stop())
  await migrateDatabase(provisioned.ownerUrl as string, 'freehold', declare(features))
  const dataDir = makeDirectory('behind-url')
  const service = await startServiceProcess({
    DATA_DIR: dataDir,
    DATABASE_URL: provisioned.ownerUrl as string,
    DATABASE_TENANT_URL: provisioned.tenantUrl,
    DATABASE_SYSTEM_URL: provisioned.systemUrl,
  })
  t.after(() => service.end('SIGKILL'))
  const client = await signUpAt(service.url)
  const { acknowledged, counts } = await killTwice(service, client, () => findEmbeddedPostgres(databaseDir))
  t.diagnostic(`${acknowledged.length} acknowledged and found again; answers: ${JSON.stringify(counts)}`)
  assert.deepEqual(await service.end('SIGTERM'), { code: 0, signal: null })
  assert.notEqual(findEmbeddedPostgres(databaseDir), undefined, 'another program’s server keeps running')
})

// Red when: the lock of a data directory outlives its process (platform/embedded/data-directory.ts), the launcher does
// not take over a running server (platform/embedded/embedded-postgres.ts), or platform/http/idempotency.ts stores the
// result outside the transaction.
test('a service that is killed under load restarts without errors, and repeated requests are done once', async t => {
  const dataDir = makeDirectory('service-killed')
  const { port } = new URL((await launchAndEnd()).url)
  let service = await startServiceProcess({ DATA_DIR: dataDir, PORT: port })
  t.after(() => service.end('SIGKILL'))
  const client = await signUpAt(service.url)
  const writing = write(client)
  t.after(() => writing.stop())
  for (let kill = 0; kill < 2; kill++) {
    const before = writing.acknowledged.length
    await waitUntil(() => writing.acknowledged.length > before + 40)
    await service.end('SIGKILL')
    service = await startServiceProcess({ DATA_DIR: dataDir, PORT: port })
    assert.equal(service.errors(), '')
  }
  await waitUntil(() => writing.acknowledged.length > 100)
  await writing.stop()
  assert.deepEqual(writing.faults.slice(0, 5), [])
  await checkNames(client, writing)

  // An interrupted request may have been done or not; repeated under its key, it is done exactly once.
  const repeated = await Promise.all(
    writing.sent.map(name => client.call('POST', '/api/v1/projects', { name }, { 'idempotency-key': name })),
  )
  assert.deepEqual(new Set(repeated.map(({ status }) => status)), new Set([201]))
  const names = await readNames(client)
  assert.deepEqual(names.toSorted(), writing.sent.toSorted())
  const reused = await client.call(
    'POST',
    '/api/v1/projects',
    { name: 'Another' },
    { 'idempotency-key': writing.sent[0] as string },
  )
  assert.deepEqual([reused.status, reused.body.code], [422, 'idempotency-key-reused'])
  t.diagnostic(
    `${writing.acknowledged.length} of ${writing.sent.length} acknowledged before the repetition; answers: ${JSON.stringify(writing.counts)}`,
  )
  assert.deepEqual(await service.end('SIGTERM'), { code: 0, signal: null })
  assert.equal(findEmbeddedPostgres(dataDir), undefined)
})

/** A port that was free a moment ago. */
async function launchAndEnd(): Promise<{ url: string }> {
  const probe = await launchService({ DATA_DIR: makeDirectory('probe'), ENVIRONMENT: 'nonsense' })
  await probe.ended
  return probe
}

/** Starts a service that cannot start, and returns its standard error. */
async function failToStart(environment: Record<string, string>, uid?: number): Promise<string> {
  const service = await launchService(environment, uid === undefined ? {} : { uid })
  const tooLong = setTimeout(() => void service.end('SIGKILL'), 120_000)
  const { code, signal } = await service.ended
  clearTimeout(tooLong)
  assert.deepEqual([code, signal], [1, null], service.errors())
  return service.errors().trim()
}

// Red when: cli/freehold.ts does not explain the system's error, or exits 0.
test('a port that is in use is named, with what to do', async () => {
  const holder = createServer()
  await new Promise<void>(resolve => void holder.listen(0, '127.0.0.1', resolve))
  const { port } = holder.address() as { port: number }
  const dataDir = makeDirectory('port')
  const said = await failToStart({ DATA_DIR: dataDir, PORT: String(port) })
  assert.match(said, new RegExp(`^freehold start: port ${port} is taken: .*set PORT`))
  assert.equal(findEmbeddedPostgres(dataDir), undefined, 'it stops its PostgreSQL again')
  holder.close()
})

// Red when: main.ts does not claim the data directory.
test('a second service on one data directory names the first one, which is not affected', async t => {
  const dataDir = makeDirectory('twice')
  const first = await startServiceProcess({ DATA_DIR: dataDir })
  t.after(() => first.end('SIGKILL'))
  const said = await failToStart({ DATA_DIR: dataDir })
  assert.match(
    said,
    new RegExp(`in use by process ${first.pid}, which serves port ${new URL(first.url).port}\\. .*DATA_DIR`),
  )
  assert.equal((await request(first.url, 'GET', '/health')).body.database, 'connected')
  await first.end('SIGTERM')
})

// Red when: platform/embedded/data-directory.ts passes the system's error through.
test('a data directory of another user is reported, with both user ids', async t => {
  const program = spawnSync(
    process.execPath,
    ['--version'],
    isRoot ? { uid: 65534, gid: 65534, cwd: '/' } : { cwd: '/' },
  )
  if (program.status !== 0) return t.skip('the checkout cannot be read by an unprivileged user')
  const dataDir = isRoot ? makeDirectory('foreign') : '/etc'
  if (isRoot) chmodSync(dataDir, 0o755)
  const own = isRoot ? 65534 : process.geteuid?.()
  const said = await failToStart({ DATA_DIR: dataDir }, isRoot ? 65534 : undefined)
  assert.match(
    said,
    new RegExp(`${dataDir} belongs to another user \\(uid 0, this process is uid ${own}\\)\\. .*DATA_DIR`),
  )
})

// Red when: platform/embedded/data-directory.ts or platform/embedded/postgres-installation.ts passes ENOSPC through.
test('a full disk is reported as full, with what to do', async t => {
  const disk = makeDirectory('full')
  if (!isRoot) return t.skip('making a small disk needs root')
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk], { encoding: 'utf8' })
  if (mounted.status !== 0) return t.skip(`no small disk can be mounted here: ${mounted.stderr.trim()}`)
  try {
    // First there is room for the lock files but not for a cluster, then no room at all.
    for (const megabytes of [2, 4]) {
      spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'filler')}`, 'bs=1M', `count=${megabytes}`])
      const said = await failToStart({ DATA_DIR: join(disk, 'data') })
      assert.match(said, /The disk that holds .* is full\. .*DATA_DIR/)
      assert.doesNotMatch(said, /\n {4}at /, 'no stack')
    }
  } finally {
    spawnSync('umount', [disk])
  }
})
