import { createHmac } from 'node:crypto'
import pg from 'pg'

/** The two restricted logins of a database. They contain its name, because logins belong to the whole cluster. */
export interface LoginNames {
  tenant: string
  system: string
}

export const loginNames = (database: string): LoginNames => ({
  tenant: `${database.slice(0, 48)}_tenant_login`,
  system: `${database.slice(0, 48)}_system_login`,
})

/** The password of a login, which every process derives from the secret. */
export const loginPassword = (secretKey: string, login: string): string =>
  createHmac('sha256', secretKey).update(`login ${login}`).digest('base64url')

export interface RoleOptions {
  database: string
  schema: string
  /** The login that owns the schema and runs migrations; never a superuser, to whom policies do not apply. */
  owner: string
  passwords: { tenant: string; system: string }
}

/**
 * SQL that prepares a database for its first migration, and may run again: the NOLOGIN roles that have the grants, the
 * role that policies name instead of the owner, and the two logins. Requires CREATEROLE.
 */
export function rolesSql({ database, schema, owner, passwords }: RoleOptions): string {
  const names = loginNames(database)
  const [db, ownerName, path] = [database, owner, schema].map(name => pg.escapeIdentifier(name))
  const logins = (['tenant', 'system'] as const).map(kind => {
    const login = pg.escapeIdentifier(names[kind])
    return `do $$ begin
  if not exists (select from pg_roles where rolname = ${pg.escapeLiteral(names[kind])}) then create role ${login} login; end if;
end $$;
alter role ${login} with login inherit password ${pg.escapeLiteral(passwords[kind])};
grant freehold_${kind} to ${login};
alter role ${login} in database ${db} set search_path = ${path}, pg_temp;
alter role ${login} in database ${db} set timezone = 'UTC';
alter role ${login} in database ${db} set jit = 'off';
alter role ${login} in database ${db} set statement_timeout = '30s';
alter role ${login} in database ${db} set idle_in_transaction_session_timeout = '30s';
grant connect on database ${db} to ${login};`
  })
  return `do $$ declare marker text; begin
  foreach marker in array array['freehold_owner', 'freehold_tenant', 'freehold_system'] loop
    if not exists (select from pg_roles where rolname = marker) then execute format('create role %I nologin', marker); end if;
  end loop;
end $$;
do $$ begin
  if not pg_has_role(${pg.escapeLiteral(owner)}, 'freehold_owner', 'usage') then grant freehold_owner to ${ownerName}; end if;
end $$;
${logins.join('\n')}
revoke connect, temporary on database ${db} from public;
-- Large objects belong to no schema, and no policy applies to them. Only a superuser can revoke their functions.
do $$ begin
  revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public;
exception when insufficient_privilege then
  raise notice 'not a superuser, so large objects stay open: revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public';
end $$;
grant connect on database ${db} to ${ownerName};
`
}

/** Runs rolesSql as the URL's login; processes take turns. @throws Error that says what to do if it may not */
export async function ensureRoles(client: pg.Client, options: RoleOptions): Promise<void> {
  try {
    await client.query(
      `begin; select pg_advisory_xact_lock(hashtext('freehold'), hashtext('roles')); ${rolesSql(options)} commit`,
    )
  } catch (cause) {
    await client.query('rollback')
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new Error(
      `the restricted logins could not be created (${message}): run the SQL that \`freehold doctor --roles\` prints as an administrator of the database, then set DATABASE_TENANT_URL and DATABASE_SYSTEM_URL`,
      { cause },
    )
  }
}
