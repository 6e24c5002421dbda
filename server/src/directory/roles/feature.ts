import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { withinOrganization } from '../organizations/within-organization.ts'
import { roleRoutes } from './routes.ts'

const permissions = { 'roles:read': 'viewer', 'roles:write': 'admin' } as const

const problems = {
  'role-exceeds-own': [
    403,
    'Role exceeds your own',
    'This role has permissions that your own role does not have; `permissions` lists them. Ask a member who has them.',
  ],
  'role-in-use': [
    409,
    'Role in use',
    'Members have this role (`members`), or open invitations offer it (`invitations`). Give the members another role, or revoke the invitations, then repeat the request.',
  ],
  'role-is-own': [
    409,
    'Role is your own',
    'You have this role, and without `roles:write` you could not undo the change. Ask another member who may change roles.',
  ],
  'role-name-taken': [
    409,
    'Role name taken',
    'Another role of this organization has this name; case, spaces and invisible characters do not count. Choose another.',
  ],
  'too-many-roles': [
    409,
    'Too many roles',
    'An organization has at most 100 custom roles. Delete one that is not in use first.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** The roles that organizations define themselves. */
export const roles = feature({
  name: 'roles',
  uses: ['organizations'],
  sql: [new URL('roles.sql', import.meta.url)],
  tags: { Roles: 'Custom roles: named sets of permissions that an organization defines itself.' },
  permissions,
  problems,
  routes: [withinOrganization(roleRoutes)],
})
