import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type pg from 'pg'
import type { PgBoss as Boss } from 'pg-boss'
import { connectToDatabase, jobSchemaOf, quoteSchema } from './schema-script.ts'
import { get, raw } from './statement.ts'

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
export const queues = {
  dead: { retentionSeconds: 90 * 86400, retryLimit: 0 },
  mail: { ...patient, deleteAfterSeconds: 86400 },
  /** Removes what has expired; by the clock. */
  sweep: { retryLimit: 2, retryDelay: 60, expireInSeconds: 900, deleteAfterSeconds: 86400, policy: 'exclusive' },
} as const

export type QueueName = Exclude<keyof typeof queues, 'dead'>

/** What a queue's job is given, by name; ids and words. */
export type JobData = Readonly<Record<string, string>>

/** Does one job. What it throws is logged, and the job tried again. `id` is the same at every attempt. */
export type JobHandler = (data: JobData, id: string) => Promise<void>
export type JobHandlers = Readonly<Record<QueueName, JobHandler>>

/** Which jobs come by the clock: minute, hour, day, month, weekday, in UTC. */
const schedules: readonly [queue: QueueName, cron: string][] = [['sweep', '17 * * * *']]

/** Puts a job into its queue, in the transaction that runs it (system login). @returns the job's id */
export const enqueueJob = (queue: QueueName, data: JobData) =>
  get(raw<{ id: string }>(sql`select enqueue_job(${queue}, ${JSON.stringify(data)}::jsonb) as id`))

const bossOf = async (connectionString: string, schema: string, options: object): Promise<Boss> => {
  const { PgBoss } = await import('pg-boss')
  return new PgBoss({ connectionString, schema: quoteSchema(jobSchemaOf(schema)), ...options })
}

/**
 * Makes or migrates the jobs' schema as the owner, and its queues. Costs one query when nothing is to do: a fingerprint of
 * the library's version and the queues stands in the schema's comment.
 */
export async function migrateJobs(ownerUrl: string, schema: string): Promise<void> {
  const client = await connectToDatabase(ownerUrl)
  try {
    await migrateAs(client, ownerUrl, schema)
  } finally {
    await client.end()
  }
}

async function migrateAs(client: pg.Client, ownerUrl: string, schema: string): Promise<void> {
  const { default: library } = await import('pg-boss/package.json', { with: { type: 'json' } })
  const wanted = createHash('sha256')
    .update(JSON.stringify([library.version, queues, schedules]))
    .digest('hex')
  const name = quoteSchema(jobSchemaOf(schema))
  const { rows } = await client.query<{ comment: string | null }>(
    `select obj_description(to_regnamespace($1), 'pg_namespace') as comment`,
    [name],
  )
  if (rows[0]?.comment === wanted) return
  const boss = await bossOf(ownerUrl, schema, { max: 2, supervise: false, schedule: false })
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
  await client.query(`grant usage on schema ${name} to freehold_system;
    grant select, insert, update, delete on all tables in schema ${name} to freehold_system;
    grant execute on all functions in schema ${name} to freehold_system;
    comment on schema ${name} is '${wanted}'`)
}

export interface RunningJobs {
  /** Lets running jobs finish, for at most 20 seconds; what does not is tried again elsewhere. */
  stop(): Promise<void>
}

/** Works on all queues until it is stopped, as the system login. Several processes share the work. */
export async function runJobs(
  { systemUrl, schema, log }: { systemUrl: string; schema: string; log: JobLog },
  handlers: JobHandlers,
): Promise<RunningJobs> {
  const boss = await bossOf(systemUrl, schema, {
    max: 3,
    application_name: 'freehold jobs',
    migrate: false,
    createSchema: false,
    // Rebuilding indexes is the owner's business.
    reindex: false,
  })
  boss.on('error', error => log.warn({ err: error }, 'the job queue met an error; it goes on'))
  await boss.start()
  for (const queue of Object.keys(handlers) as QueueName[]) {
    await boss.work<JobData>(queue, { pollingIntervalSeconds: 1, batchSize: 1 }, async ([job]) => {
      if (job === undefined) return
      try {
        await handlers[queue](job.data ?? {}, job.id)
      } catch (error) {
        log.warn({ err: error, queue, job: job.id }, 'a job failed and will be tried again')
        throw error
      }
    })
  }
  return { stop: () => boss.stop({ graceful: true, timeout: 20_000 }) }
}

export interface JobLog {
  warn(details: object, message: string): void
}
