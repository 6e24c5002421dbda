import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import { roles } from '../../platform/gate/permissions.ts'
import type { Role, RoleName } from '../../platform/gate/permissions.ts'
import { invalidField } from '../../platform/problems.ts'
import { IdOf, Name, Nullable, OneOf } from '../../platform/schemas.ts'

// How a role appears in every response and request: of a member, of an invitation, of the caller. In the tables, a custom
// role is `role_id`, beside the built-in role `member`, which then does not count.

/** A role that every organization has. */
export const BuiltInRole = OneOf(roles, { description: 'owner > admin > member > viewer' })

const AnyRole = OneOf([...roles, 'custom'], {
  description: 'owner > admin > member > viewer; `custom`: the role of the organization that `role_id` names.',
})

/** The role in a response. */
export const HeldRole = {
  role: AnyRole,
  role_id: Nullable(IdOf('role')),
  role_name: Nullable(Name),
}

/** The role in a request: `role`, `role_id`, or both. */
export const GivenRole = {
  role: Type.Optional(AnyRole),
  role_id: Type.Optional(Nullable(IdOf('role'))),
}

/** The role as a filter of a list. */
export const RoleFilter = { role: Type.Optional(AnyRole), role_id: Type.Optional(IdOf('role')) }

/** The name of a role as SQL, of a table with `role` and `role_id`, under its name or alias in the query. */
export const roleNameOf = (table: string): RawBuilder<RoleName> =>
  sql<RoleName>`case when ${sql.ref(`${table}.role_id`)} is null then ${sql.ref(`${table}.role`)} else 'custom' end`

/** The select part for `HeldRole`, of a table with `role` and `role_id`, under its name or alias in the query; the query names the table `roles`. */
export const heldRole = (table: string) =>
  [
    roleNameOf(table).as('role'),
    sql<string | null>`${sql.ref(`${table}.role_id`)}`.as('role_id'),
    sql<
      string | null
    >`(select name from roles where roles.organization_id = ${sql.ref(`${table}.organization_id`)} and roles.id = ${sql.ref(`${table}.role_id`)})`.as(
      'role_name',
    ),
  ] as const

/** The columns `role` and `role_id` of a membership or invitation. */
export interface RoleColumns {
  role: Role
  role_id: string | null
}

/** The columns for a role in a request; undefined if it names none. @throws Problem invalid-fields */
export function readGivenRole({
  role,
  role_id,
}: {
  role?: RoleName | undefined
  role_id?: string | null | undefined
}): RoleColumns | undefined {
  const isCustom = typeof role_id === 'string'
  if (role === 'custom' && !isCustom) throw invalidField('/role_id', 'is required if role is `custom`')
  if (role !== undefined && role !== 'custom' && isCustom)
    throw invalidField('/role_id', `must be left out if role is \`${role}\`, or role must be \`custom\``)
  if (role === undefined && role_id === null) throw invalidField('/role', 'is required if role_id is null')
  if (isCustom) return { role: 'member', role_id }
  return role === undefined || role === 'custom' ? undefined : { role, role_id: null }
}

/** The same where a role must be given. @throws Problem invalid-fields */
export function requireGivenRole(given: Parameters<typeof readGivenRole>[0]): RoleColumns {
  const columns = readGivenRole(given)
  if (columns === undefined) throw invalidField('/role', 'is required, unless role_id names a custom role')
  return columns
}

export const noSuchRole = { pointer: '/role_id', detail: 'is not a role of this organization' } as const

/** How the database refuses to give or take a role. */
export const roleRules = {
  role_exceeds_own: { code: 'role-exceeds-own', tells: true },
  memberships_role_fkey: noSuchRole,
  invitations_role_fkey: noSuchRole,
} as const
