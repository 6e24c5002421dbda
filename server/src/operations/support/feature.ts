import { withinOrganization } from '../../directory/organizations/within-organization.ts'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { eraseSupportOrigins } from './erasure.ts'
import { mails, supportEvents } from './mails.ts'
import { supportOperatorRoutes } from './operator-routes.ts'
import { supportRoutes } from './routes.ts'

const permissions = {
  'support:read': 'admin',
  'support:write': 'admin',
  'admin:support:read': 'superuser',
  'admin:support:write': 'superuser',
} as const

const problems = {
  'second-operator-required': [
    403,
    'Second operator required',
    'In an emergency, the access is granted by another operator, who has been a superuser for 7 days and did not become one through the operator who asked. An operator who became one through the other must have been one for 7 days, too.',
  ],
  'own-support-access': [
    409,
    'Own support access',
    'You asked for this access, so someone else has to grant it: an owner or administrator of the organization or, in an emergency, a second operator.',
  ],
  'support-access-decided': [
    409,
    'Support access decided',
    'It was granted, denied, withdrawn or ended before, or has expired; `status` of the support access says which. Ask for new access if it is still needed.',
  ],
  'support-access-not-open': [
    409,
    'Support access not open',
    'Only the operator who asked gets a token, from the time when the access opens until it is ended or expires; see `status` and `opens_at`.',
  ],
  'support-access-uncontested': [
    409,
    'Support access uncontested',
    'Before an emergency access opens, an owner of the organization must be able to end it. It is not granted if no owner can, and until it opens operators change nothing about the accounts and sessions of the owners. If the organization was suspended meanwhile, it is not reactivated. End the access with DELETE /api/v1/admin/support/{id} first (`support_id`), and ask for new access if it is still needed.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Access of operators to an organization, which two people open and either side ends. */
export const support = feature({
  name: 'support',
  uses: ['users', 'sessions', 'organizations', 'history', 'members', 'invitations', 'superusers'],
  tables: [new URL('support-grants.sql', import.meta.url)],
  sql: [new URL('support.sql', import.meta.url)],
  tags: { 'Support access': 'Access of operators to an organization, which two people open and either side ends.' },
  permissions,
  problems,
  events: supportEvents,
  mails,
  erase: (transaction, { id }) => eraseSupportOrigins(transaction, id),
  routes: [withinOrganization(supportRoutes), supportOperatorRoutes],
})
