import { permissionsOf, roles } from './permissions.ts'

/** The view that the gate joins: a row a role. A view, because a difference of schemas carries no rows. */
export function rolePermissionsSql(): string {
  const rows = [...roles, 'superuser' as const].map(role => `  ('${role}', '{${permissionsOf(role).join(', ')}}'::text[])`)
  return `-- Generated from access/permissions.ts by \`npm run generate\`.
create view role_permissions as select role, permissions from (values
${rows.join(',\n')}
) as matrix (role, permissions);
`
}
