import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import type { Feature } from '../feature.ts'
import { applyMigrations, readMigrations } from './migrations.ts'
import type { MigrationOptions } from './migrations.ts'

/** The ledger of a feature that brings its own migrations: theirs and the service's are numbered apart. */
export const ledgerOf = ({ name }: Pick<Feature, 'name'>): string => `migrations_${name.replaceAll('-', '_')}`

/**
 * Applies what is pending of the features that bring migrations of their own, in the order of the features, after the
 * service's. @returns the names of what ran, such as `notes/0001_first`
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
