import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type pg from 'pg'
import type { PgBoss as Boss } from 'pg-boss'
import { jobSchemaOf, quoteSchema } from '../schema/schema-script.ts'
import { get, raw } from '../database/statement.ts'

/**
 * Work that outlives the request that causes it, in PostgreSQL: pg-boss in a schema of its own, which the owner migrates.
 * A job is enqueued by the statement or trigger that causes it, in its transaction, and holds ids, never secrets.
 */

/** A job that fails is tried again after a minute, two, four … at most six hours apart: two days in all. Then it is dead. */
const patient = {
  retryLimit: 14,
  retryDelay: 60,
  retryBackoff: true,
  retryDelayMax: 6 * 3600,
  expireInSeconds: 120,
  deadLetter: 'dead',
}

/** Every queue there is. `dead` keeps for 90 days what was given up. */
const queues = {
  dead: { retentionSeconds: 90 * 86400, retryLimit: 0 },
  mail: { ...patient, deleteAfterSeconds: 86400 },
  /** Removes what has expired; by the clock. */
  sweep: { retryLimit: 2, retryDelay: 60, expireInSeconds: 900, deleteAfterSeconds: 86400, policy: 'exclusive' },
} as const

export type QueueName = Exclude<keyof typeof queues, 'dead'>

/** What a queue's job is given, by name; ids and words. */
export type JobData = Readonly<Record<string, string>>

/**
 * Does one job. What it throws is logged, and the job tried again. `id` is the same at every attempt; `signal` says that
 * the attempt has taken too long and another may begin, or that the process stops and will not wait any more.
 */
export type JobHandler = (data: JobData, id: string, signal: AbortSignal) => Promise<void>
export type JobHandlers = Readonly<Partial<Record<QueueName, JobHandler>>>

/** Which jobs come by the clock: minute, hour, day, month, weekday, in UTC. */
const schedules: readonly [queue: QueueName, cron: string][] = [['sweep', '17 * * * *']]

/** How many jobs of a queue one process does at once, and how often it looks for some. */
const paces = {
  mail: { count: 3, pollingIntervalSeconds: 1 },
  sweep: { count: 1, pollingIntervalSeconds: 30 },
} as const satisfies Record<QueueName, object>

/** How long running jobs may go on once the process stops. Milliseconds. */
const LAST_JOBS_MS = 10_000

/** Puts a job into its queue, in the transaction that runs it (system login). @returns the job's id */
export const enqueueJob = (queue: QueueName, data: JobData) =>
  get(raw<{ id: string }>(sql`select enqueue_job(${queue}, ${JSON.stringify(data)}::jsonb) as id`))

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
export async function migrateJobs(client: pg.Client, schema: string): Promise<void> {
  const { default: library } = await import('pg-boss/package.json', { with: { type: 'json' } })
  const wanted = createHash('sha256')
    .update(JSON.stringify([library.version, queues, schedules]))
    .digest('hex')
  const name = quoteSchema(jobSchemaOf(schema))
  if ((await readFingerprint(client, name)) === wanted) return
  const lock = `hashtextextended(${client.escapeLiteral(`freehold jobs ${schema}`)}, 0)`
  await client.query(`select pg_advisory_lock(${lock})`)
  try {
    if ((await readFingerprint(client, name)) === wanted) return
    await makeQueues(client, schema)
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

async function makeQueues(client: pg.Client, schema: string): Promise<void> {
  const boss = await openBoss(client, schema, { supervise: false, schedule: false })
  boss.on('error', () => {}) // a lost connection fails the call that needs it
  await boss.start()
  try {
    for (const [queue, options] of Object.entries(queues)) {
      await boss.createQueue(queue, options)
      const { policy: _fixed, ...changeable } = { policy: undefined, ...options }
      await boss.updateQueue(queue, changeable)
    }
    for (const [queue, cron] of schedules) await boss.schedule(queue, cron)
  } finally {
    await boss.stop({ graceful: false })
  }
}

export interface RunningJobs {
  /** Lets running jobs finish, for at most ten seconds; what does not is tried again elsewhere. */
  stop(): Promise<void>
}

/** Works on the queues that have a handler until it is stopped, on the system login's pool. Several processes share the work. */
export async function runJobs(
  { pool, schema, log }: { pool: pg.Pool; schema: string; log: JobLog },
  handlers: JobHandlers,
): Promise<RunningJobs> {
  const boss = await openQueues(pool, schema)
  boss.on('error', error => log.warn({ err: error }, 'the job queue met an error; it goes on'))
  await boss.start()
  const working = Object.entries(handlers) as [QueueName, JobHandler][]
  for (const [queue, handle] of working) {
    const { count, ...polling } = paces[queue]
    for (let index = 0; index < count; index++) {
      const worker = await boss.work<JobData>(queue, { ...polling, batchSize: 1 }, async ([job]) => {
        if (job === undefined) return
        // Where there was one job there may be another: look again at once.
        boss.notifyWorker(worker)
        try {
          await handle(job.data ?? {}, job.id, job.signal)
        } catch (error) {
          log.warn({ err: error, queue, job: job.id }, 'a job failed and will be tried again')
          // Without its cause: the library keeps all of it in the job's row.
          // eslint-disable-next-line preserve-caught-error
          throw new Error(describeFailure(error))
        }
      })
    }
  }
  return {
    stop: async () => {
      const finished = Promise.all(working.map(([queue]) => boss.offWork(queue, { wait: true })))
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

export interface JobLog {
  warn(details: object, message: string): void
}
