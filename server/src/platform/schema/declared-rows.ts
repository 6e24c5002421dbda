import type pg from 'pg'
import { permissionsOf, roles } from '../gate/permissions.ts'
import type { PermissionTable } from '../gate/permissions.ts'
import { quoteSchema } from './schema-script.ts'

/** The permissions of all built-in roles, as rows. */
const rowsOf = (permissions: PermissionTable): string[] =>
  [...roles, 'superuser' as const]
    .flatMap(role => permissionsOf(permissions, role).map(permission => `${permission} ${role}`))
    .sort()

const ROLE_PERMISSIONS = `select array_agg(permission || ' ' || role order by permission || ' ' || role collate "C") as rows from`

/** Updates the roles' permissions to the declared ones, as the owner, so that new ones apply to all organizations. */
export async function writeDeclaredRows(
  client: pg.Client,
  schema: string,
  permissions: PermissionTable,
): Promise<void> {
  const table = `${quoteSchema(schema)}.role_permissions`
  const wanted = rowsOf(permissions)
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
export async function inspectDeclaredRows(pool: pg.Pool, permissions: PermissionTable): Promise<string[]> {
  const { rows } = await pool.query<{ rows: string[] | null }>(`${ROLE_PERMISSIONS} role_permissions`)
  if (JSON.stringify(rows[0]?.rows ?? []) === JSON.stringify(rowsOf(permissions))) return []
  return ['the permissions of the roles differ from those that this version declares: run `freehold migrate apply`']
}
