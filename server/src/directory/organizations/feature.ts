import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { eraseMemberships } from './erasure.ts'
import { organizationRoutes, ownOrganizationRoutes } from './routes.ts'
import { withinOrganization } from './within-organization.ts'

const permissions = {
  'organization:read': 'viewer',
  'organization:write': 'admin',
  'organization:leave': 'viewer',
  'organization:transfer': 'owner',
  'organization:delete': 'owner',
} as const

const problems = {
  'organization-slug-taken': [
    409,
    'Organization slug taken',
    'Choose another slug, or omit it to generate one from the name.',
  ],
  'personal-organization': [
    409,
    'Personal organization',
    'A personal organization has exactly one member and exists as long as the account. Create a team instead.',
  ],
  'guest-limited': [
    409,
    'Guest account',
    'The account is a guest: it is a viewer in every organization and creates none. An operator can turn it into a full account.',
  ],
  'owner-required': [
    403,
    'Owner required',
    'Only an owner may change the owners of the organization and whether it requires a second factor.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Organizations (the tenants) and their memberships. */
export const organizations = feature({
  name: 'organizations',
  uses: ['users'],
  tables: [new URL('organizations.sql', import.meta.url)],
  sql: [new URL('organizations-policies.sql', import.meta.url)],
  tags: { Organizations: 'The tenants: creating, updating, leaving, deleting.' },
  permissions,
  supportPermissions: ['organization:read'],
  problems,
  erase: (transaction, { id }) => eraseMemberships(transaction, id),
  routes: [ownOrganizationRoutes, withinOrganization(organizationRoutes)],
})
