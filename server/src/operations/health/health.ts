import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type { SystemRunner } from '../../platform/database/database.ts'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import {
  isUnmigrated,
  listAppliedSql,
  missingMigrations,
  requiredMigrations,
} from '../../platform/schema/required-migrations.ts'
import type { AppliedMigration } from '../../platform/schema/required-migrations.ts'
import type { Services } from '../../platform/services.ts'

/** How long a probe of the database may take. Milliseconds. */
const PROBE_MS = 2000

/** What the database is to this version. `missing`: the migrations that it needs and that are not there. */
export type DatabaseState =
  | { state: 'connected' }
  | { state: 'outdated'; missing: readonly string[] }
  | { state: 'unavailable'; cause: unknown }

/**
 * Makes what asks whether the database answers, soon, and has the migrations that this version needs. A probe that waits for
 * a busy pool would have a busy process killed.
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
        // system: whether the database answers belongs to no user
        visitor.run(missingOnes),
        delay(PROBE_MS, undefined, { ref: false }).then(() =>
          Promise.reject(new Error('the database did not answer in time')),
        ),
      ])
      return missing.length === 0 ? { state: 'connected' } : { state: 'outdated', missing }
    } catch (cause) {
      return isUnmigrated(cause)
        ? { state: 'outdated', missing: ['the table of migrations is gone, or may not be read'] }
        : { state: 'unavailable', cause }
    }
  }
}
