import type pg from 'pg'
import type { Declarations } from '../declarations.ts'
import { permissionsOf, roles, supportPermissionsOf, supportRoles } from '../gate/permissions.ts'
import { quoteSchema } from '../migrations/schema-script.ts'

type Declared = Pick<Declarations, 'permissions' | 'supportPermissions'>

/** The permissions of all built-in roles, and those of support access with a role, as rows. */
const rowsOf = (declared: Declared): string[] =>
  [
    ...[...roles, 'superuser' as const].flatMap(role =>
      permissionsOf(declared.permissions, role).map(permission => `${permission} ${role}`),
    ),
    ...supportRoles.flatMap(role =>
      supportPermissionsOf(declared, role).map(permission => `${permission} support-${role}`),
    ),
  ].sort()

const ROLE_PERMISSIONS = `select array_agg(permission || ' ' || role order by permission || ' ' || role collate "C") as rows from`

/** Updates the roles' permissions to the declared ones, as the owner, so that new ones apply to all organizations. */
export async function writeDeclaredRows(client: pg.Client, schema: string, declared: Declared): Promise<void> {
  const table = `${quoteSchema(schema)}.role_permissions`
  const wanted = rowsOf(declared)
  const { rows } = await client.query<{ rows: string[] | null }>(`${ROLE_PERMISSIONS} ${table}`)
  if (JSON.stringify(rows[0]?.rows ?? []) === JSON.stringify(wanted)) return
  await client.query(
    `with wanted as (select split_part(row, ' ', 1) as permission, split_part(row, ' ', 2) as role from unnest($1::text[]) as row),
      gone as (delete from ${table} p where not exists (select from wanted w where w.permission = p.permission and w.role = p.role))
    insert into ${table} (permission, role) select permission, role from wanted on conflict do nothing`,
    [wanted],
  )
}

/** The faults of the declared rows, as messages; empty if there are none. `pool` is the system login's. */
export async function inspectDeclaredRows(pool: pg.Pool, declared: Declared): Promise<string[]> {
  const { rows } = await pool.query<{ rows: string[] | null }>(`${ROLE_PERMISSIONS} role_permissions`)
  if (JSON.stringify(rows[0]?.rows ?? []) === JSON.stringify(rowsOf(declared))) return []
  return ['the permissions of the roles differ from those that this version declares: run `freehold migrate apply`']
}
