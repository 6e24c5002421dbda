import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type pg from 'pg'
import type { PgBoss as Boss } from 'pg-boss'
import type { SystemRunner } from '../database/database.ts'
import { get, raw, tables } from '../database/statement.ts'
import { jobSchemaOf, quoteSchema } from '../schema/schema-script.ts'
import { noteFailure } from '../failures.ts'
import type { FailureSink } from '../failures.ts'
import type { Services } from '../services.ts'

/**
 * Work that outlives the request that causes it, in PostgreSQL: pg-boss in a schema of its own, which the owner migrates.
 * A job is enqueued by the statement or trigger that causes it, in its transaction, and holds ids, never secrets.
 */

/** A job that fails is tried again after a minute, two, four … at most six hours apart: two days in all. Then it is dead. */
export const longRetries = {
  retryLimit: 14,
  retryDelay: 60,
  retryBackoff: true,
  retryDelayMax: 6 * 3600,
  expireInSeconds: 120,
  deadLetter: 'dead',
}

/** Keeps for 90 days what was given up. */
const dead = { retentionSeconds: 90 * 86400, retryLimit: 0 }

/** What a queue's job is given, by name; ids and words. */
export type JobData = Readonly<Record<string, string>>

/**
 * Does one job. What it throws is logged, and the job tried again. `id` is the same at every attempt; `signal` says that
 * the attempt has taken too long and another may begin, or that the process stops and will not wait any more.
 */
export type JobHandler = (data: JobData, id: string, signal: AbortSignal) => Promise<void>

/** What a handler is made with: the system login for work that no request asks for, and what the features have made. */
export interface JobTools {
  system: SystemRunner
  services: Services
  /** Closes what the handler opened for all of its jobs, once they have stopped. */
  defer(close: () => void): void
}

/** A queue, as the feature that does its jobs declares it. */
export interface JobDeclaration {
  /** pg-boss's options of the queue. */
  queue: Readonly<Record<string, unknown>>
  /** How many of its jobs one process does at once, and how often it looks for some. */
  concurrency: number
  pollingSeconds: number
  /** Minute, hour, day, month, weekday, in UTC: for a job that comes by the clock. */
  schedule?: string
  /** Undefined where this process cannot do it; the jobs then wait for one that can. May load its code only now. */
  handler: (tools: JobTools) => JobHandler | undefined | Promise<JobHandler | undefined>
}

export type JobDeclarations = Readonly<Record<string, JobDeclaration>>

/** How long running jobs may go on once the process stops. Milliseconds. */
const LAST_JOBS_MS = 10_000

/** Puts a job into its queue, in the transaction that runs it (system login). @returns the job's id */
export const enqueueJob = (queue: string, data: JobData) =>
  get(raw(tables('system'), sql<{ id: string }>`select enqueue_job(${queue}, ${JSON.stringify(data)}::jsonb) as id`))

/** The library on a connection of ours: it opens none itself, and its timers are those that `options` turn on. */
async function openBoss(connection: pg.Client | pg.Pool, schema: string, options: object): Promise<Boss> {
  const { PgBoss } = await import('pg-boss')
  return new PgBoss({
    db: { executeSql: (text, values) => connection.query(text, values) },
    schema: quoteSchema(jobSchemaOf(schema)),
    ...options,
  })
}

/** What may look after the queues and work on them, without owning anything. */
export const openQueues = (pool: pg.Pool, schema: string, options: object = {}): Promise<Boss> =>
  openBoss(pool, schema, { migrate: false, createSchema: false, reindex: false, ...options })

/**
 * Makes or migrates the jobs' schema as the owner, and its queues. Costs one query when nothing is to do: a fingerprint of
 * the library's version and the queues stands in the schema's comment. Twins take turns.
 */
export async function migrateJobs(client: pg.Client, schema: string, jobs: JobDeclarations): Promise<void> {
  const { default: library } = await import('pg-boss/package.json', { with: { type: 'json' } })
  const wanted = createHash('sha256')
    .update(
      JSON.stringify([
        library.version,
        Object.entries(jobs).map(([name, { queue, schedule }]) => [name, queue, schedule]),
      ]),
    )
    .digest('hex')
  const name = quoteSchema(jobSchemaOf(schema))
  if ((await readFingerprint(client, name)) === wanted) return
  const lock = `hashtext('freehold'), hashtext(${client.escapeLiteral(`jobs ${schema}`)})`
  await client.query(`select pg_advisory_lock(${lock})`)
  try {
    if ((await readFingerprint(client, name)) === wanted) return
    await makeQueues(client, schema, jobs)
    await client.query(`grant usage on schema ${name} to freehold_system;
      grant select, insert, update, delete on all tables in schema ${name} to freehold_system;
      grant execute on all functions in schema ${name} to freehold_system;
      comment on schema ${name} is '${wanted}'`)
  } finally {
    await client.query(`select pg_advisory_unlock(${lock})`).catch(() => {}) // a lost connection has given it back
  }
}

async function readFingerprint(client: pg.Client, name: string): Promise<string | null | undefined> {
  const { rows } = await client.query<{ comment: string | null }>(
    `select obj_description(to_regnamespace($1), 'pg_namespace') as comment`,
    [name],
  )
  return rows[0]?.comment
}

async function makeQueues(client: pg.Client, schema: string, jobs: JobDeclarations): Promise<void> {
  const boss = await openBoss(client, schema, { supervise: false, schedule: false })
  boss.on('error', () => {}) // a lost connection fails the call that needs it
  await boss.start()
  try {
    for (const [queue, options] of Object.entries({ dead, ...queuesOf(jobs) })) {
      await boss.createQueue(queue, options)
      const { policy: _fixed, ...changeable } = { policy: undefined, ...options }
      await boss.updateQueue(queue, changeable)
    }
    for (const [name, { schedule }] of Object.entries(jobs))
      if (schedule !== undefined) await boss.schedule(name, schedule)
  } finally {
    await boss.stop({ graceful: false })
  }
}

const queuesOf = (jobs: JobDeclarations): Record<string, Record<string, unknown>> =>
  Object.fromEntries(Object.entries(jobs).map(([name, { queue }]) => [name, queue]))

export interface RunningJobs {
  /** Lets running jobs finish, for at most ten seconds; what does not is tried again elsewhere. */
  stop(): Promise<void>
}

/**
 * Works on the queues that have a handler until it is stopped, on the system login's pool. Several processes share the work.
 * `toolsOf` gives what the handler of a queue is made with.
 */
export async function runJobs(
  { pool, schema, log }: { pool: pg.Pool; schema: string; log: FailureSink },
  jobs: JobDeclarations,
  toolsOf: (queue: string) => JobTools,
): Promise<RunningJobs> {
  const working: { queue: string; concurrency: number; pollingSeconds: number; handle: JobHandler }[] = []
  for (const [queue, { concurrency, pollingSeconds, handler }] of Object.entries(jobs)) {
    const handle = await handler(toolsOf(queue))
    if (handle !== undefined) working.push({ queue, concurrency, pollingSeconds, handle })
  }
  const boss = await openQueues(pool, schema)
  boss.on('error', error => noteFailure(log, 'the job queue met an error; it goes on', error))
  await boss.start()
  for (const { queue, concurrency, pollingSeconds, handle } of working) {
    const polling = { pollingIntervalSeconds: pollingSeconds, batchSize: 1 }
    for (let index = 0; index < concurrency; index++) {
      const worker = await boss.work<JobData>(queue, polling, async ([job]) => {
        if (job === undefined) return
        // Where there was one job there may be another: look again at once.
        boss.notifyWorker(worker)
        try {
          await handle(job.data ?? {}, job.id, job.signal)
        } catch (error) {
          noteFailure(log, `a job of the queue ${queue} failed and will be tried again`, error, { queue, job: job.id })
          // Without its cause: the library keeps all of it in the job's row.
          // eslint-disable-next-line preserve-caught-error
          throw new Error(describeFailure(error))
        }
      })
    }
  }
  return {
    stop: async () => {
      const finished = Promise.all(working.map(({ queue }) => boss.offWork(queue, { wait: true })))
      await Promise.race([finished, delay(LAST_JOBS_MS, undefined, { ref: false })])
      await boss.stop({ graceful: false })
    },
  }
}

/** What is kept of a failure: words for the operator, without the addresses that mail servers like to repeat. */
const describeFailure = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .replaceAll(/[^\s<>"'(]+@[^\s<>"')]+/g, '(address)')
    .slice(0, 500)
