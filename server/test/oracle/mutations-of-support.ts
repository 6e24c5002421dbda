import type { Change } from './mutations.ts'

// Changes of what concerns support access: the gate, its own rules, and what it does not reach.

const none = "(COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)"
const reached: Change = [none, 'true']

export const supportChanges: Readonly<Record<string, readonly Change[]>> = {
  'view own_account': [[` AND ${none}`, '']],
  'view gate': [
    [` AND ${none}`, ''],
    [`WHEN ${none} THEN 'superuser'::text`, "WHEN true THEN 'superuser'::text"],
    [`WHEN ${none} THEN 'superuser'::text`, "WHEN false THEN 'superuser'::text"],
    ["('support-'::text || support_role())", "'support-member'::text"],
    ["('support-'::text || support_role())", 'support_role()'],
  ],
  'view gate_state': [['support_role() IS NOT NULL', 'true']],
  'view support_places': [[' WHERE self.superuser', '']],
  'function support_role': [
    [' and o.deleted_at is null', ''],
    ['s.user_id = g.operator_id and ', ''],
    ['and s.revoked_at is null ', ''],
    [' and s.expires_at > now()', ''],
    ['u.id = g.operator_id and u.superuser and', 'u.id = g.operator_id and'],
    [' and u.disabled_at is null', ''],
    [' and u.deleted_at is null where', ' where'],
    ["g.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and ", ''],
    ["and g.id = nullif(current_setting('app.support_id', true), '')::uuid ", ''],
    ['g.opens_at <= now() and ', ''],
    ['g.expires_at > now() and ', ''],
    ['and g.ended_at is null', ''],
  ],
  'function gate_is_open': [["'') <> '' then return exists (select from gate);", "'') <> '' then return true;"]],
  'function record_change': [['coalesce(support, acting_user()', 'coalesce(acting_user()']],
  'function guard_support_grant': [
    ['not of_operators or new.operator_id', 'new.operator_id'],
    ['new.operator_id is distinct from actor or ', ''],
    ['old.ended_at is not null or ', ''],
    ['old.expires_at <= now() or ', ''],
    ["old.granted_at is null and old.created_at < now() - interval '7 days' or ", ''],
    ['or old.granted_at is not null and not ends', ''],
    ['if actor = old.operator_id then', 'if false then'],
    ['if of_operators and not exists', 'if false and not exists'],
    ["u.superuser_since <= now() - interval '7 days' and ", ''],
    [' and u.superuser_by is distinct from old.operator_id', ''],
  ],
  'policy memberships.support': [reached],
  'policy invitations.support': [reached],
  'policy roles.support': [reached],
  'policy custom_role_permissions.support': [reached],
  'policy support_grants.support': [reached],
  'policy support_grants.tenant_insert': [['support:write,admin:support:write', 'support:write']],
  'policy support_grants.tenant_update': [['support:write,admin:support:write', 'admin:support:write']],
}
