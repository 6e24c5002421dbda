import type pg from 'pg'
import { jobSchemaOf, quoteSchema } from '../migrations/schema-script.ts'
import { openQueues } from './jobs.ts'

/** The operator's view of the queues and of failed jobs. Runs as the system login. */

export interface DeadJob {
  id: string
  /** The queue that it came from. */
  queue: string
  /** Ids and words. */
  data: Record<string, string>
  /** When its last attempt failed, RFC 3339. */
  died_at: string
  /** The error of its last attempt. */
  reason: string | null
}

/** The jobs whose last attempt failed, the oldest first; at most 1,000. */
export async function listDeadJobs(pool: pg.Pool, schema: string): Promise<DeadJob[]> {
  const { rows } = await pool.query<DeadJob>(`select id, source_name as queue, data, created_on as died_at,
      coalesce(source_output ->> 'message', source_output ->> 'value') as reason
    from ${quoteSchema(jobSchemaOf(schema))}.job where name = 'dead' and state = 'created' order by created_on limit 1000`)
  return rows
}

/** Puts dead jobs (with these ids, or all) back into their queues, with all attempts again. @returns how many */
export async function retryDeadJobs(pool: pg.Pool, schema: string, ids?: string[]): Promise<number> {
  const boss = await openQueues(pool, schema)
  const createdBefore = new Date()
  let moved = 0
  for (;;) {
    // Jobs that fail for the last time while this runs stay dead.
    const more = await boss.redrive('dead', { ...(ids === undefined ? { createdBefore } : { ids }), limit: 1000 })
    moved += more
    if (more < 1000) return moved
  }
}

export interface JobCount {
  queue: string
  /** Jobs to do, now or after a pause. */
  waiting: number
  /** How many of these could have been started half an hour ago. */
  late: number
  running: number
}

/** The number of jobs in each queue. Those in `dead` wait for an operator. */
export async function countJobs(pool: pg.Pool, schema: string): Promise<JobCount[]> {
  const jobs = quoteSchema(jobSchemaOf(schema))
  const { rows } = await pool.query<JobCount>(`select q.name as queue,
      count(j.id) filter (where j.state in ('created', 'retry'))::int as waiting,
      count(j.id) filter (where j.state in ('created', 'retry') and j.start_after < now() - interval '30 minutes')::int as late,
      count(j.id) filter (where j.state = 'active')::int as running
    from ${jobs}.queue q left join ${jobs}.job j on j.name = q.name where q.name !~ '^__' group by q.name order by q.name`)
  return rows
}
