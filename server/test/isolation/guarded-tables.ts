import type pg from 'pg'
import { globalTables, isLedger } from '../../src/platform/schema/inspection.ts'

/**
 * Tables of organizations that the system login can read, each with the reason: they are needed before a gate can be
 * checked.
 */
const forSystem: Readonly<Record<string, string>> = {
  licenses: 'a program that has only the key finds its license, and operators search the licenses of all organizations',
  organizations: 'sign-in chooses one, and checks whether it requires a second factor',
  memberships: 'sign-in chooses an organization by them; deleting an account ends them, and restoring it restores them',
  support_grants: 'operators list the support access to all organizations',
  license_activations: 'a program that holds the key of a license activates its device',
  invitations: 'the link in an email is opened by a user who is not a member yet',
}

interface Guarded {
  name: string
  enabled: boolean
  forced: boolean
  policies: string[]
  triggers: string[]
  /** Commands that a login may use without a policy that allows them: `freehold_tenant insert`. */
  open: string[]
  for_system: boolean
}

/** What each table has of the things that organization_table() adds. */
const guardedSql = `
  select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
    array(select policyname::text from pg_policies where schemaname = current_schema() and tablename = c.relname) as policies,
    array(select tgname::text from pg_trigger where tgrelid = c.oid and not tgisinternal and tgenabled = 'O') as triggers,
    array(select role || ' ' || command from unnest(array['freehold_tenant', 'freehold_system']) role, unnest(array['select', 'insert', 'update', 'delete']) command
      where (has_table_privilege(role, c.oid, command) or case when command <> 'delete' then has_any_column_privilege(role, c.oid, command) end)
        and not exists (select from pg_policies p where p.schemaname = current_schema() and p.tablename = c.relname and role = any (p.roles) and lower(p.cmd) in (command, 'all'))) as open,
    has_table_privilege('freehold_system', c.oid, 'select, insert, update, delete')
      or has_any_column_privilege('freehold_system', c.oid, 'select, insert, update') as for_system
  from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not ${isLedger}
  order by c.relname`

/**
 * The faults of tables that are not global, in messages that say what to do: tables that escape organization_table(),
 * or that the system login can read without need. `admin` is a superuser's pool with the schema on its path.
 */
export async function inspectTables(admin: pg.Pool): Promise<string[]> {
  const { rows: tables } = await admin.query<Guarded>(guardedSql)
  const names = new Set(tables.map(({ name }) => name))
  const faults = [...Object.keys(globalTables), ...Object.keys(forSystem)]
    .filter(name => !names.has(name) && name !== 'migrations')
    .map(name => `a list names the table ${name}, which is not there: take it off`)
  for (const { name, enabled, forced, policies, triggers, open, for_system } of tables) {
    if (name in globalTables) continue
    const seen = name in forSystem
    const missing = [
      ...(enabled && forced ? [] : ['forced row-level security']),
      ...['tenant_read', 'maintenance', ...(seen ? ['system_read'] : [])]
        .filter(policy => !policies.includes(policy))
        .map(policy => `the policy ${policy}`),
      ...open.map(grant => `a policy for ${grant}`),
      ...['touch', 'history', 'still_open']
        .filter(trigger => !triggers.includes(trigger))
        .map(trigger => `the trigger ${trigger}`),
    ]
    if (missing.length > 0)
      faults.push(
        `the table ${name} escapes organization_table(), and lacks ${missing.join(', ')}: declare it with select organization_table('${name}', …), or, when it is no organization's, name it with a reason in globalTables of platform/schema/inspection.ts`,
      )
    if (for_system !== seen)
      faults.push(
        seen
          ? `the table ${name} is on the list of those that the system login sees, which it does not: take it off`
          : `the system login sees the table ${name}: leave \`for_system\` out of organization_table(), or say in guarded-tables.ts why it must`,
      )
  }
  return faults
}
