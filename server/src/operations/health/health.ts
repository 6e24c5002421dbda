import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type { SystemRunner } from '../../platform/database/database.ts'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import {
  isUnmigrated,
  listAppliedSql,
  missingMigrations,
  requiredMigrations,
} from '../../platform/schema/required-migrations.ts'
import type { AppliedMigration } from '../../platform/schema/required-migrations.ts'
import { isDraining } from '../../platform/server/closing.ts'
import type { Services } from '../../platform/services.ts'

/** The timeout of a probe of the database, in milliseconds. */
const PROBE_MS = 2000

/** The state of the database for this version. `missing`: the needed migrations that have not been applied. */
export type DatabaseState =
  | { state: 'connected' }
  | { state: 'outdated'; missing: readonly string[] }
  | { state: 'unavailable'; cause: unknown }

/**
 * Creates a probe that checks, with a short timeout, whether the database responds and has the migrations of this
 * version. A probe that waited for the busy pool would get a busy process killed.
 */
export function createProbe({ config, declared }: Pick<Services, 'config' | 'declared'>) {
  const required = requiredMigrations(declared.features)
  const applied = sql.raw(listAppliedSql(required, config.database.schema))
  const missingOnes = statement(raw(tables('system'), sql<AppliedMigration>`${applied}`), rows =>
    missingMigrations(required, rows),
  )
  return async (visitor: SystemRunner): Promise<DatabaseState> => {
    try {
      const missing = await Promise.race([
        // system: the state of the database concerns no user
        visitor.run(missingOnes),
        delay(PROBE_MS, undefined, { ref: false }).then(() =>
          Promise.reject(new Error('the database did not answer in time')),
        ),
      ])
      return missing.length === 0 ? { state: 'connected' } : { state: 'outdated', missing }
    } catch (cause) {
      return isUnmigrated(cause)
        ? { state: 'outdated', missing: ['the table of migrations does not exist or cannot be read'] }
        : { state: 'unavailable', cause }
    }
  }
}

/** Refuses for a database that cannot serve this version. @throws Problem database-unavailable, database-outdated */
export function requireConnected(found: DatabaseState): void {
  if (found.state === 'unavailable') throw new Problem('database-unavailable', { retryAfter: 1, cause: found.cause })
  if (found.state === 'outdated')
    throw new Problem('database-outdated', { retryAfter: 5, cause: new Error(found.missing.join('; ')) })
}

/** Refuses while the service is stopping. @throws Problem shutting-down */
export function requireStaying(app: Parameters<typeof isDraining>[0]): void {
  if (isDraining(app)) throw new Problem('shutting-down', { retryAfter: 1 })
}
