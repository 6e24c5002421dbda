import type pg from 'pg'
import { functionChanges } from './mutations-of-functions.ts'
import { policyChanges } from './mutations-of-policies.ts'
import { supportChanges } from './mutations-of-support.ts'

// Changes of the gate, the policies and the triggers, each of which allows or refuses something wrongly: a condition
// dropped, a column swapped, an `or` for an `and`. The oracle must detect every one. The text to replace is in the
// definition as PostgreSQL prints it, with all white space reduced to single spaces.

export type Change = readonly [find: string, replace: string]

const toldOfFactor = '(((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL)) OR u.superuser)'
const wayOut = 'is_way_out()'
const hasFactor = '((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required))'
const ofOperator = "(current_setting('app.permission'::text, true) ~~ 'admin:%'::text)"
const isRead = `((o.suspended_at IS NULL) OR ${ofOperator})`
const isTold =
  "((((m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (m.user_id IS NOT NULL)) OR (support_role() IS NOT NULL)) AND (o.deleted_at IS NULL) AND (current_setting('app.permission'::text, true) !~~ 'admin:%'::text))"
const isWayOut = `((o.suspended_at IS NULL) OR ${ofOperator} OR (current_setting('app.permission'::text, true) = 'organization:leave'::text))`
const isMember = '(m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL)'
const requiresNone = "(COALESCE(current_setting('app.requires'::text, true), ''::text) = ''::text)"

const asked = "(p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting))"

/** Those of the views. */
const changes: Readonly<Record<string, readonly Change[]>> = {
  'view own_account': [
    ['(s.revoked_at IS NULL) AND ', ''],
    ['(s.expires_at > now()) AND ', ''],
    ['s.expires_at > now()', 's.expires_at < now()'],
    ['(u.disabled_at IS NULL) AND ', ''],
    [' AND (u.deleted_at IS NULL)', ''],
    ['(u.disabled_at IS NULL) AND (u.deleted_at IS NULL)', '((u.disabled_at IS NULL) OR (u.deleted_at IS NULL))'],
    ['s.revoked_at IS NULL', 'u.disabled_at IS NULL'],
    ['s.second_factor_at IS NOT NULL', 's.second_factor_at IS NULL'],
    ['u.superuser,', 'u.email_verified AS superuser,'],
    ['u.email_verified, ', 'u.superuser AS email_verified, '],
  ],
  'view gate': [
    ['(s.revoked_at IS NULL) AND ', ''],
    ['(s.expires_at > now()) AND ', ''],
    ['s.expires_at > now()', 's.expires_at < now()'],
    ['(s.revoked_at IS NULL) AND (s.expires_at > now())', '((s.revoked_at IS NULL) OR (s.expires_at > now()))'],
    ['s.revoked_at IS NULL', 'u.disabled_at IS NULL'],
    ['(u.disabled_at IS NULL) AND ', ''],
    ['(u.deleted_at IS NULL) AND ', ''],
    ['(u.disabled_at IS NULL) AND (u.deleted_at IS NULL)', '((u.disabled_at IS NULL) OR (u.deleted_at IS NULL))'],
    ['(o.deleted_at IS NULL) AND ', ''],
    ['o.deleted_at IS NULL', 'u.deleted_at IS NULL'],
    [`((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR ${wayOut}) AND `, ''],
    [`OR (NOT o.second_factor_required) OR ${wayOut}`, `OR ${wayOut}`],
    [`OR (NOT o.second_factor_required) OR ${wayOut}`, `OR o.second_factor_required OR ${wayOut}`],
    [`OR (NOT o.second_factor_required) OR ${wayOut}`, `AND (NOT o.second_factor_required) OR ${wayOut}`],
    [`OR (NOT o.second_factor_required) OR ${wayOut}`, `OR u.email_verified OR ${wayOut}`],
    [
      `s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR ${wayOut}`,
      `s.last_seen_at IS NOT NULL) OR ${wayOut}`,
    ],
    [` OR ${wayOut}`, ''],
    [`${hasFactor} AND ${isRead}`, isRead],
    [`${hasFactor} AND ${isRead}`, `(s.second_factor_at IS NOT NULL) AND ${isRead}`],
    [`${hasFactor} AND ${isRead}`, hasFactor],
    [`${hasFactor} AND ${isRead}`, `${hasFactor} AND (o.suspended_at IS NULL)`],
    [`${isWayOut} AND `, ''],
    [isWayOut, '(o.suspended_at IS NULL)'],
    [isWayOut, isWayOut.replace('organization:leave', 'organization:transfer')],
    [isWayOut, isWayOut.replace("~~ 'admin:%'", "!~~ 'admin:%'")],
    ['(memberships.disabled_at IS NULL) AND ', ''],
    [' AND (memberships.deleted_at IS NULL)', ''],
    [
      '(memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL)',
      '((memberships.disabled_at IS NULL) OR (memberships.deleted_at IS NULL))',
    ],
    ['(memberships.user_id = s.user_id) AND ', ''],
    ['memberships.user_id = s.user_id', 'memberships.user_id <> s.user_id'],
    ['(memberships.organization_id = o.id) AND ', ''],
    ['memberships.role_id IS NULL', 'memberships.role IS NOT NULL'],
    ['p.role = m.rank', 'p.role = m.role'],
    ['(c.organization_id = o.id) AND ', ''],
    ['(c.role_id = memberships.role_id) AND ', ''],
    [" AND (c.permission = current_setting('app.permission'::text, true))", ''],
    ["THEN 'admin'::text", "THEN 'owner'::text"],
    [`${asked} AND ((p.role`, '((p.role'],
    ['OR (u.superuser AND (p.role = CASE', 'OR (true AND (p.role = CASE'],
    ['OR (u.superuser AND (p.role = CASE', 'OR (u.email_verified AND (p.role = CASE'],
    ["THEN 'superuser'::text ELSE ('support-'", "THEN 'owner'::text ELSE ('support-'"],
    ['OR (u.superuser AND (p.role = CASE', 'OR (false AND (p.role = CASE'],
    ['WHEN u.superuser', 'WHEN false'],
    ["!~~ 'admin:%'", "~~ 'admin:%'"],
    ["!~~ '%:read'", "~~ '%:read'"],
    ["(current_setting('app.permission'::text, true) !~~ '%:read'::text) AS writes", 'true AS writes'],
    [`${requiresNone} OR`, `${requiresNone} OR true OR`],
    [' OR is_entitled()', ' OR false'],
  ],
  'view entitlements': [
    ['a.adds AS writes', 'true AS writes'],
    ['true AS writes', 'false AS writes'],
    ['(a.organization_id = o.id)', 'true'],
    ['NOT (EXISTS', 'true OR (EXISTS'],
  ],
  'view current_allowances': [
    ['(starts_at <= now()) AND ', ''],
    ['(expires_at > now()) OR ', ''],
    ["(on_expiry <> 'restrict'::text)", "(on_expiry = 'keep'::text)"],
    [" OR (on_expiry <> 'restrict'::text)", ''],
    [" OR (on_expiry = 'keep'::text)", ''],
    ["(on_expiry = 'keep'::text)", "(on_expiry <> 'restrict'::text)"],
  ],
  'view gate_state': [
    ['EXISTS ( SELECT FROM self)', 'EXISTS ( SELECT FROM sessions)'],
    ['EXISTS ( SELECT FROM gate)', 'EXISTS ( SELECT FROM self)'],
    ['(m.user_id IS NOT NULL) AND ', ''],
    ['(m.disabled_at IS NULL) AND ', ''],
    ['(m.deleted_at IS NULL) AND ', ''],
    [' AND (o.deleted_at IS NULL)', ''],
    ['o.second_factor_required AND ', ''],
    ['(s.second_factor_at IS NULL) AND ', ''],
    [` AND ${toldOfFactor}`, ''],
    [` AND (o.deleted_at IS NULL) AND ${toldOfFactor}`, ` AND ${toldOfFactor}`],
    [toldOfFactor, '(((m.user_id IS NOT NULL) AND (m.deleted_at IS NULL)) OR u.superuser)'],
    [toldOfFactor, '(((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL)) OR u.superuser)'],
    [' OR u.superuser', ''],
    [isTold, '((o.deleted_at IS NULL))'],
    [' AND (m.user_id IS NOT NULL)) OR (support_role()', ') OR (support_role()'],
    [" AND (current_setting('app.permission'::text, true) !~~ 'admin:%'::text)", ''],
    ['THEN o.suspended_at', 'THEN NULL::timestamptz'],
    [`suspended_at, (${isMember} AND (o.deleted_at IS NULL) AND (`, 'suspended_at, (('],
    ['AND (NOT is_entitled())', 'AND is_entitled()'],
  ],
  'view own_organizations': [
    [' AND (m.disabled_at IS NULL)', ''],
    [' AND (m.deleted_at IS NULL)', ''],
    [' AND (o.deleted_at IS NULL)', ''],
    ['m.user_id = self.user_id', 'm.user_id <> self.user_id'],
    ['AND (o.deleted_at IS NULL)', 'OR (o.deleted_at IS NULL)'],
    ["ELSE 'admin'::text END", "ELSE 'owner'::text END"],
    ['(m.role_id IS NULL) OR (EXISTS', '(m.role_id IS NOT NULL) OR (EXISTS'],
    ['(c.organization_id = m.organization_id) AND ', ''],
    ['(c.role_id = m.role_id) AND ', ''],
    [' AND (c.permission = p.permission)', ''],
    ["ELSE 'custom'::text", 'ELSE m.role'],
    ['o.suspended_at', 'NULL::timestamptz AS suspended_at'],
  ],
  'view own_invitations': [['live_invitations.user_id = self.user_id', 'live_invitations.user_id IS NOT NULL']],
  'view live_invitations': [
    [' AND (invitations.accepted_at IS NULL)', ''],
    [' AND (invitations.revoked_at IS NULL)', ''],
    [' AND (invitations.expires_at > now())', ''],
    ['(invitations.email = invited.email) AND ', ''],
    [' AND (l.user_id = i.invited_by)', ''],
    ['(i.invited_by IS NULL) OR ', ''],
    ['(inviter.role IS NOT NULL) AND ', ''],
    [' AND invited.email_verified', ''],
    ["WHEN invited.guest THEN 'viewer'::text", 'WHEN false THEN NULL::text'],
    ['(own.permission = wanted.permission) AND ', ''],
    ['WHEN (i.role_id IS NULL) THEN i.role ELSE', 'WHEN (i.role_id IS NULL) THEN NULL ELSE'],
    ['(c.role_id = inviter.role_id) AND ', ''],
    [' AND (c.role_id = i.role_id)', ''],
    [' AND (o.suspended_at IS NULL)', ''],
  ],
  'view live_inviters': [
    ['(m.disabled_at IS NULL) AND ', ''],
    ['(m.deleted_at IS NULL) AND ', ''],
    ['(p.role = m.role)', "(p.role = 'owner'::text)"],
    [' AND (p.role_id = m.role_id)', ''],
  ],
  'view colleagues': [
    [' WHERE gate.reads', ''],
    ['(organization_id = ( SELECT gate.organization_id FROM gate WHERE gate.reads)) AND ', ''],
    [" AND ( SELECT (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text))", ''],
  ],
}

export interface Mutation {
  name: string
  /**
   * The SQL that makes the change, and the SQL that undoes it. @throws Error if the definition in the database does not
   * contain the text
   */
  find: (admin: pg.Pool) => Promise<{ apply: string; restore: string }>
}

/** For each kind of object, the SQL that returns the definition of `$1`, or of `$2` in a table. */
const definitions: Readonly<Record<string, string>> = {
  view: `select format('create or replace view %I with (security_barrier = true) as %s', relname, pg_get_viewdef(oid)) as sql
    from pg_class where relnamespace = 'freehold'::regnamespace and relname = $1 and $2::text is null`,
  function: `select pg_get_functiondef(oid) as sql from pg_proc
    where pronamespace = 'freehold'::regnamespace and proname = $1 and $2::text is null`,
  policy: `select format('alter policy %I on %I ', policyname, tablename) || concat_ws(' ', 'using (' || qual || ')', 'with check (' || with_check || ')') as sql
    from pg_policies where schemaname = 'freehold' and tablename = $1 and policyname = $2`,
  trigger: `select pg_get_triggerdef(oid) as sql from pg_trigger where tgrelid = $1::regclass and tgname = $2`,
}

export const mutationOf = (thing: string, [find, replace]: Change): Mutation => {
  const [kind, path] = thing.split(' ') as [string, string]
  const [name, part] = path.split('.') as [string, string | undefined]
  const drop = kind === 'trigger' ? `drop trigger if exists ${part} on ${name}; ` : ''
  return {
    name: `${thing}: ${find === '' ? 'dropped' : `${find} → ${replace === '' ? 'nothing' : replace}`}`,
    find: async admin => {
      const { rows } = await admin.query<{ sql: string }>(definitions[kind]!, [name, part])
      const definition = rows[0]?.sql
      if (definition === undefined)
        throw new Error(`there is no ${thing} any more: take its mutations off the list, or name what came instead`)
      const flat = definition.replaceAll(/--.*$/gm, '').replaceAll(/\s+/g, ' ')
      if (!flat.includes(find))
        throw new Error(`the ${thing} does not hold «${find}» any more: adapt the mutation to what it is now: ${flat}`)
      return { apply: drop + (find === '' ? '' : flat.replace(find, () => replace)), restore: drop + definition }
    },
  }
}

export const mutations: readonly Mutation[] = [changes, policyChanges, functionChanges, supportChanges]
  .flatMap(known => Object.entries(known))
  .flatMap(([thing, list]) => list.map(change => mutationOf(thing, change)))
