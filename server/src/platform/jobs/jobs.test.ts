import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { after, afterEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { pgbouncerProgram, startPgbouncer } from '../../../test/programs/pgbouncer.ts'
import { waitUntil } from '../../../test/programs/service-process.ts'
import { features } from '../../features.ts'
import { openDatabase } from '../database/database.ts'
import { systemFor } from '../database/runners.ts'
import { declare } from '../declarations.ts'
import { countJobs, listDeadJobs, retryDeadJobs } from './dead-jobs.ts'
import { enqueueJob, migrateJobs, openQueues, runJobs } from './jobs.ts'
import type { JobDeclarations, JobHandler, JobTools, RunningJobs } from './jobs.ts'
import { connectToDatabase } from '../migrations/schema-script.ts'

// In a database of its own, since a worker takes whatever is in the queue; under another schema's name, which shows that too.
const own = await createOwnDatabase('other-schema')
const { admin, database, schema } = own
const jobs = '"other-schema_jobs"'
const { pool } = database.system
const system = systemFor(database, 'test')
const declared = declare(features).jobs
const enqueue = async (data: Record<string, string> = {}) => (await system.run(enqueueJob('mail', data))).id

interface JobRow {
  id: string
  state: string
  retry_count: number
  /** Seconds until it is tried again. */
  waits: number
  output: { message?: string } | null
}
const readJob = async (id: string) =>
  (
    await admin.query<JobRow>(
      `select id, state, retry_count, extract(epoch from start_after - now())::float8 as waits, output from ${jobs}.job where id = $1`,
      [id],
    )
  ).rows[0]
const isDone = (id: string) => async () => (await readJob(id))?.state === 'completed'

/** The handlers here are made without any. */
const noTools = {} as JobTools

const warnings: string[] = []
const begun: RunningJobs[] = []
const work = async (mail: JobHandler, on = pool): Promise<RunningJobs> => {
  const log = { warn: (_details: object, message: string) => void warnings.push(message) }
  const only: JobDeclarations = { mail: { ...declared['mail']!, handler: () => mail } }
  const running = await runJobs({ pool: on, schema, log }, only, () => noTools)
  begun.push(running)
  return running
}
// A test that fails must not go on working.
afterEach(async () => {
  for (const running of begun.splice(0)) await running.stop()
})

// Red when: enqueue_job writes through a connection of its own, as with dblink; when the handler gets no data.
test('a job is there when the transaction that causes it commits, and is not when it rolls back', async () => {
  const token_id = randomUUID()
  const kept = await system.transaction(transaction => transaction.run(enqueueJob('mail', { token_id })))
  let lost = ''
  await assert.rejects(
    system.transaction(async transaction => {
      lost = (await transaction.run(enqueueJob('mail', { token_id: randomUUID() }))).id
      throw new Error('no')
    }),
  )
  const done: [unknown, string][] = []
  const running = await work(async (data, id) => void done.push([data, id]))
  await waitUntil(isDone(kept.id))
  await running.stop()
  assert.deepEqual(done, [[{ token_id }, kept.id]])
  assert.equal(await readJob(lost), undefined)
})

// Red when: enqueue_job leaves out the queue's rules for retries.
test('a job that fails is tried again, later each time, and says why without anyone’s address', async () => {
  const id = await enqueue()
  let attempts = 0
  const running = await work(async () => {
    attempts++
    throw new Error('550 <ada.lovelace@example.com> is unknown here')
  })
  const waits: number[] = []
  for (let retry = 1; retry <= 4; retry++) {
    // The attempt first: a state that was read before it is that of the attempt before.
    await waitUntil(async () => attempts === retry && (await readJob(id))?.state === 'retry')
    const row = await readJob(id)
    waits.push(row!.waits)
    assert.equal(row!.output?.message, '550 <(address)> is unknown here')
    await admin.query(`update ${jobs}.job set start_after = now() where id = $1`, [id])
  }
  await running.stop()
  // One, two, four, eight minutes, each with up to as much again by chance.
  for (const [index, wait] of waits.entries()) assert.ok(wait > 25 * 2 ** index && wait < 125 * 2 ** index, `${waits}`)
  assert.ok(warnings.some(message => /^a job of the queue \S+ failed and will be tried again$/.test(message)))
  await admin.query(`delete from ${jobs}.job where id = $1`, [id])
})

test('what is given up is listed with its reason, and put back where it came from', async () => {
  const events = [randomUUID(), randomUUID()].toSorted()
  const ids = [await enqueue({ event_id: events[0]! }), await enqueue({ event_id: events[1]! })]
  await admin.query(`update ${jobs}.job set retry_limit = 0 where id = any ($1)`, [ids])
  const failing = await work(async () => {
    throw new Error('no route')
  })
  await waitUntil(async () => (await listDeadJobs(pool, schema)).length === 2)
  await failing.stop()
  const dead = (await listDeadJobs(pool, schema)).sort((one, other) =>
    one.data['event_id']! < other.data['event_id']! ? -1 : 1,
  )
  assert.deepEqual(
    dead.map(({ queue, reason, data }) => [queue, reason, data]),
    events.map(event_id => ['mail', 'no route', { event_id }]),
  )
  assert.equal((await countJobs(pool, schema)).find(({ queue }) => queue === 'dead')?.waiting, 2)

  assert.equal(await retryDeadJobs(pool, schema, [dead[1]!.id]), 1)
  assert.equal(await retryDeadJobs(pool, schema, [dead[1]!.id]), 0, 'it is there no more')
  assert.equal(await retryDeadJobs(pool, schema), 1)
  const done: unknown[] = []
  const running = await work(async data => void done.push(data['event_id']))
  await waitUntil(() => done.length === 2)
  await running.stop()
  assert.deepEqual(done.toSorted(), events)
  assert.deepEqual(await listDeadJobs(pool, schema), [])
})

// Red when: `expireInSeconds` is left out of the queue's rules, or the handler gets no signal.
test('a handler that hangs is given up, told so, and the job is tried again', async () => {
  const id = await enqueue()
  await admin.query(`update ${jobs}.job set expire_seconds = 1 where id = $1`, [id])
  let told = false
  const running = await work(async (_data, _id, signal) => {
    await new Promise<void>(resolve => {
      signal.addEventListener('abort', () => {
        told = true
        setTimeout(resolve, 60_000).unref() // and hangs on
      })
    })
  })
  await waitUntil(async () => (await readJob(id))?.state === 'retry')
  assert.match((await readJob(id))!.output!.message!, /exceeded 1s/)
  assert.ok(told)
  await running.stop()
  await admin.query(`delete from ${jobs}.job where id = $1`, [id])
})

// Red when: what was started is not stopped, so that its timers keep the process.
test('jobs that cannot be started leave nothing running', async () => {
  const countTimers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = countTimers()
  const { mail } = declared
  const wrong: JobDeclarations = { mail: { ...mail!, pollingSeconds: -1, handler: () => async () => {} } }
  await assert.rejects(
    runJobs({ pool, schema, log: { warn: () => {} } }, wrong, () => noTools),
    /pollingInterval/,
  )
  assert.equal(countTimers(), before)
})

// Red when: `stop` leaves out offWork.
test('stopping lets a job that runs finish, and takes no other', async () => {
  const first = await enqueue()
  let begun = false
  const running = await work(async () => {
    begun = true
    await delay(700)
  })
  await waitUntil(() => begun)
  const stopping = running.stop()
  const second = await enqueue()
  await stopping
  assert.equal((await readJob(first))?.state, 'completed')
  await delay(1500)
  assert.equal((await readJob(second))?.state, 'created')
  await admin.query(`delete from ${jobs}.job where id = $1`, [second])
})

test('a job holds ids and nothing else', async () => {
  for (const value of ['ada@example.com', 'Correct-horse-7', `${randomUUID()} `, ''])
    await assert.rejects(enqueue({ token_id: value }), { code: '22023' })
  await assert.rejects(pool.query(`select enqueue_job('mail', '{"token_id": {"nested": true}}')`), { code: '22023' })
})

interface WorkerProcess {
  lines: string[]
  kill(signal: NodeJS.Signals): void
  ended: Promise<number | null>
}

async function startWorkerProcess(): Promise<WorkerProcess> {
  const program = fileURLToPath(new URL('../../../test/programs/job-worker.ts', import.meta.url))
  const child = spawn(process.execPath, [program, own.systemUrl, schema], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  after(() => child.kill('SIGKILL'))
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  const worker = {
    get lines() {
      return text.split('\n').slice(0, -1)
    },
    kill: (signal: NodeJS.Signals) => void child.kill(signal),
    ended,
  }
  await waitUntil(() => worker.lines.includes('works'))
  return worker
}

// Red when: enqueue_job leaves out the queue's `expire_seconds`, so that the killed one counts as working for longer.
test('a worker killed in the middle of a job leaves it to another', async () => {
  const id = await enqueue({ endless: randomUUID() })
  const worker = await startWorkerProcess()
  await waitUntil(() => worker.lines.includes(`begins ${id}`))
  worker.kill('SIGKILL')
  await worker.ended
  assert.equal((await readJob(id))?.state, 'active')
  // Two minutes later, and the time for the next attempt come.
  await admin.query(`update ${jobs}.job set started_on = now() - interval '3 minutes', retry_delay = 0 where id = $1`, [
    id,
  ])
  await admin.query(`update ${jobs}.queue set monitor_on = null`)
  const done: string[] = []
  const running = await work(async (_data, job) => void done.push(job))
  const boss = await openQueues(pool, schema)
  await boss.supervise('mail')
  await waitUntil(() => done.length > 0)
  await waitUntil(isDone(id))
  await running.stop()
  assert.deepEqual(done, [id])
})

// Red when: jobs.ts looks for the next job only once a second.
test('several processes share the work, and none does a job that another does', async () => {
  const workers = await Promise.all([startWorkerProcess(), startWorkerProcess(), startWorkerProcess()])
  const begun = () => workers.flatMap(({ lines }) => lines.filter(line => line.startsWith('begins')))
  const endsOf = ({ lines }: WorkerProcess) => lines.filter(line => line.startsWith('ends')).length
  let enqueued = 0
  // On a busy machine it takes more of them until each has its share.
  while (enqueued === 0 || workers.some(worker => endsOf(worker) <= 10)) {
    await admin.query(`select enqueue_job('mail', '{}') from generate_series(1, 200)`)
    enqueued += 200
    await waitUntil(() => begun().length >= enqueued)
  }
  for (const worker of workers) worker.kill('SIGTERM')
  assert.deepEqual(await Promise.all(workers.map(({ ended }) => ended)), [0, 0, 0])
  assert.equal(new Set(begun()).size, enqueued)
  assert.equal(begun().length, enqueued)
  for (const { lines } of workers) assert.equal(lines.at(-1), 'stopped')
})

// Red when: migrateJobs takes no lock (the twin fails), or does not keep its fingerprint (it asks more than once).
test('the owner makes the queue once, twins take turns, and a start that finds it made asks one question', async t => {
  const clients = await Promise.all([1, 2, 3].map(() => connectToDatabase(own.ownerUrl)))
  t.after(() => Promise.all(clients.map(client => client.end())))
  await Promise.all(clients.map(client => migrateJobs(client, 'twins', declared)))
  const [client] = clients as [pg.Client]
  const query = t.mock.method(client, 'query')
  await migrateJobs(client, 'twins', declared)
  assert.equal(query.mock.callCount(), 1)
  const { rows } = await admin.query(`select name from twins_jobs.queue order by name`)
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['dead', 'mail', 'sessions-over', 'stats', 'sweep'],
  )
})

test('the system login owns nothing of the queue, and the tenant login may not look at it', async () => {
  const { rows } = await admin.query(
    `select pg_get_userbyid(relowner) as owner from pg_class where relnamespace = $1::regnamespace group by 1`,
    [jobs],
  )
  assert.deepEqual(rows, [{ owner: 'freehold' }])
  for (const statement of [`select * from ${jobs}.job`, `select ${jobs}.job_now()`, `select enqueue_job('mail', '{}')`])
    await assert.rejects(database.tenant.pool.query(statement), { code: '42501' })
})

const skip = pgbouncerProgram === undefined && 'PgBouncer is not installed'
// Red when: a statement of the queue needs more than its transaction, such as `listen`.
test('jobs are done behind PgBouncer, where connections are shared transaction by transaction', { skip }, async t => {
  const bouncer = await startPgbouncer([own.tenantUrl, own.systemUrl], 2)
  const pooled = openDatabase({
    tenantUrl: bouncer.through(own.tenantUrl),
    systemUrl: bouncer.through(own.systemUrl),
    poolSize: 12,
    poolTimeoutSeconds: 10,
    connectionMaxAgeSeconds: 0,
    pooler: 'transaction',
    onError: () => {},
  })
  t.after(async () => {
    await pooled.close()
    await bouncer.stop()
  })
  const done: string[] = []
  const running = await work(async (_data, id) => void done.push(id), pooled.system.pool)
  const ids: string[] = []
  const behind = systemFor(pooled, 'test')
  for (let index = 0; index < 20; index++) ids.push((await behind.run(enqueueJob('mail', {}))).id)
  await waitUntil(() => done.length >= 20)
  await waitUntil(isDone(ids.at(-1)!))
  const boss = await openQueues(pooled.system.pool, schema)
  await boss.supervise()
  await running.stop()
  assert.deepEqual(done.toSorted(), ids.toSorted())
})
