import type { Change } from './mutations.ts'

// The mutations of policies, as in mutations.ts. The text of a policy is `using (…) with check (…)`.

const setting = `(NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid`
const gate = '( SELECT gate.organization_id FROM gate WHERE gate.reads)'
const self = '( SELECT self.user_id FROM self)'
const writes = (permissions: string): string =>
  `( SELECT gate.organization_id FROM gate WHERE (gate.writes AND (gate.permission = ANY ('{${permissions}}'::text[]))))`
const ofMemberships = 'members:write,organization:leave,organization:transfer,invitations:write'
/** Everyone who names the organization can read it; a caller without a session can read what the session's user can. */
const readByName: Change = [gate, setting]
const readByDead: Change = [self, 'acting_user()']

export const policyChanges: Readonly<Record<string, readonly Change[]>> = {
  'policy organizations.tenant_read': [readByName],
  'policy memberships.tenant_read': [readByName],
  'policy roles.tenant_read': [readByName],
  'policy roles.tenant_insert': [
    [writes('roles:write'), setting],
    ['{roles:write}', '{roles:write,members:write}'],
  ],
  'policy roles.tenant_update': [
    [writes('roles:write'), setting],
    ['{roles:write}', '{roles:write,members:write}'],
  ],
  'policy custom_role_permissions.tenant_insert': [
    [writes('roles:write'), setting],
    ['{roles:write}', '{roles:write,members:write}'],
  ],
  'policy custom_role_permissions.tenant_delete': [
    [writes('roles:write'), setting],
    ['{roles:write}', '{roles:write,members:write}'],
  ],
  'policy custom_role_permissions.tenant_read': [readByName],
  'policy invitations.tenant_read': [readByName],
  'policy projects.tenant_read': [readByName, [gate, 'organization_id']],
  'policy audit_log.tenant_read': [
    ["(gate.permission = 'audit:read'::text) OR ", ''],
    [" OR (gate.permission ~~ 'admin:%'::text)", ''],
    ["'audit:read'", "'projects:read'"],
    ["OR (gate.permission ~~ 'admin:%'::text)", "OR (gate.permission ~~ '%:read'::text)"],
    ["(gate.permission = 'audit:read'::text) OR (gate.permission ~~ 'admin:%'::text)", 'true'],
  ],
  'policy audit_log.history': [['(pg_trigger_depth() > 0) AND ', '']],
  'policy security_events.history': [['pg_trigger_depth() > 0', 'true']],
  'policy users.colleagues': [['c.user_id = users.id', 'c.user_id IS NOT NULL']],
  'policy organizations.leaving': [['WHERE (NOT gate.reads)', '']],
  'policy memberships.leaving': [
    ['(user_id = ( SELECT acting_user() AS acting_user)) OR ', ''],
    [
      " OR (( SELECT current_setting('app.permission'::text, true) AS current_setting) = 'organization:transfer'::text)",
      '',
    ],
    ["'organization:transfer'", "'organization:leave'"],
    ['WHERE (NOT gate.reads)', ''],
  ],
  'policy users.self': [readByDead, ['(id = ', '(id <> ']],
  'policy users.self_update': [['(id = ', '(true OR id = ']],
  'policy sessions.self': [readByDead],
  'policy devices.self': [readByDead],
  'policy identities.self': [readByDead],
  'policy passkeys.self': [readByDead],
  'policy totp_factors.self': [readByDead],
  'policy recovery_codes.self': [readByDead],
  'policy idempotency_keys.self': [readByDead, ['(user_id = ', '(true OR user_id = ']],
  'policy retired_names.self': [['EXISTS ( SELECT FROM self)', 'true']],
  'policy passkeys.self_update': [['(user_id = ', '(true OR user_id = ']],
  'policy sessions.self_revoke': [
    [`using (((user_id = ${self}) AND (revoked_at IS NULL))`, 'using ((revoked_at IS NULL)'],
    [`using (((user_id = ${self}) AND (revoked_at IS NULL))`, `using ((user_id = ${self})`],
    [' AND (revoked_at IS NOT NULL)', ''],
  ],
  'policy sessions.choice': [
    ['using (((id = ( SELECT self.session_id FROM self)) AND ', 'using (('],
    ['check (((id = ( SELECT self.session_id FROM self)) AND ', 'check (('],
  ],
  'policy devices.self_revoke': [
    [`using (((user_id = ${self}) AND (revoked_at IS NULL))`, 'using ((revoked_at IS NULL)'],
    [`using (((user_id = ${self}) AND (revoked_at IS NULL))`, `using ((user_id = ${self})`],
    [' AND (revoked_at IS NOT NULL)', ''],
  ],
  'policy projects.tenant_insert': [
    [writes('projects:write'), setting],
    ['{projects:write}', '{projects:write,members:write}'],
  ],
  'policy projects.tenant_update': [
    [writes('projects:write'), setting],
    ['{projects:write}', '{projects:write,members:write}'],
    ['(organization_id = ', '(true OR organization_id = '],
  ],
  'policy projects.tenant_delete': [
    [writes('projects:write'), setting],
    ['{projects:write}', '{projects:write,members:write}'],
    ["(gate.writes AND (gate.permission = ANY ('{projects:write}'::text[])))", 'true'],
  ],
  'policy invitations.tenant_insert': [
    [writes('invitations:write,admin:users:write'), setting],
    ['{invitations:write,', '{organization:write,invitations:write,'],
  ],
  'policy invitations.tenant_update': [
    [writes('invitations:write,admin:users:write'), setting],
    ["gate.writes AND (gate.permission = ANY ('{invitations:write,admin:users:write}'::text[]))", 'gate.writes'],
  ],
  'policy organizations.tenant_insert': [['{organization:write,', '{members:write,organization:write,']],
  'policy organizations.tenant_update': [
    [writes('organization:write,organization:delete,admin:organizations:write'), setting],
    ['{organization:write,', '{members:write,organization:write,'],
    ['{organization:write,', '{'],
    [',admin:organizations:write', ''],
    ['gate.writes AND', 'gate.writes OR'],
  ],
  'policy organizations.creation': [
    [`(id = ${setting}) AND `, ''],
    ["(COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text) AND ", ''],
    ["(kind = 'team'::text) AND ", ''],
    ['(NOT second_factor_required) AND ', ''],
    ['(suspended_at IS NULL) AND ', ''],
    [' AND (EXISTS ( SELECT FROM self))', ''],
  ],
  'policy memberships.tenant_update': [
    [writes(ofMemberships), setting],
    ['{members:write,', '{projects:write,members:write,'],
    ['organization:leave,', ''],
    ['gate.writes AND', 'gate.writes OR'],
  ],
  'policy memberships.creation': [
    ["(COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text) AND ", ''],
    ["(role = 'owner'::text) AND ", ''],
    [`(user_id = ${self}) AND `, ''],
    [' AND (disabled_at IS NULL)', ''],
  ],
}
