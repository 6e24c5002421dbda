import type pg from 'pg'
import { globalTables, isLedger } from '../src/platform/schema/inspection.ts'

/** Organizations' tables that the system login sees, each with the reason: what has to be known before a gate is asked. */
const forSystem: Readonly<Record<string, string>> = {
  organizations: 'sign-in chooses one, and asks whether it demands a second factor',
  memberships: 'sign-in chooses an organization by them; deleting and restoring an account ends and restores them',
  invitations: 'the link in a mail is opened by an address that belongs to no organization yet',
}

/**
 * What is wrong with tables that are no global ones, in words that say what to do: they escape organization_table(), or the
 * system login sees them without need. `admin` is a superuser's pool with the schema on its path.
 */
export async function inspectTables(admin: pg.Pool): Promise<string[]> {
  const { rows: tables } = await admin.query<{
    name: string
    enabled: boolean
    forced: boolean
    policies: string[]
    triggers: string[]
    for_system: boolean
  }>(`
    select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
      array(select policyname::text from pg_policies where schemaname = current_schema() and tablename = c.relname) as policies,
      array(select tgname::text from pg_trigger where tgrelid = c.oid and not tgisinternal and tgenabled = 'O') as triggers,
      has_table_privilege('freehold_system', c.oid, 'select, insert, update, delete')
        or has_any_column_privilege('freehold_system', c.oid, 'select, insert, update') as for_system
    from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not ${isLedger}
    order by c.relname`)
  const names = new Set(tables.map(({ name }) => name))
  const faults = [...Object.keys(globalTables), ...Object.keys(forSystem)]
    .filter(name => !names.has(name) && name !== 'migrations')
    .map(name => `a list names the table ${name}, which is not there: take it off`)
  for (const { name, enabled, forced, policies, triggers, for_system } of tables) {
    if (name in globalTables) continue
    const seen = name in forSystem
    const missing = [
      ...(enabled && forced ? [] : ['forced row-level security']),
      ...['tenant_read', 'tenant_insert', 'tenant_update', 'tenant_delete', 'maintenance']
        .concat(seen ? ['system_read', 'system_write'] : [])
        .filter(policy => !policies.includes(policy))
        .map(policy => `the policy ${policy}`),
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
