import type { World } from './world.ts'

// The questions to the database, in SQL: the statements run on the tenant login, in the functions that oracle.ts makes
// of them.

type Statements = Readonly<Record<string, readonly string[]>>

/** The visible rows, by the ids that name them. */
const rows = (from: string, name = 'id::text'): string =>
  `coalesce((select string_agg(${name}, ' ' order by ${name} collate "C") from ${from}), '')`

/** What is visible. `q` is the question. */
export const readings: Readonly<Record<string, string>> = {
  gate: rows('gate', `concat_ws(' ', session_id, user_id, organization_id, role, writes::text)`),
  // As platform/database reads it after an empty or refused result.
  verdict: `(select case when q.support_id <> '' then case when supported is not true then 'support-access-ended' when permitted then 'open'
      when second_factor_missing then 'second-factor-required' else 'support-access-limited' end
    when live is not true then 'session-ended'
    when member is not true and q.permission not like 'admin:%' then 'membership-ended' when permitted then 'open'
    when suspended_at is not null then 'organization-suspended' when second_factor_missing then 'second-factor-required'
    when entitlement_missing then 'entitlement-missing' else 'permission-missing' end from gate_state)`,
  self: rows('self', `concat_ws(' ', session_id, user_id, second_factor::text, superuser::text, email_verified::text)`),
  own_invitations: rows('own_invitations', `concat_ws(':', id, role, role_id)`),
  own_organizations: rows(
    'own_organizations',
    `concat_ws(':', id, role, role_id, array_to_string(permissions, ','), (suspended_at is not null)::text, array_to_string(entitlements, ','))`,
  ),
  organizations: rows('organizations'),
  memberships: rows('memberships', 'user_id::text'),
  roles: rows('roles'),
  custom_role_permissions: rows('custom_role_permissions', `role_id || ':' || permission`),
  invitations: rows('invitations'),
  projects: rows('projects'),
  support_grants: rows('support_grants'),
  support_places: rows('support_places'),
  audit_log: rows('audit_log'),
  users: rows('users'),
  sessions: rows('sessions'),
  devices: rows('devices'),
  identities: rows('identities'),
  passkeys: rows('passkeys'),
  totp_factors: rows('totp_factors', 'user_id::text'),
  recovery_codes: rows('recovery_codes', 'user_id::text'),
  idempotency_keys: rows('idempotency_keys', 'user_id::text'),
  retired_names: '(select count(*) from retired_names)::text',
}

const member = 'organization_id = q.place and user_id = q.member'
const self = 'organization_id = q.place and user_id = q.me'
const endOwn = `update memberships set deleted_at = coalesce(deleted_at, now()) where ${self}`
const insertOrganization = (id: string): string =>
  `insert into organizations (id, kind, name, slug, second_factor_required, suspended_at, suspended_reason)
    values (${id}, q.kind, 'x', q.fresh::text, q.flaw = 'organization', case when q.flaw = 'suspended' then now() end,
      case when q.flaw = 'suspended' then 'x' end)`
const team = insertOrganization('q.fresh')

/** What is tried and undone. Statements without `where` reach every row that the policies for writing allow. */
export const writings: Statements = {
  'insert a project': [
    `insert into projects (organization_id, name, slug) values (q.place, 'x', q.fresh::text)`,
    `said := changed || ' by ' || last_actor()`,
  ],
  'update projects': [`update projects set description = 'x'`],
  'update a project': [`update projects set description = 'x' where id = q.project`],
  'lock a project': ['perform from projects where id = q.project for update'],
  'move a project': [
    'update projects set organization_id = q.elsewhere where id = q.project and organization_id <> q.elsewhere',
  ],
  'delete a project': ['delete from projects where id = q.project'],
  'delete projects': ['delete from projects'],
  'ask for support access': [
    `insert into support_grants (organization_id, operator_id, reason) values (q.place, q.person, 'x')`,
  ],
  'grant support access': ['update support_grants set granted_at = now() where id = q.support'],
  'end support access': ['update support_grants set ended_at = now() where id = q.support'],
  'insert an invitation': [
    `insert into invitations (organization_id, email, role, role_id, invited_by, expires_at)
      values (q.place, q.fresh || '@example.com', q.role, q.role_id, q.member, now() + interval '1 day')`,
  ],
  'update invitations': [`update invitations set role = 'viewer', role_id = null`],
  'extend an invitation': [`update invitations set expires_at = now() + interval '2 days' where id = q.invitation`],
  'revoke an invitation': ['update invitations set revoked_at = now() where id = q.invitation'],
  'add a member': [`insert into memberships (organization_id, user_id, role) values (q.place, q.person, q.role)`],
  'title members': [`update memberships set title = 'x'`],
  'give a role': [`update memberships set role = q.role, role_id = q.role_id where ${member}`],
  'disable a member': [`update memberships set disabled_at = coalesce(disabled_at, now()) where ${member}`],
  'end a membership': [`update memberships set deleted_at = coalesce(deleted_at, now()) where ${member}`],
  'end a membership again': [`update memberships set deleted_at = now() + interval '1 second' where ${member}`],
  'restore a member': [`update memberships set disabled_at = null, deleted_at = null where ${member}`],
  'end the own membership': [endOwn],
  'pass the organization on': [
    `update memberships set role = case when user_id = q.me then 'admin' else 'owner' end, role_id = null
      where organization_id = q.place and user_id in (q.me, q.member) and q.permission <> 'members:write'`,
  ],
  'move a member': [`update memberships set organization_id = q.elsewhere where ${member}`],
  'insert a role': [`insert into roles (organization_id, id, name) values (q.place, q.fresh, q.fresh::text)`],
  'rename a role': ['update roles set name = q.fresh::text where id = q.custom'],
  'delete a role': ['update roles set deleted_at = now() where id = q.custom and deleted_at is null'],
  'give a permission': [
    'insert into custom_role_permissions (organization_id, role_id, permission) values (q.place, q.custom, q.word)',
  ],
  'take a permission': ['delete from custom_role_permissions where role_id = q.custom and permission = q.word'],
  'rename organizations': [`update organizations set name = 'x'`],
  'demand a second factor': [
    'update organizations set second_factor_required = not second_factor_required where id = q.place',
  ],
  'suspend or reactivate': [
    `update organizations set suspended_at = case when suspended_at is null then now() end,
      suspended_reason = case when suspended_at is null then 'x' end where id = q.place`,
  ],
  'give a reason': [`update organizations set suspended_reason = 'y' where id = q.place and suspended_at is not null`],
  'close the organization': ['update organizations set deleted_at = now() where id = q.place'],
  'insert an organization': [team],
  'insert an organization again': [insertOrganization('q.place')],
  'create a team': [
    team,
    `insert into memberships (organization_id, user_id, role, disabled_at)
      values (q.fresh, q.person, q.role, case when q.flaw = 'membership' then now() end)`,
    'changed := changed - 1',
  ],
  'update users': [`update users set full_name = 'x'`],
  'update a user': [`update users set full_name = 'x' where id = q.person`],
  'revoke sessions': [`update sessions set revoked_at = now(), revoked_reason = 'x'`],
  'revoke a session': [`update sessions set revoked_at = now() where id = q.session and revoked_at is null`],
  'bring a session back': ['update sessions set revoked_at = null where id = q.session'],
  'choose an organization': ['update sessions set organization_id = q.place where id = q.session'],
  'revoke devices': ['update devices set revoked_at = now()'],
  'revoke a device': ['update devices set revoked_at = now() where id = q.device'],
  'bring a device back': ['update devices set revoked_at = null where id = q.device'],
  'rename passkeys': [`update passkeys set name = 'x'`],
  'insert a key': [
    `insert into idempotency_keys (user_id, route, key, request_hash, result) values (q.person, 'x', q.fresh::text, '', '{}')`,
  ],
  'delete keys': ['delete from idempotency_keys'],
}

/** What no request may do. */
export const forbidden: readonly string[] = [
  'delete from support_grants',
  `insert into audit_log (organization_id, action, entity_type) values (q.place, 'listProjects', 'support')`,
  'delete from invitations',
  'delete from memberships',
  'delete from organizations',
  `update organizations set kind = case kind when 'team' then 'personal' else 'team' end`,
  'update roles set deleted_at = null where deleted_at is not null',
  'delete from roles',
  `insert into custom_role_permissions (organization_id, role_id, permission) values (q.place, q.role_id, 'organization:delete')`,
  `update custom_role_permissions set permission = 'organization:delete'`,
  `delete from custom_role_permissions where permission = 'organization:leave'`,
  `insert into audit_log (organization_id, action, entity_type) values (q.place, 'delete', 'projects')`,
  `update audit_log set action = 'x'`,
  'delete from audit_log',
  `insert into users (email) values (q.fresh || '@example.com')`,
  'update users set superuser = true',
  'delete from users',
  `insert into sessions (user_id, expires_at) values (q.person, now() + interval '1 day')`,
  'update sessions set second_factor_at = now()',
  'delete from sessions',
  'delete from devices',
  'delete from passkeys',
  `insert into security_events (type, user_id) values ('x', q.me)`,
]

/** Changes of another user that happen before the commit. All but the first close the caller's own gate. */
export const lateWritings: Statements = {
  'write late': [
    `update projects set description = 'x'`,
    `update organizations set name = 'x', gate_changed_in = pg_current_xact_id()`,
    `update memberships set title = 'x', gate_changed_in = pg_current_xact_id() where q.permission = 'members:write'`,
    `update devices set revoked_at = now() where q.permission = '' and revoked_at is null`,
    `update roles set name = q.fresh::text where id = q.custom`,
    'if changed > 0 then perform change_meanwhile(q); end if',
  ],
  'leave late': [
    `update memberships set deleted_at = now() where ${self} and deleted_at is null and q.permission = 'organization:leave'`,
    'if changed > 0 then perform change_meanwhile(q); end if',
  ],
  'sign out late': [
    'update sessions set revoked_at = now() where id::text = q.session_id and revoked_at is null',
    'if changed > 0 then perform change_meanwhile(q); end if',
  ],
  'close late': [
    `update organizations set deleted_at = now() where id = q.place and q.permission = 'organization:delete'`,
    'if changed > 0 then perform change_meanwhile(q); end if',
  ],
}

const state = (flag: string): string => `case when ${flag} then now() end`
const hour = `interval '1 hour'`
/** Each table of a world, with the type of its rows and the statement that inserts them. */
export const loads: readonly [of: keyof World, type: string, into: string, values: string][] = [
  [
    'users',
    'id uuid, superuser bool, senior bool, made_by uuid, guest bool, verified bool, disabled bool, deleted bool',
    'users (id, email, superuser, superuser_since, superuser_by, guest, email_verified_at, disabled_at, deleted_at)',
    `id, id || '@example.com', superuser, now() - case when senior then interval '8 days' else interval '6 days' end, made_by, guest, ${state('verified')}, ${state('disabled')}, ${state('deleted')}`,
  ],
  [
    'organizations',
    'id uuid, kind text, second_factor_required bool, suspended bool, deleted bool',
    'organizations (id, kind, name, slug, second_factor_required, suspended_at, suspended_reason, deleted_at)',
    `id, kind, 'o', id, second_factor_required, ${state('suspended')}, case when suspended then 'x' end, ${state('deleted')}`,
  ],
  [
    'roles',
    'id uuid, organization_id uuid, deleted bool',
    'roles (id, organization_id, name, deleted_at)',
    `id, organization_id, id, ${state('deleted')}`,
  ],
  [
    'roles',
    'id uuid, organization_id uuid, permissions text[]',
    'custom_role_permissions (organization_id, role_id, permission)',
    'organization_id, id, unnest(permissions)',
  ],
  [
    'allowances',
    'organization_id uuid, id uuid, entitlements text[], state text, on_expiry text',
    'allowances (organization_id, id, maxima, entitlements, starts_at, expires_at, on_expiry)',
    `organization_id, id, '{}', entitlements, now() + case state when 'future' then ${hour} else - 2 * ${hour} end,
      case state when 'expired' then now() - ${hour} when 'live' then now() + ${hour} end, on_expiry`,
  ],
  ['defaults', 'entitlements text[]', 'default_allowance (maxima, entitlements)', `'{}', entitlements`],
  [
    'memberships',
    'organization_id uuid, user_id uuid, role text, role_id uuid, disabled bool, deleted bool, removed bool',
    'memberships (organization_id, user_id, role, role_id, disabled_at, deleted_at, removed_at)',
    `organization_id, user_id, role, role_id, ${state('disabled')}, ${state('deleted')}, ${state('removed')}`,
  ],
  [
    'sessions',
    'id uuid, user_id uuid, revoked bool, expired bool, second_factor bool',
    'sessions (id, user_id, revoked_at, expires_at, second_factor_at)',
    `id, user_id, ${state('revoked')}, now() + case when expired then - ${hour} else ${hour} end, ${state('second_factor')}`,
  ],
  [
    'projects',
    'id uuid, organization_id uuid',
    'projects (id, organization_id, name, slug)',
    `id, organization_id, 'p', id`,
  ],
  [
    'supports',
    'id uuid, organization_id uuid, operator_id uuid, role text, state text',
    'support_grants (id, organization_id, operator_id, reason, role, created_at, granted_by, granted_at, opens_at, expires_at, ended_at)',
    `id, organization_id, operator_id, 'x', role, case when state = 'stale' then now() - interval '8 days' else now() end,
      case when state not in ('requested', 'stale', 'denied') then id end, ${state(`state not in ('requested', 'stale', 'denied')`)},
      case state when 'scheduled' then now() + ${hour} when 'expired' then now() - 2 * ${hour} when 'open' then now() when 'ended' then now() end,
      case state when 'scheduled' then now() + 2 * ${hour} when 'expired' then now() - ${hour} when 'open' then now() + ${hour} when 'ended' then now() + ${hour} end,
      ${state(`state in ('ended', 'denied')`)}`,
  ],
  [
    'invitations',
    'id uuid, organization_id uuid, invited_by uuid, "to" uuid, role text, role_id uuid, state text',
    'invitations (id, organization_id, email, role, role_id, invited_by, expires_at, revoked_at, accepted_at)',
    `id, organization_id, "to" || '@example.com', role, role_id, invited_by, now() + case when state = 'expired' then - ${hour} else ${hour} end,
      ${state(`state = 'revoked'`)}, ${state(`state = 'accepted'`)}`,
  ],
  [
    'history',
    'id uuid, organization_id uuid',
    'audit_log (id, organization_id, action, entity_type)',
    `id, organization_id, 'insert', 'projects'`,
  ],
  [
    'devices',
    'id uuid, user_id uuid, revoked bool',
    'devices (id, user_id, revoked_at)',
    `id, user_id, ${state('revoked')}`,
  ],
  [
    'fixtures',
    'id uuid, user_id uuid',
    'identities (id, user_id, provider, issuer, subject)',
    `id, user_id, 'p', 'i', id`,
  ],
  [
    'fixtures',
    'id uuid, user_id uuid',
    'passkeys (id, user_id, credential_id, public_key, name)',
    `id, user_id, uuid_send(id), '', 'p'`,
  ],
  ['fixtures', 'user_id uuid', 'totp_factors (user_id, secret)', `user_id, ''`],
  ['fixtures', 'user_id uuid', 'recovery_codes (user_id, code_hash)', `user_id, ''`],
  [
    'fixtures',
    'user_id uuid',
    'idempotency_keys (user_id, route, key, request_hash, result)',
    `user_id, 'r', 'k', '', '{}'`,
  ],
]
