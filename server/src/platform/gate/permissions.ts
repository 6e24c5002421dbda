/** From the one who may least to the one who may all. */
export const roles = ['viewer', 'member', 'admin', 'owner'] as const

export type Role = (typeof roles)[number]

/**
 * Permissions, each with the least role that holds it; a higher role holds everything below it. `:read` opens the gate
 * for reading only, every other verb for writing too. `admin:` permissions are the superuser's.
 */
export type PermissionTable = Readonly<Record<`${string}:${string}`, Role | 'superuser'>>

/** Every permission there is. A feature adds its table beside its value, as it does with its problems. @public */
// eslint-disable-next-line typescript/no-empty-object-type
export interface DeclaredPermissions {}

export type Permission = keyof DeclaredPermissions & `${string}:${string}`

/** What a role may do, sorted. */
export const permissionsOf = (table: PermissionTable, role: Role | 'superuser'): Permission[] =>
  (Object.keys(table) as Permission[])
    .filter(permission => holds(role, (table as Record<string, Role | 'superuser'>)[permission]))
    .sort()

const holds = (role: Role | 'superuser', least: Role | 'superuser' | undefined): boolean =>
  least === undefined
    ? false
    : least === 'superuser' || role === 'superuser'
      ? least === role
      : roles.indexOf(least) <= roles.indexOf(role)
