import { sql } from 'kysely'
import { get, raw, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import { jobSchemaOf } from '../../platform/migrations/schema-script.ts'

export interface QueueReading {
  queue: string
  /** Jobs that could be started now. */
  ready: number
  /** Jobs that wait for their time, such as a failed job for its next attempt. */
  delayed: number
  running: number
  /** How long the oldest job that could be started has waited. */
  lag_seconds: number
}

/** What only the database knows about the service, in all its processes. */
export interface Readings {
  /** Jobs that failed for the last time are in the queue `dead`. */
  queues: readonly QueueReading[]
  /** Connections to this database, of all programs. */
  connections: number
  max_connections: number
  /** The age of the oldest transaction that the system login may see: of its own connections, unless it is granted more. */
  oldest_transaction_seconds: number
}

/** One statement for all readings. It counts jobs that are not done, which are few unless something is wrong. */
export const readingsOf = (schema: string): Statement<'system', Readings> => {
  const jobs = sql.id(jobSchemaOf(schema), 'job')
  const queues = sql.id(jobSchemaOf(schema), 'queue')
  return get(
    raw(
      tables('system'),
      sql<Readings>`select
        (select coalesce(jsonb_agg(jsonb_build_object('queue', q.name,
            'ready', coalesce(j.ready, 0), 'delayed', coalesce(j.delayed, 0), 'running', coalesce(j.running, 0),
            'lag_seconds', round(coalesce(extract(epoch from now() - j.since), 0), 3)) order by q.name), '[]')
          from ${queues} q left join (
            select name, count(*) filter (where state < 'active' and start_after <= now()) as ready,
              count(*) filter (where state < 'active' and start_after > now()) as delayed,
              count(*) filter (where state = 'active') as running,
              min(start_after) filter (where state < 'active' and start_after <= now()) as since
            from ${jobs} where state <= 'active' group by name) j using (name)
          where q.name !~ '^__') as queues,
        (select count(*)::int from pg_stat_activity where datname = current_database()) as connections,
        current_setting('max_connections')::int as max_connections,
        (select coalesce(round(extract(epoch from max(clock_timestamp() - xact_start)), 3), 0)::float8
          from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()) as oldest_transaction_seconds`,
    ),
  )
}
