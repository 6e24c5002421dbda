/**
 * The whole access policy. Each permission names the least role that holds it; a higher role holds everything below it.
 * `:read` opens the gate for reading only, every other verb for writing too. `admin:` permissions are the superuser's.
 * platform/gate/role-permissions.gen.sql is generated from this table (`npm run generate`).
 */
export const permissions = {
  'organization:read': 'viewer',
  'organization:write': 'admin',
  'organization:leave': 'viewer',
  'organization:transfer': 'owner',
  'organization:delete': 'owner',
  'members:read': 'viewer',
  'members:write': 'admin',
  'invitations:read': 'admin',
  'invitations:write': 'admin',
  'projects:read': 'viewer',
  'projects:write': 'member',
  'audit:read': 'admin',
  'admin:audit:read': 'superuser',
} as const satisfies Record<`${string}:${string}`, Role | 'superuser'>

/** From the one who may least to the one who may all. */
export const roles = ['viewer', 'member', 'admin', 'owner'] as const

export type Role = (typeof roles)[number]
export type Permission = keyof typeof permissions

/** What a role may do, sorted. */
export function permissionsOf(role: Role | 'superuser'): Permission[] {
  return (Object.keys(permissions) as Permission[])
    .filter(permission => {
      const least: Role | 'superuser' = permissions[permission]
      return least === 'superuser' || role === 'superuser'
        ? least === role
        : roles.indexOf(least) <= roles.indexOf(role)
    })
    .sort()
}
