import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { globalTables, isLedger } from '../src/platform/schema/inspection.ts'
import { inspectTables } from './isolation/guarded-tables.ts'
import { createTestApp } from './test-app.ts'
import { testDatabase } from './test-database.ts'

// The rules for every table, function, view and role, including future ones, read from the catalog. Each list of exceptions gives its reasons and may not become stale. How each was made to fail:
// docs/testing.md.

const app = await createTestApp()
const { admin } = app
const urls = testDatabase()

/** The values of a query with one column. */
const lines = async (sql: string, values: unknown[] = []): Promise<string[]> =>
  (await admin.query<{ line: string }>(sql, values)).rows.map(({ line }) => line)
const schema = `'freehold'::regnamespace`
const globals = Object.keys(globalTables)

test('every table is guarded by organization_table() or is on the list of global tables with a reason', async () => {
  assert.deepEqual(await inspectTables(admin), [])
})

test('every global table that the tenant login may use has row-level security', async () => {
  assert.deepEqual(
    await lines(`select relname as line from pg_class c where relnamespace = ${schema} and relkind in ('r', 'p') and not relrowsecurity
      and not ${isLedger} -- says which migrations ran, and names nobody
      and (has_table_privilege('freehold_tenant', oid, 'select, insert, update, delete, truncate, references, trigger') or has_any_column_privilege('freehold_tenant', oid, 'select, insert, update, references'))`),
    [],
  )
})

test('a policy for everyone is allowed only for triggers', async () => {
  // A policy to public also applies to the gate's own view; if it used the gate, that would recurse infinitely.
  const open =
    await lines(`select tablename || ': ' || policyname as line from pg_policies where schemaname = 'freehold' and 'public' = any (roles)
    and (cmd <> 'INSERT' or with_check not like '%pg_trigger_depth() > 0%')`)
  assert.deepEqual(open, [])
  const blanket =
    await lines(`select tablename || ': ' || policyname as line from pg_policies where schemaname = 'freehold' and 'freehold_tenant' = any (roles)
    and (coalesce(qual, with_check) = 'true' or with_check = 'true')`)
  assert.deepEqual(blanket, [])
})

test("keys and unique constraints of an organization's table begin with organization_id", async () => {
  const keys = await lines(
    `select format('%s: %s', i.indrelid::regclass, pg_get_indexdef(i.indexrelid)) as line
    from pg_index i join pg_class c on c.oid = i.indrelid join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
    where c.relnamespace = ${schema} and c.relkind in ('r', 'p') and not c.relispartition and i.indisunique and a.attname <> 'organization_id'
      and c.relname <> 'organizations' and (c.relname <> all ($1) or c.relname = 'audit_log')`,
    [globals],
  )
  assert.deepEqual(keys, [])
  const nullable = await lines(
    `select attrelid::regclass::text as line from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace = ${schema} and c.relkind in ('r', 'p') and c.relname <> all ($1) and attname = 'organization_id' and not attnotnull`,
    [globals],
  )
  assert.deepEqual(nullable, [])
})

/** Keys of an organization's table that do not lead into the same organization, each with the reason. */
const plainKeys: Readonly<Record<string, string>> = {
  licenses_plan_fkey: 'plans belong to no organization: operators define them',
  memberships_user_id_fkey: 'a membership connects a user with an organization: all other tables refer to it',
}

/** Tables that only triggers write, and that have the rows of organizations all the same. */
const ofOrganizations = ['allowances', 'limit_usage']

test('a foreign key stays within the organization, refers to users through memberships, and is indexed', async () => {
  const { rows: keys } = await admin.query<{
    name: string
    child: string
    parent: string
    columns: string[]
    targets: string[]
    action: string
    emptied: string[] | null
    indexed: boolean
  }>(`
    select k.conname as name, k.conrelid::regclass::text as child, k.confrelid::regclass::text as parent, k.confdeltype as action,
      (select array_agg(a.attname::text) from unnest(k.confdelsetcols) num join pg_attribute a on a.attrelid = k.conrelid and a.attnum = num) as emptied,
      (select array_agg(a.attname::text order by n) from unnest(k.conkey) with ordinality u (num, n) join pg_attribute a on a.attrelid = k.conrelid and a.attnum = num) as columns,
      (select array_agg(a.attname::text order by n) from unnest(k.confkey) with ordinality u (num, n) join pg_attribute a on a.attrelid = k.confrelid and a.attnum = num) as targets,
      exists (select from pg_index i where i.indrelid = k.conrelid
        -- a partial one serves where it leaves out only rows that refer to nothing
        and (i.indpred is null or exists (select from pg_attribute a where a.attrelid = k.conrelid and a.attnum = any (k.conkey)
          and pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname)))
        and (string_to_array(i.indkey::text, ' ')::int[])[1:cardinality(k.conkey)] @> k.conkey::int[]) as indexed
    from pg_constraint k where k.contype = 'f' and k.connamespace = ${schema}`)
  const used = new Set<string>()
  for (const { name, child, parent, columns, targets, action, indexed, emptied } of keys) {
    assert.ok(
      indexed,
      `${child}: ${name} (${columns.join(', ')}) has no index, so a deletion in ${parent} reads all of ${child}`,
    )
    const fromGlobal = globals.includes(child) && !ofOrganizations.includes(child)
    const toGlobal = globals.includes(parent)
    if (fromGlobal) assert.ok(toGlobal, `${name}: a global table must not point into an organization`)
    else if (parent === 'organizations') assert.deepEqual([columns, targets], [['organization_id'], ['id']], name)
    else if (toGlobal) {
      assert.ok(
        name in plainKeys,
        `${name}: ${child} points at ${parent}: refer to users by (organization_id, user_id) through memberships`,
      )
      used.add(name)
    } else
      assert.deepEqual(
        [columns[0], targets[0], columns.length > 1],
        ['organization_id', 'organization_id', true],
        `${name} must be a pair, or more columns, and begin with organization_id`,
      )
    assert.ok(
      action !== 'n' || emptied?.includes('organization_id') === false,
      `${name}: on delete set null would empty organization_id too: name the other column`,
    )
  }
  assert.deepEqual(
    Object.keys(plainKeys).filter(name => !used.has(name)),
    [],
  )
})

/** Such columns without a key, each with the reason. */
const unkeyedColumns: Readonly<Record<string, string>> = {
  'support_grants.operator_id': 'an operator, who has no membership',
  'support_grants.granted_by': 'a member or, in an emergency, an operator',
  'support_grants.ended_by': 'a member or an operator',
  'licenses.transferred_from': 'the license of another organization; only operators see it',
  'licenses.transferred_to': 'the same, in the other direction',
}

test("a column that names an organization, a user or a session in an organization's table has a foreign key", async () => {
  const unkeyed = await lines(
    `select format('%s.%s', c.relname, a.attname) as line from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace = ${schema} and c.relkind in ('r', 'p') and c.relname <> all ($1) and a.attnum > 0 and a.atttypid = 'uuid'::regtype and a.attname <> 'id'
      and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'f' and a.attnum = any (k.conkey))`,
    [globals],
  )
  assert.deepEqual(unkeyed.toSorted(), Object.keys(unkeyedColumns).toSorted())
})

test('a partition has no grants and is used only through its parent', async () => {
  const partitions = await lines(
    `select relname as line from pg_class where relnamespace = ${schema} and relispartition and relkind = 'r'`,
  )
  assert.ok(partitions.length > 0)
  for (const role of ['freehold_tenant', 'freehold_system', 'public']) {
    for (const name of partitions) {
      const [granted] = await lines(
        `select (has_table_privilege($1, $2, 'select, insert, update, delete, truncate, references, trigger') or has_any_column_privilege($1, $2, 'select, insert, update, references'))::text as line`,
        [role, `freehold.${name}`],
      )
      assert.equal(granted, 'false', `${role} has a grant on ${name}`)
    }
  }
})

/** Functions that run with the owner's rights, each with the reason. None writes a table of an organization. */
const definers: Readonly<Record<string, string>> = {
  keep_an_owner: 'counts the remaining owners, which the leaving owner can no longer see; reads only',
  lock_revocation: 'locks, and checks the gate of a caller who changes rows that a gate reads; reads only',
  log_operation: 'records the operation of an operator, which no login may write',
  still_open: 'checks the gate again at the commit; reads only',
  acting_user: 'names the user of the session that the settings name; reads only',
  guard_membership: 'checks by the gate who may decide about owners; reads only',
  is_entitled: 'says to the gate whether the organization has the entitlement of the route; reads only',
  is_way_out: 'checks for the gate whether there is another owner; reads only',
  guard_guest: 'checks whether a member is a guest, whom the caller may not see; reads only',
  make_invitation_link: 'creates the token of a link, which the login of the request may not read',
  spend_invitation_links: 'ends the tokens of the links of a changed invitation',
  guard_creation:
    'checks whether an organization that is being created has members, which no gate shows yet; reads only',
  addresses_in_trigger: 'all addresses of an account, for a trigger that revokes invitations; reads only',
  tell_restored_member: 'writes the event and the email of a restored membership into tables that no request writes',
  mail_invitation: 'creates the link of an invitation and its email, which the inviting login may not read',
  keep_member_words: 'writes the words of all memberships of a user, also those that the caller cannot see',
  keep_words_of_membership: 'the same, when a membership begins, changes or ends',
  keep_words_of_account: 'the same, when a name or the address changes',
  lock_account: 'locks the account of a membership that changes; reads only',
  hold_accounts: 'locks accounts of members of the current organization in the lock order; reads only',
  erase_history: 'replaces the audit log of a deleted organization by one entry; no login may delete entries',
  permissions_of: 'the permissions of a role, which no login may read beside the gate; reads only',
  support_role: 'says to the gate whether a support access is open, and with which role; reads only',
  guard_support_grant:
    'checks who may grant support access, by columns of accounts that requests may not read; reads only',
  keep_contesting_owner: 'reads support access to organizations in which the changed user is an owner; raises only',
  tell_owners_of_support: 'calls tell_owners',
  record_support_request:
    'records a request under support access, since only triggers may otherwise write the audit log',
  guard_role: 'compares a role with that of the user, and counts its holders; reads only',
  guard_role_permission: 'compares a permission with the role of the user; reads only',
  guard_role_of_member: 'compares the role of a member with that of the user; reads only',
  keep_role: 'locks the role that a member gets, as the login that adds members may not; changes nothing',
  guard_invited_role: 'calls require_offerable_role',
  require_offerable_role: 'compares the offered role with that of the user, and locks it; changes nothing',
  refusal_of_offer: 'the same for many roles at once; reads only',
  keep_invited_role: 'counts the invitations that offer a role; reads only',
  count_rows: 'counts the rows of a statement against a quota, which the caller does not see',
  count_seats: 'counts the seats that a change of memberships takes or frees',
  count_seats_of_account: 'the same, when a guest becomes a full account',
  has_seat: 'whether a membership that is restored finds a seat; reads only',
  fence_seats: 'locks the keys of limits before those of a gate; reads nothing',
  guard_allowance: 'locks the keys of the gates that an allowance may close; changes nothing',
  limits_in_gate: 'the limits of the organization in the gate, and what is used of them; reads only',
  keep_allowance: 'turns an active license into an allowance, which no login writes',
  keep_default_allowance: 'turns the default plan into the default allowance, which no login writes',
  keep_a_superuser: 'counts the superusers, whom the login of a user cannot see; reads only',
  guard_new_guest: 'reads the roles of an account that becomes a guest; reads only',
  account_words:
    'computes the words of an account, for an index that every change of an account updates; reads nothing',
  account_search: 'computes a search from words; reads nothing',
  tell_owners: 'notifies the owners of an organization, whom the caller may not see, and enqueues the emails',
  tell_owners_of_suspension: 'calls tell_owners',
  tell_owners_of_invitation: 'calls tell_owners',
  tell_owners_of_owner: 'calls tell_owners',
  tell_owners_of_organization: 'calls tell_owners',
}

/** Functions that write with the owner's rights, and the tables: none of an organization. */
const writers: Readonly<Record<string, string>> = {
  mail_invitation: 'one_time_tokens one_time_tokens',
  make_invitation_link: 'one_time_tokens one_time_tokens',
  spend_invitation_links: 'one_time_tokens',
  log_operation: 'operator_log',
  tell_restored_member: 'security_events',
  tell_owners: 'security_events',
  keep_member_words: 'member_words member_words',
  keep_words_of_membership: 'member_words',
  erase_history: 'audit_log audit_log',
  record_support_request: 'audit_log',
  keep_allowance: 'allowances allowances',
  keep_default_allowance: 'default_allowance default_allowance',
}

/** Functions that the logins may call; a trigger function needs no grant to run. */
const callable: Readonly<Record<string, string>> = {
  fold_text: 'called by search_words and word_beginnings; reads nothing',
  search_words: 'returns the words of a search; reads nothing',
  word_beginnings: 'called by organization_words; reads nothing',
  organization_words:
    'computes the words of an organization, for an index that each change of one updates; reads nothing',
  new_id: 'the default of every id',
  acting_user: 'called by the audit log triggers; returns only the caller',
  lock_key: 'computes a number from texts; reads nothing',
  support_role: 'called by the gate; answers only for the access that the settings name',
  is_entitled: 'called by the gate; answers only to members of the organization and to superusers',
  is_way_out: 'called by the gate; answers only for the caller',
  addresses_in_trigger: 'returns nothing outside of a trigger',
  log_operation: 'records an operation of the calling superuser; for anyone else, it fails',
  hold_users: 'locks keys of users in the lock order; reads nothing',
  account_words:
    'computes the words of an account, for an index that every change of an account updates; reads nothing',
  record_event:
    'called by triggers with the rights of the caller; elsewhere the policy of security_events refuses the tenant login',
  license_status: 'compares a status with the time; reads nothing',
  changed_names: 'called by the audit log trigger with the rights of the caller; reads nothing',
}

/** Functions that only the tenant login may call. */
const callableByTenant: Readonly<Record<string, string>> = {
  record_support_request: 'adds an entry about the support access that the settings name, if it is open',
  limits_in_gate: 'the limits of the organization in the gate; reads only',
  hold_structure: "locks the key of an organization's structure in the lock order; reads nothing",
  hold_accounts: 'locks accounts of members of the current organization; returns only its argument',
  refusal_of_offer: 'compares a role of the current organization with that of the caller; reads only',
  require_own_permissions: 'names permissions that the caller lacks, which the own organizations show too; reads only',
}

/** Functions that only the system login may call. */
const callableBySystem: Readonly<Record<string, string>> = {
  has_seat: 'whether a membership that is restored finds a seat, in the restoration of an account',
  hold_transfer: 'locks a license that moves, and the keys of both organizations, in the lock order; reads nothing',
  permissions_of: 'the permissions of an invited role and of the inviter, in the acceptance of an invitation',
  lock_place: 'locks the rows that joining an organization needs, as the login that adds members',
  mail_sender: 'returns the sender whose quota an email counts in; reads settings',
  mail_client: 'returns the client that an email counts for; reads settings',
  lock_mails: 'locks the count of emails to an address, which only the service makes',
  is_over_mail_quota: 'counts emails to an address in a table that the tenant login cannot read',
  enqueue_job: 'adds a job to the queue, whose tables the tenant login cannot read',
  reserve_guess: 'counts a guess before it is verified, in a table that the tenant login cannot read',
  settle_guess: 'records the result of a guess, and starts a lockout',
  take_guess: 'one counter of reserve_guess',
  settle_throttle: 'one counter of settle_guess',
  open_throttle: 'reads a counter and locks its row',
  keep_throttle: 'writes a counter',
  lock_throttle: 'starts a lockout, and notifies the user',
  find_license: 'the license of a key, which is the credential of a program; reads only',
  activations_allowed: 'computes a number from a license; reads nothing',
  activation_end: 'computes a time from a license; reads nothing',
  activate_license: 'writes an activation of the license with the given key',
  beat_license: 'renews an activation of the license with the given key, also for issue_license_file',
  deactivate_license: 'deletes an activation of the license with the given key',
  count_activations: 'counts the activations of a license that count now',
  start_license: 'notes the first validation of the license with the given key',
  issue_license_file: 'renews an activation of the license with the given key, and returns what its file says',
  hold_limits: 'locks the keys of the limits of an organization in the lock order; reads nothing',
  hold_superusers: 'locks the key of the superusers in the lock order; reads nothing',
  account_search: 'the same, for version 0.5.0',
  words_wanted: 'computes a search from words; reads nothing',
}

test('functions are not executable by everyone, pin their search_path, and only listed ones run as the owner', async () => {
  const { rows: functions } = await admin.query<{
    name: string
    definer: boolean
    path: string | null
    public: boolean
    tenant: boolean
    system: boolean
    body: string
  }>(`
    select proname as name, prosecdef as definer, (select setting from unnest(proconfig) setting where setting like 'search_path=%') as path,
      has_function_privilege('public', oid, 'execute') as public, has_function_privilege('freehold_tenant', oid, 'execute') as tenant,
      has_function_privilege('freehold_system', oid, 'execute') as system, prosrc as body
    from pg_proc where pronamespace = ${schema}`)
  for (const { name, definer, path, public: open, tenant, system, body } of functions) {
    assert.ok(!open, `${name}: revoke execute on function ${name} from public`)
    assert.match(
      path ?? '',
      /^search_path=(freehold|pg_catalog), pg_temp$/,
      `${name} must pin its search_path, pg_temp last`,
    )
    assert.equal(definer, name in definers, `${name}: security definer and the list must agree`)
    assert.deepEqual(
      [tenant, system],
      [name in callable || name in callableByTenant, name in callable || name in callableBySystem],
      `${name}: grants and the lists must agree`,
    )
    if (!definer) continue
    const written = [...body.matchAll(/\b(?:insert\s+into|delete\s+from|update(?=\s+\w+\s+set))\s+(\w+)/gi)].map(
      ([, table]) => table,
    )
    assert.deepEqual(written, writers[name]?.split(' ') ?? [], `${name} runs as the owner and may only read`)
    assert.doesNotMatch(body, /\b(truncate|execute)\b/i, `${name} runs as the owner and may only read`)
    for (const table of written)
      assert.ok(globals.includes(table!), `${name} writes an organization's table as the owner`)
  }
  const names = functions.map(({ name }) => name)
  assert.deepEqual(
    [definers, writers, callable, callableByTenant, callableBySystem]
      .flatMap(list => Object.keys(list))
      .filter(name => !names.includes(name)),
    [],
  )
})

test("every view that a login may read is a security barrier and does not use the invoker's rights", async () => {
  const views =
    await lines(`select relname as line from pg_class where relnamespace = ${schema} and relkind in ('v', 'm')
    and (has_any_column_privilege('freehold_tenant', oid, 'select') or has_any_column_privilege('freehold_system', oid, 'select'))`)
  assert.ok(views.includes('gate'))
  const leaky = await lines(
    `select relname as line from pg_class where relnamespace = ${schema} and relname = any ($1)
      and (relkind = 'm' or not coalesce(reloptions, '{}') @> '{security_barrier=true}' or coalesce(reloptions, '{}') @> '{security_invoker=true}')`,
    [views],
  )
  assert.deepEqual(leaky, [])
  assert.deepEqual(
    await lines(
      `select relname as line from pg_class where relnamespace = ${schema} and relkind in ('v', 'm') and has_any_column_privilege('freehold_tenant', oid, 'insert, update')`,
    ),
    [],
  )
})

/**
 * Every column of a global table that the tenant login may read. When you add a column to such a table, decide here
 * whether requests may read it; never list a hash or a secret.
 */
const readable: Readonly<Record<string, readonly string[]>> = {
  organization_daily_stats: [
    'organization_id',
    'day',
    'sign_ins',
    'active_members',
    'invitations_sent',
    'invitations_accepted',
    'changes',
  ],
  license_plans: [
    'id',
    'code',
    'name',
    'description',
    'is_default',
    'seats',
    'max_activations',
    'overage_percent',
    'quotas',
    'entitlements',
    'activation',
    'heartbeat_seconds',
    'heartbeat_grace_seconds',
    'duration_days',
    'expiry_basis',
    'on_expiry',
    'created_at',
    'updated_at',
    'version',
  ],
  migrations: ['number', 'name', 'checksum', 'applied_at', 'digest'],
  users: [
    'id',
    'email',
    'username',
    'given_name',
    'family_name',
    'full_name',
    'superuser',
    'guest',
    'email_verified',
    'locale',
    'disabled_at',
    'deleted_at',
    'erased_at',
    'created_at',
    'updated_at',
    'version',
  ],
  sessions: [
    'id',
    'user_id',
    'organization_id',
    'authenticated_at',
    'methods',
    'second_factor_at',
    'device_id',
    'user_agent',
    'ip',
    'created_at',
    'last_seen_at',
    'expires_at',
    'revoked_at',
    'revoked_reason',
  ],
  devices: ['id', 'user_id', 'user_agent', 'ip', 'trusted_until', 'created_at', 'last_seen_at', 'revoked_at'],
  identities: ['id', 'user_id', 'provider', 'issuer', 'subject', 'email', 'created_at', 'last_used_at'],
  preferences: [
    'user_id',
    'theme',
    'language',
    'time_zone',
    'date_format',
    'time_format',
    'editor_font_size',
    'editor_tab_size',
    'editor_word_wrap',
    'terminal_font_size',
    'custom',
    'created_at',
    'updated_at',
    'version',
  ],
  totp_factors: ['user_id', 'confirmed_at'],
  recovery_codes: ['user_id', 'used_at'],
  passkeys: [
    'id',
    'user_id',
    'credential_id',
    'name',
    'transports',
    'backed_up',
    'created_at',
    'updated_at',
    'last_used_at',
    'version',
  ],
  retired_names: ['digest'],
  member_words: ['organization_id', 'user_id', 'kind', 'word', 'role', 'status'],
  idempotency_keys: ['user_id', 'route', 'key', 'organization_id', 'request_hash', 'result', 'created_at'],
  audit_log: [
    'organization_id',
    'id',
    'transaction',
    'sequence',
    'actor_id',
    'session_id',
    'request_id',
    'ip',
    'user_agent',
    'action',
    'entity_type',
    'entity_id',
    'before',
    'after',
    'operator_id',
  ],
}

const SECRET = /password|passwd|hash|secret|token|private|credential|api_key|salt|otp|recovery|cipher|encrypted/

/** Columns whose names look secret and are not. */
const harmless: Readonly<Record<string, string>> = {
  'idempotency_keys.request_hash': 'recognizes a repeated request; the own rows only',
  'passkeys.credential_id': 'what browsers know it by, and no secret; the own rows only',
  'totp_factors.user_id': 'whose authenticator app it is; the own row only',
  'totp_factors.confirmed_at': 'when it was enabled; the own row only',
  'recovery_codes.user_id': 'whose code it is; the own rows only',
  'recovery_codes.used_at': 'how many are left; the own rows only',
}

test('the tenant role reads no password hash, token hash or secret', async () => {
  const columns =
    await lines(`select format('%s.%s', c.relname, a.attname) as line from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = ${schema} and c.relkind in ('r', 'p', 'v', 'm', 'f') and has_column_privilege('freehold_tenant', c.oid, a.attnum, 'select')`)
  assert.ok(columns.includes('projects.name'))
  assert.deepEqual(
    columns.filter(column => SECRET.test(column) && !(column in harmless)),
    [],
  )
  const ofGlobals = columns.filter(column => globals.includes(column.split('.')[0]!)).sort()
  assert.deepEqual(
    ofGlobals,
    Object.entries(readable)
      .flatMap(([table, names]) => names.map(name => `${table}.${name}`))
      .sort(),
  )
  const written = await lines(
    `select format('%s.%s', c.relname, a.attname) as line from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = ${schema} and c.relname = any ($1) and has_column_privilege('freehold_tenant', c.oid, a.attnum, 'insert, update')`,
    [globals.filter(name => !['idempotency_keys', 'audit_log', 'security_events'].includes(name))],
  )
  assert.deepEqual(written.sort(), [
    'devices.revoked_at',
    'passkeys.name',
    'preferences.custom',
    'preferences.date_format',
    'preferences.editor_font_size',
    'preferences.editor_tab_size',
    'preferences.editor_word_wrap',
    'preferences.language',
    'preferences.terminal_font_size',
    'preferences.theme',
    'preferences.time_format',
    'preferences.time_zone',
    'sessions.organization_id',
    'sessions.revoked_at',
    'sessions.revoked_reason',
    'users.family_name',
    'users.full_name',
    'users.given_name',
    'users.last_organization_id',
    'users.locale',
    'users.username',
  ])
})

test('the audit log stores no secrets and only columns that exist', async () => {
  const kept =
    await lines(`select format('%s.%s', c.relname, field) as line from pg_trigger t join pg_class c on c.oid = t.tgrelid,
      unnest((string_to_array(encode(t.tgargs, 'escape'), '\\000'))[2]::text[]) field
    where c.relnamespace = ${schema} and t.tgname = 'history'`)
  assert.ok(kept.includes('projects.name'))
  assert.deepEqual(
    kept.filter(column => SECRET.test(column)),
    [],
  )
  const columns = await lines(
    `select format('%s.%s', c.relname, a.attname) as line from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped where c.relnamespace = ${schema}`,
  )
  assert.deepEqual(
    kept.filter(column => !columns.includes(column)),
    [],
  )
})

test('logins and roles have no rights of their own, and no superuser owns the schema', async () => {
  const logins = [urls.tenantUrl, urls.systemUrl].map(url => decodeURIComponent(new URL(url).username))
  const powers = await lines(
    `select rolname as line from pg_roles where rolname = any ($1) and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
    union all select rolname from pg_roles where rolname in ('freehold_tenant', 'freehold_system', 'freehold_owner') and rolcanlogin`,
    [logins],
  )
  assert.deepEqual(powers, [])
  const members = await lines(
    `select format('%s in %s', m.rolname, r.rolname) as line from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles r on r.oid = a.roleid
    where m.rolname = any ($1) or m.rolname in ('freehold_tenant', 'freehold_system', 'freehold_owner')`,
    [logins],
  )
  assert.deepEqual(members.sort(), [`${logins[1]} in freehold_system`, `${logins[0]} in freehold_tenant`].sort())
  const owners = await lines(
    `select distinct r.rolname as line from pg_class c join pg_roles r on r.oid = c.relowner where c.relnamespace = ${schema} and (r.rolsuper or r.rolbypassrls or r.rolname = any ($1))`,
    [logins],
  )
  assert.deepEqual(owners, [])
  const grants = await lines(
    `select format('public: %s on %s', acl.privilege_type, c.relname) as line from pg_class c, aclexplode(c.relacl) acl where c.relnamespace = ${schema} and acl.grantee = 0`,
  )
  assert.deepEqual(grants, [])
  for (const login of logins) {
    const [can] = await lines(
      `select (has_schema_privilege($1, 'freehold', 'create') or has_schema_privilege($1, 'public', 'create') or has_database_privilege($1, 'freehold', 'create, temporary'))::text as line`,
      [login],
    )
    assert.equal(can, 'false', `${login} can create something`)
  }
})

test('the logins cannot connect to the default databases of the cluster', async () => {
  const others = await lines(
    `select datname as line from pg_database where datname in ('postgres', 'template0', 'template1')`,
  )
  assert.equal(others.length, 3)
  for (const url of [urls.tenantUrl, urls.systemUrl]) {
    for (const name of others) {
      const elsewhere = new URL(url)
      elsewhere.pathname = `/${name}`
      const client = new pg.Client({ connectionString: elsewhere.href })
      const refusal = await client.connect().then(
        () => undefined,
        (error: pg.DatabaseError) => error.code,
      )
      await client.end().catch(() => {})
      assert.ok(refusal === '42501' || refusal === '55000', `${elsewhere.username} reached ${name}`)
    }
  }
})
