import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { mails, organizationReactivated, organizationSuspended } from './mails.ts'
import { operatorOrganizationRoutes } from './routes.ts'

const permissions = { 'admin:organizations:read': 'superuser', 'admin:organizations:write': 'superuser' } as const

const problems = {
  'organization-already-suspended': [
    409,
    'Organization already suspended',
    'The organization is suspended already. To give another reason, reactivate it first.',
  ],
  'organization-not-suspended': [
    409,
    'Organization not suspended',
    'The organization is not suspended, so there is nothing to reactivate.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** The organizations of the service, which operators list, suspend and reactivate. */
export const operatorOrganizations = feature({
  name: 'operator-organizations',
  uses: ['organizations', 'members', 'support'],
  sql: [new URL('operator-organizations.sql', import.meta.url)],
  tags: { 'Operators: organizations': 'All organizations of the service, for operators.' },
  permissions,
  problems,
  events: [organizationSuspended, organizationReactivated],
  mails,
  routes: [operatorOrganizationRoutes],
})
