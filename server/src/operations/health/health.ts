import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type { SystemRunner } from '../../platform/database/database.ts'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import {
  isUnmigrated,
  listAppliedSql,
  missingMigrations,
  requiredMigrations,
} from '../../platform/migrations/required-migrations.ts'
import type { AppliedMigration } from '../../platform/migrations/required-migrations.ts'
import { isDraining } from '../../platform/server/closing.ts'
import type { Services } from '../../platform/services.ts'

/** The timeout of a probe of the database, in milliseconds. */
const PROBE_MS = 2000

/**
 * The state of the database for this version. `missing`: the needed migrations that have not been applied. `read-only`:
 * it takes no changes, as after a failover; `full`: it has refused a change lately for lack of space or memory.
 */
export type DatabaseState =
  | { state: 'connected' }
  | { state: 'outdated'; missing: readonly string[] }
  | { state: 'read-only' | 'full' | 'unavailable'; cause: unknown }

/** The states of the database, as `/health` names them. */
export const databaseStates = ['connected', 'outdated', 'read-only', 'full', 'unavailable'] as const

/**
 * Creates a probe that checks, with a short timeout, whether the database responds and has the migrations of this
 * version. A probe that waited for the busy pool would get a busy process killed.
 */
export function createProbe({ config, declared }: Pick<Services, 'config' | 'declared'>) {
  const required = requiredMigrations(declared.features)
  const applied = sql.raw(listAppliedSql(required, config.database.schema))
  const look = statement(
    raw(
      tables('system'),
      sql<
        AppliedMigration & { is_read_only: boolean }
      >`select found.*, current_setting('transaction_read_only')::boolean as is_read_only
        from (select) one left join (${applied}) found on true`,
    ),
    rows => ({ missing: missingMigrations(required, rows), isReadOnly: rows[0]?.is_read_only === true }),
  )
  const probe = async (visitor: SystemRunner): Promise<DatabaseState> => {
    try {
      const { missing, isReadOnly } = await askBriefly(visitor, look)
      if (missing.length > 0) return { state: 'outdated', missing }
      if (isReadOnly) return { state: 'read-only', cause: new Error('the database takes no changes') }
      const cause = visitor.shortage()
      return cause === undefined ? { state: 'connected' } : { state: 'full', cause }
    } catch (cause) {
      return isUnmigrated(cause)
        ? { state: 'outdated', missing: ['the table of migrations does not exist or cannot be read'] }
        : { state: 'unavailable', cause }
    }
  }
  // All requests that arrive while a probe is on its way share its result.
  let running: Promise<DatabaseState> | undefined
  return (visitor: SystemRunner): Promise<DatabaseState> =>
    (running ??= probe(visitor).finally(() => {
      running = undefined
    }))
}

/** Runs a statement about the service as a whole. @throws Error if there is no answer in time, besides those of `run` */
export const askBriefly = <Result>(visitor: SystemRunner, statement: Statement<'system', Result>): Promise<Result> =>
  Promise.race([
    // system: the state of the service concerns no user
    visitor.run(statement),
    delay(PROBE_MS, undefined, { ref: false }).then(() =>
      Promise.reject(new Error('the database did not answer in time')),
    ),
  ])

/** Refuses for a database that cannot serve this version. @throws Problem database-unavailable, database-outdated */
export function requireConnected(found: DatabaseState): void {
  if ('cause' in found) throw new Problem('database-unavailable', { retryAfter: 1, cause: found.cause })
  if (found.state === 'outdated')
    throw new Problem('database-outdated', { retryAfter: 5, cause: new Error(found.missing.join('; ')) })
}

/** Refuses while the service is stopping. @throws Problem shutting-down */
export function requireStaying(app: Parameters<typeof isDraining>[0]): void {
  if (isDraining(app)) throw new Problem('shutting-down', { retryAfter: 1 })
}
