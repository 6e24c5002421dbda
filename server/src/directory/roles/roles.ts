import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Condition } from '../../platform/database/conditional.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { get, raw, statement, tables } from '../../platform/database/statement.ts'
import { permissionsOf } from '../../platform/gate/permissions.ts'
import type { PermissionTable } from '../../platform/gate/permissions.ts'
import { Problem } from '../../platform/problems.ts'
import { Id, Name, Nullable, OneOf, PermissionName, Strict, Text, timestamps } from '../../platform/schemas.ts'
import { roleRules } from '../organizations/held-role.ts'

const query = tables('tenant', 'roles', 'custom_role_permissions', 'memberships')

/** What every role may do; the trigger `complete` gives it to a new one. */
const basePermissions = ['organization:leave', 'organization:read']

/** The permissions that a custom role may have: those of administrators. */
export const permissionsForRoles = (declared: PermissionTable): string[] => permissionsOf(declared, 'admin')

export const CustomRole = Type.Object(
  {
    id: Id,
    name: Name,
    description: Nullable(Text),
    permissions: Type.Array(PermissionName, { maxItems: 200 }),
    members: Type.Integer({ minimum: 0, maximum: 2147483647, description: 'The number of members with this role.' }),
    ...timestamps,
  },
  { title: 'CustomRole' },
)
type CustomRole = Static<typeof CustomRole>
type CustomRoleRow = CustomRole & { version: number }

/** The schemas of requests; they list the permissions that the features declare. */
export function roleSchemas(declared: PermissionTable) {
  const permissions = Type.Array(OneOf(permissionsForRoles(declared)), {
    maxItems: 200,
    description: `Those that an administrator has and the caller's own role has too. ${basePermissions.map(word => `\`${word}\``).join(' and ')} are always added.`,
  })
  const fields = { name: Name, permissions }
  const description = Type.Optional(Nullable(Text))
  return {
    create: Strict({ ...fields, description }, { title: 'NewCustomRole' }),
    change: Strict(
      { name: Type.Optional(Name), description, permissions: Type.Optional(permissions) },
      { title: 'CustomRoleChanges', minProperties: 1 },
    ),
    replace: Strict(
      { ...fields, description },
      { title: 'CustomRoleReplacement', description: 'Omitted fields are reset.' },
    ),
  }
}

interface NewCustomRole {
  name: string
  description?: string | null
  permissions: readonly string[]
}

const columns = ['id', 'name', 'description', 'created_at', 'updated_at', 'version'] as const
const listed = (table: string) => sql.join(columns.map(column => sql.ref(`${table}.${column}`)))

const refusals = {
  ...roleRules,
  roles_name_key: 'role-name-taken',
  roles_name_reserved: { pointer: '/name', detail: 'is the name of a built-in role, or reserved, or invisible' },
  roles_limit: 'too-many-roles',
  roles_held: { code: 'role-in-use', tells: true },
  roles_own: 'role-is-own',
} as const

/** The permissions of a role that this version declares; the gate ignores any other. */
const heldPermissions = (organization_id: string, role_id: RawBuilder<unknown>, allowed: readonly string[]) => sql<
  string[]
>`array(select permission from custom_role_permissions where organization_id = ${organization_id}
  and role_id = ${role_id} and permission = any (${allowed}::text[]) order by permission collate "C")`

const countMembers = (organization_id: string, role_id: RawBuilder<unknown>) =>
  sql<number>`(select count(*) from memberships where memberships.organization_id = ${organization_id}
  and memberships.role_id = ${role_id} and memberships.deleted_at is null)`

interface RolesOf {
  organization_id: string
  allowed: readonly string[]
}

const rolesOf = ({ organization_id, allowed }: RolesOf) =>
  query
    .selectFrom('roles')
    .select(columns)
    .select(heldPermissions(organization_id, sql.ref('roles.id'), allowed).as('permissions'))
    .select(countMembers(organization_id, sql.ref('roles.id')).as('members'))
    .where('organization_id', '=', organization_id)
    .where('deleted_at', 'is', null)

const rolePages = pagesOf((values: RolesOf & Record<string, unknown>) => rolesOf(values))

/** The custom roles, the oldest first. */
export const listRoles = (organization_id: string, allowed: readonly string[], page: Page) =>
  rolePages({ organization_id, allowed }, orderOf('created_at', 'roles'), page)

/** @throws Problem not-found */
export const getRole = (organization_id: string, allowed: readonly string[], id: string) =>
  get(rolesOf({ organization_id, allowed }).where('id', '=', id))

const withBase = (permissions: readonly string[]): string[] => [...new Set([...basePermissions, ...permissions])].sort()

/**
 * Names all permissions that the caller lacks; the trigger of each row, which decides, would name only the first. Only for
 * a role that the caller may write: its row comes from `source`.
 */
const namesMissing = (source: 'made' | 'changed', wanted: readonly string[] | null) =>
  sql`require_own_permissions(case when ${sql.ref(`${source}.id`)} is not null then ${wanted}::text[] end)`

/** @throws Problem role-exceeds-own, role-name-taken, too-many-roles; invalid-fields for a reserved name */
export function createRole(organization_id: string, { name, description = null, permissions }: NewCustomRole) {
  const wanted = withBase(permissions)
  return statement(
    raw(
      query,
      sql<CustomRoleRow>`
      with made as (insert into roles (organization_id, name, description) values (${organization_id}, ${name}, ${description}) returning ${sql.join(columns.map(column => sql.ref(column)))}),
      given as (insert into custom_role_permissions (organization_id, role_id, permission)
        select ${organization_id}, made.id, word from made, unnest(${wanted}::text[]) as word, ${namesMissing('made', wanted)})
      select * from made`,
    ),
    ([row]): CustomRoleRow => ({ ...(row as CustomRoleRow), permissions: wanted, members: 0 }),
    refusals,
  )
}

/**
 * Changes a role; a field that is not given is kept. Also if only permissions change, the version of the role does: it
 * covers both. What members may do changes with the commit.
 * @throws Problem not-found, entity-tag-stale, role-exceeds-own, role-is-own, role-name-taken; invalid-fields for a
 * reserved name
 */
export function updateRole(
  organization_id: string,
  allowed: readonly string[],
  id: string,
  { name, description, permissions }: Partial<NewCustomRole>,
  condition: Condition,
) {
  const wanted = permissions === undefined ? null : withBase(permissions)
  const assignments = [
    sql`name = coalesce(${name ?? null}, name)`,
    sql`description = case when ${description !== undefined}::boolean then ${description ?? null} else description end`,
  ]
  return statement(
    raw(
      query,
      sql<ChangedRole>`
      ${seenAndChanged(organization_id, id, condition, sql.join(assignments))},
      gone as (delete from custom_role_permissions p using changed where p.organization_id = ${organization_id} and p.role_id = changed.id
        and p.permission = any (${allowed}::text[]) and p.permission <> all (${wanted}::text[])),
      given as (insert into custom_role_permissions (organization_id, role_id, permission)
        select ${organization_id}, changed.id, word from changed, unnest(${wanted}::text[]) as word, ${namesMissing('changed', wanted)}
        where word <> all (${heldPermissions(organization_id, sql`changed.id`, allowed)}))
      select changed.*, coalesce(${wanted}::text[], ${heldPermissions(organization_id, sql`changed.id`, allowed)}) as permissions,
        ${countMembers(organization_id, sql`changed.id`)} as members
      from seen left join changed on true`,
    ),
    readChanged,
    refusals,
  )
}

/**
 * Deletes a role that no member has and that no open invitation offers; its row stays for the audit log.
 * @throws Problem not-found, entity-tag-stale, role-exceeds-own, role-in-use
 */
export const deleteRole = (organization_id: string, id: string, condition: Condition) =>
  statement(
    raw(
      query,
      sql<ChangedRole>`
      ${seenAndChanged(organization_id, id, condition, sql`deleted_at = now()`)}
      select changed.* from seen left join changed on true`,
    ),
    readChanged,
    refusals,
  )

type ChangedRole = CustomRoleRow & { is_changed: boolean | null }

/** As in platform/database/conditional.ts: tells a missing role from one that has changed. */
const seenAndChanged = (
  organization_id: string,
  id: string,
  condition: Condition,
  assignments: RawBuilder<unknown>,
) => sql`with seen as materialized (select id, version from roles where organization_id = ${organization_id} and id = ${id} and deleted_at is null for no key update),
      changed as (update roles set ${assignments} from seen where roles.organization_id = ${organization_id} and roles.id = seen.id
        ${condition === undefined ? sql`` : sql`and seen.version = any (${condition})`} returning true as is_changed, ${listed('roles')})`

function readChanged([row]: ChangedRole[]): CustomRoleRow {
  if (row === undefined) throw new Problem('not-found')
  if (row.is_changed !== true) throw new Problem('entity-tag-stale')
  return row
}
