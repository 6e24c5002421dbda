import pg from 'pg'
import { LEDGER_COMMENT } from '../migrations/ledger.ts'
import { jobSchemaOf, quoteSchema } from '../migrations/schema-script.ts'

/**
 * Tables without organization_table(), each with the reason. An invariant test fails for any other.
 */
export const globalTables: Readonly<Record<string, string>> = {
  users: 'a user belongs to no single organization; policies show users themselves and their colleagues',
  former_addresses: 'former email addresses of accounts; the tenant login has no access',
  preferences: "a user's own; the policy shows only the user's own row",
  sessions: "a user's own; the policy shows only the user's own rows",
  security_events: 'events of accounts, some of them unknown; the tenant login may only insert, through triggers',
  operator_log: 'operations across organizations; only begin_operation() writes it, and the tenant login has no access',
  idempotency_keys: "a user's own; the policy shows only the user's own rows",
  one_time_tokens:
    'links and steps of a sign-in, from before the user is authenticated; the tenant login has no access',
  devices: "a user's own; the policy shows only the user's own rows",
  throttles: 'failed guesses at accounts, known and unknown; the tenant login has no access',
  totp_factors: "a user's own; the tenant login sees whether there is one",
  recovery_codes: "a user's own; the tenant login sees how many are left",
  passkeys: "a user's own; the tenant login lists and renames them",
  identities: "a user's own; the policy shows only the user's own rows",
  retired_names: 'keyed digests of the names of deleted accounts; the tenant login may look up a single one',
  signing_keys: 'private keys; the tenant login has no access',
  license_file_keys: 'private keys; the tenant login has no access',
  role_permissions: 'the permissions of each role, written by the owner; the tenant login has no access',
  audit_log: "an organization's history; only triggers write it, with its own policies",
  member_words:
    "the sort keys and search words of an organization's members; only triggers write it, with its own policies",
  daily_stats: 'sums of all organizations; the tenant login has no access',
  organization_daily_stats: "an organization's sums; only a job writes them, with its own policies",
  allowances: 'what licenses allow to organizations; only triggers write it, and the tenant login has no access',
  default_allowance: 'what organizations without a license may use; only triggers write it, without access for a login',
  limit_usage: 'how much organizations use; only triggers write it, and the tenant login has no access',
  license_plans: 'what operators sell; every signed-in user may read it',
  audit_log_default: 'a partition of audit_log, reached through it: no grants',
  seeded_accounts: 'the accounts of the seed data, in development; the tenant login has no access',
  migrations: 'applied migrations, written by the owner; both logins may read them',
}

/**
 * Whether a table of the catalog (`c`) lists applied migrations: the service's, or those of a feature with its own. The
 * name alone does not suffice, because then any table could avoid the checks.
 */
export const isLedger = `(c.relname = 'migrations' or c.relname like 'migrations\\_%' and obj_description(c.oid, 'pg_class') is not distinct from '${LEDGER_COMMENT}')`

/** A digest of what isolation depends on: row-level security, policies, grants, views, functions, triggers. */
const digestSql = `
select md5(string_agg(line, E'\\n' order by line collate "C")) as digest from (
  select format('table %s %s %s %s', c.relname, c.relrowsecurity, c.relforcerowsecurity,
    (select string_agg(g.grantee || ' ' || g.privilege, ',' order by g.grantee, g.privilege) from (
      select coalesce(r.rolname, 'public') as grantee, acl.privilege_type as privilege from aclexplode(c.relacl) acl left join pg_roles r on r.oid = acl.grantee where acl.grantee <> c.relowner) g)) as line
  from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v', 'S') and not ${isLedger}
  union all
  select format('column %s.%s %s', c.relname, a.attname, (select string_agg(coalesce(r.rolname, 'public') || ' ' || acl.privilege_type, ',' order by r.rolname, acl.privilege_type)
    from aclexplode(a.attacl) acl left join pg_roles r on r.oid = acl.grantee))
  from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relnamespace = current_schema()::regnamespace and a.attacl is not null
  union all
  select format('policy %s %s %s %s %s %s', tablename, policyname, cmd, roles, qual, with_check) from pg_policies where schemaname = current_schema()
  union all
  select format('view %s %s %s', c.relname, c.reloptions, pg_get_viewdef(c.oid)) from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind = 'v'
  union all
  select format('function %s %s', pg_get_functiondef(p.oid), (select string_agg(coalesce(r.rolname, 'public'), ',' order by r.rolname)
    from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl left join pg_roles r on r.oid = acl.grantee where acl.grantee <> p.proowner)) from pg_proc p where p.pronamespace = current_schema()::regnamespace
  union all
  select format('trigger %s %s', t.tgenabled, pg_get_triggerdef(t.oid)) from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace = current_schema()::regnamespace and not t.tgisinternal
) as lines`

export async function readDigest(client: pg.ClientBase | pg.Pool): Promise<string> {
  const { rows } = await client.query<{ digest: string }>(digestSql)
  return rows[0]?.digest ?? ''
}

/** The faults of isolation in this database, each with its fix; empty if everything is as declared. */
export async function inspectSchema(tenant: pg.Pool, system: pg.Pool, schema: string): Promise<string[]> {
  const faults: string[] = []
  for (const [kind, pool, other] of [
    ['tenant', tenant, 'system'],
    ['system', system, 'tenant'],
  ] as const) {
    const { rows } = await pool.query<{
      login: string
      unbound: boolean
      own: boolean
      foreign: boolean
      finds_schema: boolean
      temporary: boolean
      in_utc: boolean
    }>(
      `
      select current_user as login, r.rolsuper or r.rolbypassrls as unbound,
        to_regnamespace($1) is not null and has_schema_privilege(to_regnamespace($1), 'usage') and $2 = any (string_to_array(replace(replace(current_setting('search_path'), '"', ''), ' ', ''), ',')) as finds_schema,
        pg_has_role(current_user, 'freehold_${kind}', 'usage') as own,
        pg_has_role(current_user, 'freehold_${other}', 'member') or pg_has_role(current_user, 'freehold_owner', 'member') as foreign,
        has_database_privilege(current_database(), 'temporary') as temporary, current_setting('timezone') = 'UTC' as in_utc
      from pg_roles r where r.rolname = current_user`,
      [pg.escapeIdentifier(schema), schema],
    )
    const login = rows[0]
    if (login === undefined) continue
    const url = `DATABASE_${kind.toUpperCase()}_URL`
    if (login.unbound)
      faults.push(
        `${login.login} (${url}) is a superuser or has BYPASSRLS, so policies do not apply to it: use a login made by the SQL of \`freehold doctor --roles\``,
      )
    if (!login.own)
      faults.push(
        `${login.login} (${url}) is not a member of freehold_${kind}: grant freehold_${kind} to "${login.login}"`,
      )
    if (login.foreign && !login.unbound)
      faults.push(`${login.login} (${url}) is also a member of freehold_${other} or freehold_owner: revoke that`)
    if (!login.finds_schema)
      faults.push(
        `${login.login} (${url}) does not find the schema ${schema}: run \`freehold migrate apply\`, or, if that was done, the SQL of \`freehold doctor --roles\``,
      )
    if (!login.in_utc)
      faults.push(
        `${login.login} (${url}) does not work in UTC, so times would be sent wrongly: run the SQL of \`freehold doctor --roles\``,
      )
    if (login.temporary && !login.unbound)
      faults.push(
        'public may create temporary tables, which can shadow real ones: revoke temporary on the database from public',
      )
  }
  if (faults.length > 0) return faults

  const open = await tenant.query<{ relname: string }>(`
    select relname from pg_class c where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and not relispartition
      and not relrowsecurity and not ${isLedger}`)
  for (const { relname } of open.rows)
    faults.push(
      `table ${relname} has no row-level security: declare it with select organization_table('${relname}', …) and migrate; if it is declared like this already, alter table ${relname} enable row level security`,
    )
  const stored = await system.query<{ digest: string | null; has_jobs: boolean }>(
    `select digest, has_schema_privilege(to_regnamespace($1), 'usage') is true as has_jobs
    from ${pg.escapeIdentifier(schema)}.migrations order by number desc limit 1`,
    [quoteSchema(jobSchemaOf(schema))],
  )
  if (stored.rows[0]?.has_jobs === false)
    faults.push(`the job queue's schema ${jobSchemaOf(schema)} is not there: run \`freehold migrate apply\``)
  const expected = stored.rows[0]?.digest
  if (expected === undefined) faults.push('no migration has been applied: run `freehold migrate apply`')
  else if (expected !== null && expected !== (await readDigest(system))) {
    faults.push(
      'policies, grants, views, functions or triggers are not what the migrations made: they were changed by hand; `freehold migrate check` lists the differences',
    )
  }
  return faults
}
