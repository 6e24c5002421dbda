import { readFileSync } from 'node:fs'

const file = (path: string): URL => new URL(`../${path}`, import.meta.url)

/** What every table stands on. */
export const platformFiles: readonly URL[] = ['schema/foundation.sql', 'jobs/jobs.sql'].map(file)

/** What stands on the tables of people and organizations, before all other tables. */
export const gateFiles: readonly URL[] = [
  'tokens/one-time-tokens.sql',
  'gate/signing-keys.sql',
  'gate/role-permissions.sql',
  'gate/gate.sql',
  'gate/organization-table.sql',
  'http/idempotency.sql',
].map(file)

/** A declaration as one script. `{{schema}}` stands for the schema's name; the script runs with it on the search_path. */
export const declaredSchema = (files: readonly string[]): string =>
  files.map(path => readFileSync(path, 'utf8')).join('\n')
