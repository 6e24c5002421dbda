import pg from 'pg'
import type { Owner, Stage } from './stage.ts'

/**
 * Adds what operators list, without triggers, and makes the first owner a superuser: sessions of 90 days and as many security
 * events, audit log entries and licenses; a tenth as many users, organizations, support accesses and entries of the operators'
 * log. Ten sessions are of each user, organization and address, and a thousandth of the users, organizations and licenses is in
 * each rare state. @returns what the queries name
 */
export async function addOperatorData({ adminUrl, owners }: Stage, count: number): Promise<Record<string, string>> {
  const client = new pg.Client(adminUrl)
  await client.connect()
  const tenth = count / 10
  const aged = (many: number) =>
    `(select s, s * interval '90 days' / ${many} as age from generate_series(1, ${many}) s) as made`
  const [{ user_id: operator_id, session_id }] = owners as [Owner]
  try {
    await client.query(`set session_replication_role = replica`)
    await client.query('update users set superuser = true where id = $1', [operator_id])
    await client.query(
      `create temporary table bench_users as select n, uuidv7(-(n * interval '90 days' / ${tenth})) as id from generate_series(1, ${tenth}) n`,
    )
    await client.query(
      `insert into users (id, email, full_name, email_verified_at, disabled_at, guest, deleted_at, created_at)
      select id, 'person' || n || '@bench.example.com', 'Person ' || n, case when n % 1000 <> 7 then now() end, case when n % 1000 = 3 then now() end,
        n % 1000 = 5, case when n % 1000 = 9 then now() end, now() - n * interval '90 days' / ${tenth} from bench_users order by n desc`,
    )
    await client.query(
      `insert into throttles (key, failures, locked_until) select 'account ' || id, 10, now() + interval '1 day' from bench_users where n % 1000 = 11`,
    )
    await client.query(
      `create temporary table bench_organizations as select n, uuidv7(-(n * interval '90 days' / ${tenth})) as id from generate_series(1, ${tenth}) n`,
    )
    await client.query(
      `insert into organizations (id, kind, name, slug, created_at, suspended_at, suspended_reason, deleted_at)
      select id, case when n % 10 = 0 then 'team' else 'personal' end, 'Organization ' || n, 'bench-organization-' || n || '-x', now() - n * interval '90 days' / ${tenth},
        case when n % 1000 = 3 then now() end, case when n % 1000 = 3 then 'Bench' end, case when n % 1000 = 5 then now() end from bench_organizations`,
    )
    await client.query(
      `insert into memberships (organization_id, user_id, role) select o.id, u.id, 'owner' from bench_organizations o join bench_users u using (n)`,
    )
    await client.query(
      `insert into sessions (id, user_id, organization_id, ip, user_agent, created_at, last_seen_at, expires_at, revoked_at, over_noted)
      select uuidv7(-age), u.id, o.id, '203.0.' || s % ${tenth} / 256 || '.' || s % ${tenth} % 256,
        (array['Mozilla/5.0 (Macintosh) Firefox/150.0', 'Mozilla/5.0 (iPhone) Safari/605.1', 'Mozilla/5.0 (Windows) Chrome/160.0'])[1 + s % 3],
        now() - age, now() - age + least(age, interval '1 day'), now() - age + interval '7 days', case when s % 4 = 0 then now() - age + interval '1 hour' end, s % 4 = 0 or age > interval '7 days'
      from ${aged(count)} join bench_users u on u.n = 1 + s % ${tenth} join bench_organizations o on o.n = 1 + s % ${tenth}`,
    )
    await client.query(
      `insert into security_events (id, type, user_id, actor_id, ip, created_at)
      select uuidv7(-age), (array['session-created', 'session-revoked', 'login-failed', 'account-changed'])[1 + s % 4], u.id, u.id, '203.0.113.' || s % 256, now() - age
      from ${aged(count)} join bench_users u on u.n = 1 + s % ${tenth}`,
    )
    await client.query(
      `insert into audit_log (organization_id, id, actor_id, request_id, action, entity_type, entity_id, after)
      select o.id, uuidv7(-age), u.id, 'request-' || s, (array['insert', 'update', 'delete'])[1 + s % 3], (array['projects', 'memberships', 'workspaces'])[1 + s % 3],
        u.id, '{"name": "Bench"}' from ${aged(count)} join bench_users u on u.n = 1 + s % ${tenth} join bench_organizations o on o.n = 1 + s % ${tenth}`,
    )
    await client.query(
      `insert into operator_log (id, actor_id, session_id, request_id, operation, organization_id, entity_type, entity_id, created_at)
      select uuidv7(-age), a.id, $1, 'request-' || s, (array['suspendOrganization', 'createLicense', 'disableUser'])[1 + s % 3],
        case when s % 3 < 2 then o.id end, (array['organizations', 'licenses', 'users'])[1 + s % 3], u.id, now() - age
      from ${aged(tenth)} join bench_users u on u.n = 1 + s % ${tenth} join bench_users a on a.n = 1 + s % 10 join bench_organizations o on o.n = 1 + s % ${tenth}`,
      [session_id],
    )
    await client.query(
      `with plans as (insert into license_plans (code, name) select 'bench-' || p, 'Bench ' || p from generate_series(0, 9) p returning id),
        all_plans as (select array_agg(id) as ids from plans)
      insert into licenses (organization_id, id, plan_id, key_prefix, key_hash, status, starts_at, expires_at, overage_percent, quotas, entitlements, activation,
        heartbeat_grace_seconds, expiry_basis, on_expiry, created_at)
      select o.id, uuidv7(-age), ids[1 + s % 10], upper(left(md5(s::text), 5)), sha256(s::text::bytea), case when s % 1000 = 3 then 'draft' when s % 1000 = 5 then 'suspended'
          when s % 1000 = 7 then 'revoked' else 'active' end, now() - age, now() - age + case when s % 4 = 0 then interval '30 days' else interval '1 year' end, 0, '{}',
        '{export}', 'node-locked', 0, 'creation', 'restrict', now() - age
      from ${aged(count)} join bench_organizations o on o.n = 1 + s % ${tenth}, all_plans`,
    )
    await client.query(
      `insert into license_activations (organization_id, license_id, fingerprint)
      select organization_id, id, 'device-' || d from licenses, generate_series(1, 3) d where status = 'active' and left(key_prefix, 1) = '0'`,
    )
    await client.query(
      `insert into support_grants (organization_id, id, operator_id, reason, created_at, ended_at, ended_by)
      select o.id, uuidv7(-age), $1, 'Bench', now() - age, now(), $1 from ${aged(tenth)} join bench_organizations o on o.n = 1 + s % ${tenth}`,
      [operator_id],
    )
    await client.query('vacuum (analyze)')
    const [known] = (
      await client.query(
        `select s.user_id, s.organization_id, ip, plan_id, key_prefix, license_id from sessions s join licenses l on l.organization_id = s.organization_id
          join license_activations a on a.license_id = l.id
      where ip like '203.0.0.%' order by s.id limit 1`,
      )
    ).rows
    const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().replace(/\.\d+/, '')
    return {
      USER: known.user_id,
      ORGANIZATION: known.organization_id,
      ADDRESS: known.ip,
      PLAN: known.plan_id,
      PREFIX: known.key_prefix,
      LICENSE: known.license_id,
      DAY: day(30),
      NEXT: day(29),
    }
  } finally {
    await client.end()
  }
}
