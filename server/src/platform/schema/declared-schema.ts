const file = (path: string): URL => new URL(`../${path}`, import.meta.url)

/** Loaded before all tables. */
export const platformFiles: readonly URL[] = ['schema/foundation.sql', 'jobs/jobs.sql'].map(file)

/** Loaded after the tables of users and organizations, before all other tables. */
export const gateFiles: readonly URL[] = [
  'tokens/one-time-tokens.sql',
  'gate/signing-keys.sql',
  'gate/role-permissions.sql',
  'gate/gate.sql',
  'gate/operators.sql',
  'gate/organization-table.sql',
  'gate/person-table.sql',
  'http/idempotency.sql',
].map(file)
