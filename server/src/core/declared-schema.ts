import { readFileSync } from 'node:fs'

/** The declared schema in the order in which it loads: tables, then the gate, then what asks it. */
export const declaredFiles: readonly string[] = [
  'core/foundation.sql',
  'core/jobs.sql',
  'users/users.sql',
  'core/one-time-tokens.sql',
  'organizations/organizations.sql',
  'sessions/sessions.sql',
  'auth/devices.sql',
  'auth/attempts.sql',
  'factors/factors.sql',
  'social/identities.sql',
  'access/signing-keys.sql',
  'access/role-permissions.gen.sql',
  'access/gate.sql',
  'audit/audit.sql',
  'access/organization-table.sql',
  'core/idempotency.sql',
  'invitations/invitations.sql',
  'projects/projects.sql',
].map(file => new URL(`../${file}`, import.meta.url).pathname)

/** The whole declaration as one script. `{{schema}}` stands for the schema's name; the script runs with it on the search_path. */
export const declaredSchema = (): string => declaredFiles.map(file => readFileSync(file, 'utf8')).join('\n')
