import { readFileSync } from 'node:fs'

/** The declared schema in the order in which it loads: tables, then the gate, then what asks it. */
export const declaredFiles: readonly string[] = [
  'platform/schema/foundation.sql',
  'platform/jobs/jobs.sql',
  'directory/users/users.sql',
  'platform/tokens/one-time-tokens.sql',
  'directory/organizations/organizations.sql',
  'directory/sessions/sessions.sql',
  'identity/devices/devices.sql',
  'identity/lockout/attempts.sql',
  'identity/factors/factors.sql',
  'identity/social/identities.sql',
  'platform/gate/signing-keys.sql',
  'platform/gate/role-permissions.gen.sql',
  'platform/gate/gate.sql',
  'directory/history/history.sql',
  'platform/gate/organization-table.sql',
  'platform/http/idempotency.sql',
  'identity/invitations/invitations.sql',
  'product/projects/projects.sql',
].map(file => new URL(`../../${file}`, import.meta.url).pathname)

/** The whole declaration as one script. `{{schema}}` stands for the schema's name; the script runs with it on the search_path. */
export const declaredSchema = (): string => declaredFiles.map(file => readFileSync(file, 'utf8')).join('\n')
