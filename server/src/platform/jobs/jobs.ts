import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type pg from 'pg'
import type { PgBoss as Boss } from 'pg-boss'
import type { SystemRunner } from '../database/database.ts'
import { get, raw, tables } from '../database/statement.ts'
import { jobSchemaOf, quoteSchema } from '../migrations/schema-script.ts'
import { noteFailure } from '../observation/failures.ts'
import { jobEnds, jobStarts } from '../observation/channels.ts'
import { redact } from '../observation/redaction.ts'
import type { FailureSink } from '../observation/failures.ts'
import type { Services } from '../services.ts'

/**
 * Background jobs in PostgreSQL: pg-boss in its own schema, which the owner migrates. The statement or trigger that
 * causes a job enqueues it in its own transaction; the job contains ids, never secrets.
 */

/** A failed job is retried after 1, 2, 4 … minutes, at most six hours apart, for two days. Then it is dead. */
export const longRetries = {
  retryLimit: 14,
  retryDelay: 60,
  retryBackoff: true,
  retryDelayMax: 6 * 3600,
  expireInSeconds: 120,
  deadLetter: 'dead',
}

/**
 * A scheduled job, which one process at a time does. If it fails three times, the next run does what it has left undone, so
 * it is never dead.
 */
export const scheduled = {
  retryLimit: 2,
  retryDelay: 60,
  expireInSeconds: 900,
  deleteAfterSeconds: 86400,
  policy: 'exclusive',
}

/** Keeps dead jobs for 90 days. */
const dead = { retentionSeconds: 90 * 86400, retryLimit: 0 }

/** The data of a job, by name: ids and words. */
export type JobData = Readonly<Record<string, string>>

/**
 * Does one job. If it throws, the error is logged and the job retried. `id` is the same at every attempt; `signal` is
 * aborted if the attempt has taken too long and another may begin, or if the process stops and no longer waits.
 */
export type JobHandler = (data: JobData, id: string, signal: AbortSignal) => Promise<void>

/** The arguments of a handler: the system login for work outside of requests, and the services of the features. */
export interface JobTools {
  system: SystemRunner
  services: Services
  /** Registers a function that runs once the jobs have stopped, to close what the handler opened for all of them. */
  defer(close: () => void): void
}

/** A queue, declared by the feature that does its jobs. */
export interface JobDeclaration {
  /** pg-boss's options of the queue. */
  queue: Readonly<Record<string, unknown>>
  /** How many of its jobs one process does at once, and how often it polls for jobs. */
  concurrency: number
  pollingSeconds: number
  /** For a scheduled job: minute, hour, day, month, weekday, in UTC. */
  schedule?: string
  /** Undefined if this process cannot do the jobs, which then wait for one that can. May load its code only now. */
  handler: (tools: JobTools) => JobHandler | undefined | Promise<JobHandler | undefined>
}

export type JobDeclarations = Readonly<Record<string, JobDeclaration>>

/** How long running jobs may continue once the process stops. Milliseconds. */
const LAST_JOBS_MS = 10_000

/** Puts a job into its queue, in the transaction that runs it (system login). @returns the job's id */
export const enqueueJob = (queue: string, data: JobData) =>
  get(raw(tables('system'), sql<{ id: string }>`select enqueue_job(${queue}, ${JSON.stringify(data)}::jsonb) as id`))

/** The library on our connection: it opens none itself, and runs only the timers that `options` turn on. */
async function openBoss(connection: pg.Client | pg.Pool, schema: string, options: object): Promise<Boss> {
  const { PgBoss } = await import('pg-boss')
  return new PgBoss({
    db: { executeSql: (text, values) => connection.query(text, values) },
    schema: quoteSchema(jobSchemaOf(schema)),
    ...options,
  })
}

/** Opens the queues for a login that does not own them. */
export const openQueues = (pool: pg.Pool, schema: string, options: object = {}): Promise<Boss> =>
  openBoss(pool, schema, { migrate: false, createSchema: false, reindex: false, ...options })

/**
 * Creates or migrates the jobs' schema and its queues, as the owner. Costs one query if nothing has changed: the
 * schema's comment contains a digest of the library's version and the queues. Concurrent processes take turns.
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
    await client.query(`select pg_advisory_unlock(${lock})`).catch(() => {}) // a lost connection has released it
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
  /** Lets running jobs finish, for at most ten seconds; another process retries the rest. */
  stop(): Promise<void>
}

type WorkedQueue = Pick<JobDeclaration, 'concurrency' | 'pollingSeconds'> & { queue: string; handle: JobHandler }

/**
 * Works on the queues that have a handler until it is stopped, on the system login's pool. Several processes share the
 * work. `toolsOf` returns the arguments of a queue's handler.
 */
export async function runJobs(
  { pool, schema, log }: { pool: pg.Pool; schema: string; log: FailureSink },
  jobs: JobDeclarations,
  toolsOf: (queue: string) => JobTools,
): Promise<RunningJobs> {
  const working: WorkedQueue[] = []
  for (const [queue, { concurrency, pollingSeconds, handler }] of Object.entries(jobs)) {
    const handle = await handler(toolsOf(queue))
    if (handle !== undefined) working.push({ queue, concurrency, pollingSeconds, handle })
  }
  const boss = await openQueues(pool, schema)
  boss.on('error', error => noteFailure(log, 'error in the job queue, which continues', error))
  try {
    await boss.start()
    for (const worked of working) await workOn(boss, worked, log)
  } catch (error) {
    // Otherwise the timers that it has started would keep the process.
    await boss.stop({ graceful: false })
    throw error
  }
  return {
    stop: async () => {
      const finished = Promise.all(working.map(({ queue }) => boss.offWork(queue, { wait: true })))
      await Promise.race([finished, delay(LAST_JOBS_MS, undefined, { ref: false })])
      await boss.stop({ graceful: false })
    },
  }
}

async function workOn(
  boss: Boss,
  { queue, concurrency, pollingSeconds, handle }: WorkedQueue,
  log: FailureSink,
): Promise<void> {
  const polling = { pollingIntervalSeconds: pollingSeconds, batchSize: 1 }
  for (let index = 0; index < concurrency; index++) {
    const worker = await boss.work<JobData>(queue, polling, async ([job]) => {
      if (job === undefined) return
      // After a job there may be another one: poll again at once.
      boss.notifyWorker(worker)
      const { traceparent, ...data } = (job.data ?? {}) as JobData & { traceparent?: string }
      const started = { queue, id: job.id, data, traceparent }
      const start = performance.now()
      const end = (error: unknown) => jobEnds.publish({ ...started, milliseconds: performance.now() - start, error })
      try {
        await jobStarts.within(started, async () => {
          await handle(started.data, job.id, job.signal)
          end(undefined)
        })
      } catch (error) {
        end(error)
        noteFailure(log, `a job of the queue ${queue} failed and will be tried again`, error, { queue, job: job.id })
        // Without its cause, because the library stores the whole error in the job's row.
        // eslint-disable-next-line preserve-caught-error
        throw new Error(describeFailure(error))
      }
    })
  }
}

/** The stored message of a failure, for the operator, without the email addresses that mail servers often repeat. */
const describeFailure = (error: unknown): string =>
  redact(error instanceof Error ? error.message : String(error)).slice(0, 500)
