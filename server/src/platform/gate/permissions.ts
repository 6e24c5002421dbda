/** The built-in roles, from the fewest permissions to all. */
export const roles = ['viewer', 'member', 'admin', 'owner'] as const

export type Role = (typeof roles)[number]

/** A role as clients see it: a built-in one, or one that the organization has defined. */
export type RoleName = Role | 'custom'

/**
 * Permissions, each with the lowest role that has it; a higher role has all permissions of the lower ones. `:read`
 * opens the gate for reading only, every other verb for writing too. Only the superuser has `admin:` permissions.
 */
export type PermissionTable = Readonly<Record<`${string}:${string}`, Role | 'superuser'>>

/** All permissions. Each feature extends this interface with its own, as it does with its problems. @public */
// eslint-disable-next-line typescript/no-empty-object-type
export interface DeclaredPermissions {}

export type Permission = keyof DeclaredPermissions & `${string}:${string}`

/** The permissions of a role, sorted. */
export const permissionsOf = (table: PermissionTable, role: Role | 'superuser'): Permission[] =>
  (Object.keys(table) as Permission[])
    .filter(permission => holds(role, (table as Record<string, Role | 'superuser'>)[permission]))
    .sort()

/** The roles that support access can have. */
export const supportRoles = ['viewer', 'member'] as const

/** A role that an operator has through support access. */
export type SupportRole = (typeof supportRoles)[number]

/** The permissions of support access: of those that features declare for it, the ones that the role has. */
export const supportPermissionsOf = (
  { permissions, supportPermissions }: { permissions: PermissionTable; supportPermissions: readonly Permission[] },
  role: SupportRole,
): Permission[] => permissionsOf(permissions, role).filter(permission => supportPermissions.includes(permission))

const holds = (role: Role | 'superuser', least: Role | 'superuser' | undefined): boolean =>
  least === undefined
    ? false
    : least === 'superuser' || role === 'superuser'
      ? least === role
      : roles.indexOf(least) <= roles.indexOf(role)
