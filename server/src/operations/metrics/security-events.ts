import { sql } from 'kysely'
import { firstIdAt } from '../../platform/database/ids.ts'
import { many, raw, tables } from '../../platform/database/statement.ts'

/** How far back security events are counted. */
const WINDOW_MS = 5 * 60_000

/** How many security events of each type there were in the last five minutes; read by the primary key. */
export const countRecentEvents = () =>
  many(
    raw(
      tables('system', 'security_events'),
      sql<{ type: string; count: number }>`select type, count(*)::int as count from security_events
        where id >= ${firstIdAt(Date.now() - WINDOW_MS)} group by type`,
    ),
  )
