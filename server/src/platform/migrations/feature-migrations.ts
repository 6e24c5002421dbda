import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import type { Feature } from '../feature.ts'
import { applyMigrations, readMigrations } from './migrations.ts'
import type { MigrationOptions } from './migrations.ts'

/** The table of applied migrations of a feature that has its own, which are numbered separately from the service's. */
export const ledgerOf = ({ name }: Pick<Feature, 'name'>): string => `migrations_${name.replaceAll('-', '_')}`

/**
 * Applies the pending migrations of features that have their own, in the order of the features, after the service's.
 * @returns the names of the applied migrations, such as `notes/0001_first`
 */
export async function applyFeatureMigrations(
  client: pg.Client,
  features: readonly Pick<Feature, 'name' | 'migrations'>[],
  options: Omit<MigrationOptions, 'ledger' | 'migrations'>,
): Promise<string[]> {
  const applied: string[] = []
  for (const feature of features) {
    if (feature.migrations === undefined) continue
    const migrations = readMigrations(fileURLToPath(feature.migrations))
    const names = await applyMigrations(client, {
      ...options,
      ledger: ledgerOf(feature),
      migrations,
      log: message => options.log?.(`${feature.name}: ${message}`),
    })
    applied.push(...names.map(name => `${feature.name}/${name}`))
  }
  return applied
}
