import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type { SystemRunner } from '../../platform/database/database.ts'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import { isUnmigrated, listAppliedSql, missingMigrations } from '../../platform/schema/required-migrations.ts'
import type { AppliedMigration, RequiredMigrations } from '../../platform/schema/required-migrations.ts'

/** How long a probe of the database may take. Milliseconds. */
const PROBE_MS = 2000

/** What the database is to this version. `missing`: the migrations that it needs and that are not there. */
export type DatabaseState =
  | { state: 'connected' }
  | { state: 'outdated'; missing: readonly string[] }
  | { state: 'unavailable'; cause: unknown }

/** Asks which migrations ran, and compares them with what this version needs. */
export const migrationProbe = (required: RequiredMigrations, schema: string): Statement<'system', string[]> =>
  statement(raw(tables('system'), sql<AppliedMigration>`${sql.raw(listAppliedSql(required, schema))}`), applied =>
    missingMigrations(required, applied),
  )

/** Whether the database answers, soon, and is migrated: a probe that waits for a busy pool would have a busy process killed. */
export async function probeDatabase(
  visitor: SystemRunner,
  probe: Statement<'system', readonly string[]>,
): Promise<DatabaseState> {
  try {
    const missing = await Promise.race([
      // system: whether the database answers belongs to no user
      visitor.run(probe),
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
