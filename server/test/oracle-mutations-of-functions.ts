import type { Change } from './oracle-mutations.ts'

// The mutations of functions and triggers, as in oracle-mutations.ts. Those that only a second connection could show, such
// as asking the gate before a lock is waited for, are not among them: see revocation.test.ts.

/** The whole trigger. */
const dropped: Change = ['', '']

export const functionChanges: Readonly<Record<string, readonly Change[]>> = {
  'function acting_user': [['where id =', 'where id <>']],
  'function record_change': [
    [
      "coalesce(acting_user(), (context ->> 'user_id')::uuid)",
      "coalesce((context ->> 'user_id')::uuid, acting_user())",
    ],
  ],
  'function is_way_out': [
    ["'organization:leave', ", ''],
    ["'organization:transfer', ", ''],
    [", 'organization:delete'", ''],
    ["'organization:delete'", "'organization:write'"],
  ],
  'function keep_gate_changed_in': [['then old.gate_changed_in', 'then new.gate_changed_in']],
  'function lock_revocation': [['new.gate_changed_in := pg_current_xact_id();', '']],
  'function still_open': [
    ['if gate_is_open() then', 'if true then'],
    ['if gate_is_open() then', 'if not gate_is_open() then'],
  ],
  'function gate_is_open': [
    // by the session alone
    ['and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())', 'and s.expires_at > now()'],
    ['s.revoked_at is null and s.expires_at > now()', 's.expires_at > now()'],
    ['s.revoked_at is null and s.expires_at > now()', 's.revoked_at is null'],
    ['u.disabled_at is null and u.deleted_at is null)); end if', 'u.deleted_at is null)); end if'],
    ['u.disabled_at is null and u.deleted_at is null)); end if', 'u.disabled_at is null)); end if'],
    ["wanted = '' then return exists", "wanted <> '' then return exists"],
    // by the gate
    ['return exists (select from gate) or', 'return'],
    ['return exists (select from gate) or', 'return exists (select from self) or'],
    ['exists (select from gate) or exists', 'exists (select from gate) and exists'],
    // what this very transaction has closed
    ['o.gate_changed_in, m.gate_changed_in)', 'o.gate_changed_in)'],
    ['o.gate_changed_in, m.gate_changed_in)', 'm.gate_changed_in)'],
    [
      "'')::uuid and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now()) and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null) and (o.",
      "'')::uuid and (o.",
    ],
    [
      '(u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null) and (o.',
      '(u.gate_changed_in = own or u.deleted_at is null) and (o.',
    ],
    ['(o.gate_changed_in = own or o.deleted_at is null and', '(o.deleted_at is null and'],
    ['(o.gate_changed_in = own or o.deleted_at is null and', '(o.gate_changed_in = own or'],
    [
      'o.deleted_at is null and (s.gate_changed_in = own or s.second_factor_at is not null or not o.second_factor_required or is_way_out(wanted))',
      'o.deleted_at is null',
    ],
    [' or is_way_out(wanted)', ''],
    ['(m.gate_changed_in = own or', '('],
    ['m.disabled_at is null and m.deleted_at is null and (exists', 'm.deleted_at is null and (exists'],
    ['m.disabled_at is null and m.deleted_at is null and (exists', 'm.disabled_at is null and (exists'],
    ['p.permission = wanted and p.role = m.role', 'p.permission = wanted'],
    ['m.role_id is null and p.permission', 'p.permission'],
    ['p.role_id = m.role_id and p.permission = wanted', 'p.role_id = m.role_id'],
  ],
  'function guard_membership': [
    ["if wanted = 'members:write' and concerns_owners", 'if false and concerns_owners'],
    ["'members:write' and concerns_owners", "'members:write' or concerns_owners"],
    ["(new.role = 'owner' or old.role = 'owner')", "old.role = 'owner'"],
    ["(new.role = 'owner' or old.role = 'owner')", "new.role = 'owner'"],
    ["tg_op = 'INSERT' and wanted <> ''", 'false'],
    ["wanted = 'members:write' and reopens and", 'false and reopens and'],
    ["old.removed_at > now() - interval '30 days' and u.deleted_at is null", 'u.deleted_at is null'],
    [' and u.deleted_at is null else', ' else'],
    ['else old.removed_at is null and u.deleted_at', 'else u.deleted_at'],
    [' and u.deleted_at = old.deleted_at and u.erased_at is null', ''],
    ["organization_id = new.organization_id and role = 'owner'", 'organization_id = new.organization_id'],
    ["organization_id = new.organization_id and role = 'owner'", "role in ('owner', 'admin')"],
    [
      '(old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at)',
      '(old.role, old.deleted_at) is distinct from (new.role, new.deleted_at)',
    ],
    [
      '(old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at)',
      '(old.role, old.disabled_at) is distinct from (new.role, new.disabled_at)',
    ],
    [
      '(old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at)',
      '(old.disabled_at, old.deleted_at) is distinct from (new.disabled_at, new.deleted_at)',
    ],
    ["wanted = 'invitations:write' or ", ''],
    ['is_own and ends_only', 'is_own'],
    ['is_own and ends_only', 'ends_only'],
    ['is_own and ends_only', 'is_own or ends_only'],
    [' and new.deleted_at is not null', ''],
    ['transfers_only and new.role', 'new.role'],
    ['transfers_only and new.role', 'transfers_only or new.role'],
    [' and new.role_id is null', ''],
    ["case when is_own then 'admin' else 'owner' end", "'admin'"],
    ["case when is_own then 'admin' else 'owner' end", 'new.role'],
    ['new.user_id = acting_user()', 'new.user_id <> acting_user()'],
    ["'') is null then return new", "'') is not null then return new"],
  ],
  'function guard_creation': [
    ['organization_id = new.organization_id', 'organization_id <> new.organization_id'],
    ['if exists', 'if not exists'],
  ],
  'function guard_second_factor_rule': [
    ["role in ('owner', 'superuser')", "role in ('owner', 'admin')"],
    ["organization_id = new.id and role in ('owner', 'superuser')", 'organization_id = new.id'],
    [' where second_factor', ''],
    ["'') is null then return new", "'') is not null then return new"],
  ],
  'function keep_an_owner': [
    ["role = 'owner' and disabled_at", "role in ('owner', 'admin') and disabled_at"],
    ['disabled_at is null and deleted_at is null) then', 'deleted_at is null) then'],
    ['disabled_at is null and deleted_at is null) then', 'disabled_at is null) then'],
    ['where organization_id = old.organization_id and role', 'where role'],
  ],
  'trigger memberships.keep_an_owner_update': [
    ["(new.role <> 'owner'::text) OR ", ''],
    ['(new.disabled_at IS NOT NULL) OR ', ''],
    [' OR (new.deleted_at IS NOT NULL)', ''],
  ],
  'trigger memberships.revocation': [[' OR (old.deleted_at IS DISTINCT FROM new.deleted_at)', '']],
  'trigger organizations.revocation': [['(old.deleted_at IS DISTINCT FROM new.deleted_at) OR ', '']],
  'trigger organizations.second_factor_rule': [['IS DISTINCT FROM', 'IS NOT DISTINCT FROM']],
  'trigger memberships.guard': [dropped, ['INSERT OR UPDATE', 'INSERT'], ['INSERT OR UPDATE', 'UPDATE']],
  'trigger memberships.creation': [dropped],
  'trigger memberships.still_open': [dropped],
  'trigger memberships.gate_column': [dropped],
  'trigger organizations.still_open': [dropped],
  'trigger organizations.gate_column': [dropped],
  'trigger projects.still_open': [dropped],
  'trigger devices.still_open': [dropped],
  'trigger passkeys.still_open': [dropped],
  'trigger users.still_open': [dropped],
  'trigger sessions.still_open': [dropped],
}
