import { history } from './directory/history/feature.ts'
import { limits } from './directory/limits/feature.ts'
import { members } from './directory/members/feature.ts'
import { notifications } from './directory/notifications/feature.ts'
import { organizations } from './directory/organizations/feature.ts'
import { preferences } from './directory/preferences/feature.ts'
import { roles } from './directory/roles/feature.ts'
import { sessions } from './directory/sessions/feature.ts'
import { users } from './directory/users/feature.ts'
import { accounts } from './identity/accounts/feature.ts'
import { arriving } from './identity/arriving/feature.ts'
import { changes } from './identity/changes/feature.ts'
import { devices } from './identity/devices/feature.ts'
import { factors } from './identity/factors/feature.ts'
import { accountImport } from './identity/import/feature.ts'
import { invitations } from './identity/invitations/feature.ts'
import { leaving } from './identity/leaving/feature.ts'
import { lockout } from './identity/lockout/feature.ts'
import { mfa } from './identity/mfa/feature.ts'
import { passkeys } from './identity/passkeys/feature.ts'
import { passwords } from './identity/passwords/feature.ts'
import { proofs } from './identity/proofs/feature.ts'
import { recovery } from './identity/recovery/feature.ts'
import { signIn } from './identity/sign-in/feature.ts'
import { signUp } from './identity/sign-up/feature.ts'
import { social } from './identity/social/feature.ts'
import { totp } from './identity/totp/feature.ts'
import { undo } from './identity/undo/feature.ts'
import { verification } from './identity/verification/feature.ts'
import { v5 } from './formats/v5/feature.ts'
import { errorReports } from './operations/error-reports/feature.ts'
import { cache } from './operations/cache/feature.ts'
import { health } from './operations/health/feature.ts'
import { operatorHistory } from './operations/operator-history/feature.ts'
import { operatorOrganizations } from './operations/operator-organizations/feature.ts'
import { operatorSessions } from './operations/operator-sessions/feature.ts'
import { operatorUsers } from './operations/operator-users/feature.ts'
import { metrics } from './operations/metrics/feature.ts'
import { retention } from './operations/retention/feature.ts'
import { securityEvents } from './operations/security-events/feature.ts'
import { seed } from './operations/seed/feature.ts'
import { support } from './operations/support/feature.ts'
import { stats } from './operations/stats/feature.ts'
import { superusers } from './operations/superusers/feature.ts'
import { traces } from './operations/traces/feature.ts'
import type { Feature } from './platform/feature.ts'
import { licenseActivations } from './product/license-activations/feature.ts'
import { licenseFiles } from './product/license-files/feature.ts'
import { licensePlans } from './product/license-plans/feature.ts'
import { licenses } from './product/licenses/feature.ts'
import { projects } from './product/projects/feature.ts'
import { structure } from './product/structure/feature.ts'
import { workspaces } from './product/workspaces/feature.ts'

/** Users and organizations. */
const directory: readonly Feature[] = [
  users,
  preferences,
  sessions,
  organizations,
  limits,
  history,
  roles,
  members,
  notifications,
]

/** Sign-in and accounts. */
const identity: readonly Feature[] = [
  changes,
  accounts,
  passwords,
  devices,
  lockout,
  factors,
  proofs,
  invitations,
  signIn,
  recovery,
  signUp,
  verification,
  totp,
  passkeys,
  mfa,
  social,
  undo,
  arriving,
  accountImport,
  leaving,
]

/** The resources of organizations, to which a product adds its own. */
const product: readonly Feature[] = [
  projects,
  workspaces,
  structure,
  licensePlans,
  licenses,
  licenseActivations,
  licenseFiles,
]

/** For operators. */
const operations: readonly Feature[] = [
  superusers,
  support,
  operatorUsers,
  operatorSessions,
  operatorOrganizations,
  operatorHistory,
  securityEvents,
  stats,
  health,
  cache,
  metrics,
  traces,
  errorReports,
  retention,
  seed,
]

/** The same functions in other wire formats. */
const formats: readonly Feature[] = [v5]

/** All features, layer by layer. SQL files are loaded, services created and routes registered in this order. */
export const features: readonly Feature[] = [...directory, ...identity, ...product, ...operations, ...formats]
