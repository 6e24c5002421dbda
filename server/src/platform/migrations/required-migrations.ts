import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import type { Feature } from '../feature.ts'
import { ledgerOf } from './feature-migrations.ts'
import { readMigrations } from './migrations.ts'
import type { Migration } from './migrations.ts'
import { quoteSchema } from './schema-script.ts'

/** The migrations that this version needs: its own, and those of features that have their own. */
export type RequiredMigrations = readonly { ledger: string; migrations: readonly Migration[] }[]

let own: Migration[] | undefined

/** The required migrations; files are read once per process. @throws MigrationError for files that are no migrations */
export const requiredMigrations = (
  features: readonly Pick<Feature, 'name' | 'migrations'>[] = [],
): RequiredMigrations => [
  { ledger: 'migrations', migrations: (own ??= readMigrations()) },
  ...features.flatMap(feature =>
    feature.migrations === undefined
      ? []
      : [{ ledger: ledgerOf(feature), migrations: readMigrations(fileURLToPath(feature.migrations)) }],
  ),
]

/** An applied migration, as listAppliedSql returns it. */
export interface AppliedMigration {
  ledger: string
  name: string
  checksum: string
}

/** One query for all applied migrations; both logins may run it. It fails if a table of migrations is missing. */
export const listAppliedSql = (required: RequiredMigrations, schema: string): string =>
  required
    .map(
      ({ ledger }) => `select '${ledger}' as ledger, name, checksum from ${quoteSchema(schema)}.${quoteSchema(ledger)}`,
    )
    .join(' union all ')

/** PostgreSQL's codes for a missing table, column or schema, and for one that the login may not read. */
export const isUnmigrated = (error: unknown): boolean =>
  ['42P01', '42703', '3F000', '42501'].includes(String((error as { code?: unknown } | null)?.code))

const nothingApplied = 'no migration has been applied: run `freehold migrate apply`'

/** The migrations that are missing or differ, as messages, each with its fix. */
export const missingMigrations = (required: RequiredMigrations, applied: readonly AppliedMigration[]): string[] =>
  required.flatMap(({ ledger, migrations }) => {
    const rows = applied.filter(row => row.ledger === ledger)
    if (rows.length === 0 && ledger === 'migrations') return [nothingApplied]
    return migrations.flatMap(({ name, checksum }) => {
      const row = rows.find(found => found.name === name)
      if (row === undefined) return [`${name} is pending, and this version needs it: run \`freehold migrate apply\``]
      return row.checksum === checksum ? [] : [`${name} is not the file that was applied: restore the file`]
    })
  })

/** The migrations of a newer version: this version may run on them, but may fail where something changed. */
const newerMigrations = (required: RequiredMigrations, applied: readonly AppliedMigration[]): string[] =>
  applied
    .filter(({ ledger, name }) =>
      required.some(of => of.ledger === ledger && of.migrations.every(migration => migration.name !== name)),
    )
    .map(({ name }) => `${name} was applied by a newer version: run that version, or roll it back with it`)

/** Compares the applied migrations with the required ones, as either of the two restricted logins. */
export async function inspectMigrations(
  pool: pg.Pool,
  schema: string,
  required: RequiredMigrations,
): Promise<{ missing: string[]; newer: string[] }> {
  try {
    const { rows } = await pool.query<AppliedMigration>(listAppliedSql(required, schema))
    return { missing: missingMigrations(required, rows), newer: newerMigrations(required, rows) }
  } catch (error) {
    if (!isUnmigrated(error)) throw error
    const [, ...ofFeatures] = required
    // A table of migrations is missing: the service's, or that of a feature that has never been migrated.
    const { missing, newer } =
      ofFeatures.length === 0
        ? { missing: [nothingApplied], newer: [] }
        : await inspectMigrations(pool, schema, required.slice(0, 1))
    return {
      missing:
        missing.length > 0
          ? missing
          : [`${nameLedgers(ofFeatures)} have not been applied: run \`freehold migrate apply\``],
      newer,
    }
  }
}

const nameLedgers = (required: RequiredMigrations): string =>
  `migrations of features (${required.map(({ ledger }) => ledger.replace('migrations_', '')).join(', ')})`
