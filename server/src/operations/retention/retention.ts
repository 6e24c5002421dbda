import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import type { Config } from '../../config/config.ts'
import type { Database } from '../../platform/database/database.ts'
import { firstIdAt } from '../../platform/database/ids.ts'
import { find, raw } from '../../platform/database/statement.ts'

/** What of a table has expired, found by an index: the rows of a batch in the order of `key`, beginning after the last one's. */
interface Expiry {
  table: string
  key: string
  isOver: RawBuilder<boolean>
}

const DAY_MS = 86_400_000

const expiries = (securityEventsDays: number, now: number): Expiry[] => {
  const before = (days: number) => firstIdAt(now - days * DAY_MS)
  return [
    { table: 'one_time_tokens', key: 'expires_at', isOver: sql`expires_at < now() - interval '7 days'` },
    // No session lives longer than 90 days, so its id says early that it cannot have ended long ago.
    {
      table: 'sessions',
      key: 'id',
      isOver: sql`id < ${before(90)} and coalesce(revoked_at, expires_at) < now() - interval '90 days'`,
    },
    { table: 'idempotency_keys', key: 'created_at', isOver: sql`created_at < now() - interval '1 day'` },
    {
      table: 'throttles',
      key: 'updated_at',
      isOver: sql`updated_at < now() - interval '2 days' and coalesce(locked_until < now(), true)`,
    },
    { table: 'devices', key: 'id', isOver: sql`id < ${before(365)} and last_seen_at < now() - interval '1 year'` },
    { table: 'security_events', key: 'id', isOver: sql`id < ${before(securityEventsDays)}` },
  ]
}

/** A batch is a transaction of its own: no writer waits long for it. */
const BATCH = 1000
/** What is left of a table after so many batches is left to the next hour. */
const MOST_BATCHES = 500

/** Removes what has expired, by the batch, until nothing is left, an hour's share is done or `signal` says stop. @returns rows by table */
export async function sweepExpired(
  { system }: Database,
  { securityEventsDays }: Pick<Config, 'securityEventsDays'>,
  signal?: AbortSignal,
): Promise<Record<string, number>> {
  const removed: Record<string, number> = {}
  for (const { table, key, isOver } of expiries(securityEventsDays, Date.now())) {
    removed[table] = 0
    for (let batch = 0, last: string | null = null; batch < MOST_BATCHES; batch++) {
      if (signal?.aborted === true) return removed
      const after: RawBuilder<unknown> = last === null ? sql`` : sql`and ${sql.ref(key)} >= ${last}`
      // Rows that somebody holds are still in use, or being removed by a twin.
      const done = await system.run(
        { origin: { request_id: 'sweep', ip: '', user_agent: '' } },
        find(
          raw<{ rows: number; last: string | null }>(sql`with gone as (
            delete from ${sql.table(table)} where ctid = any (array(
              select ctid from ${sql.table(table)} where ${isOver} ${after} order by ${sql.ref(key)} limit ${BATCH} for update skip locked))
            returning ${sql.ref(key)} as key)
          select count(*)::int as rows, (array_agg(key order by key desc))[1]::text as last from gone`),
        ),
      )
      if (done === undefined || done.rows === 0) break
      removed[table] += done.rows
      last = done.last
      if (done.rows < BATCH) break
    }
  }
  return removed
}
