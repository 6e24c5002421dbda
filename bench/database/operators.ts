import type { Request } from 'autocannon'
import pg from 'pg'
import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { burden, probe, saturate } from '../stage/load.ts'
import { startService } from '../stage/stage.ts'
import type { Owner, Stage } from '../stage/stage.ts'

const FEW = 10_000
const MANY = 1_000_000

/** So few that requests do not queue, because this measures latency. */
const CONNECTIONS = 2
const READ_EVERY_MS = 10

/**
 * The lists across all organizations, each with the query that the bench sends; `USER`, `ORGANIZATION` and `ADDRESS` are
 * those of ten sessions each in both databases.
 */
const lists: Readonly<Record<string, string>> = {
  sessions: 'sessions?',
  'sessions, oldest first': 'sessions?sort=created_at',
  'sessions, last seen': 'sessions?sort=-last_seen_at',
  'sessions, last seen, oldest first': 'sessions?sort=last_seen_at',
  'sessions of a user': 'sessions?user_id=USER',
  'sessions of a user, last seen': 'sessions?user_id=USER&sort=-last_seen_at',
  'sessions of an organization': 'sessions?organization_id=ORGANIZATION',
  'sessions of an address': 'sessions?ip=ADDRESS',
  'active sessions': 'sessions?active=true',
  'active sessions, last seen': 'sessions?active=true&sort=-last_seen_at',
  'sessions of a day': 'sessions?from=DAY&to=NEXT',
  'sessions of a common device': 'sessions?device=Firefox',
  'active sessions of a common device': 'sessions?device=Firefox&active=true',
  users: 'users?',
  'users, by email': 'users?sort=email',
  'users, search, one person': 'users?search=person777@bench',
  'users, search, one in a hundred': 'users?search=person77',
  'users, disabled (one in a thousand)': 'users?disabled=true',
  'security events': 'security-events?',
  'security events of a type': 'security-events?type=login-failed',
  'security events of a user': 'security-events?user_id=USER',
}

/** What grows with the accounts found, so that there is no target. */
const growing: readonly string[] = ['users, search, one in a hundred']

/** Whether the lists of operators get slower with a hundred times as many sessions, accounts and events. */
export async function measureOperators(few: Stage, many: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const sides = new Map([
    [few, await addSessions(few, FEW)],
    [many, await addSessions(many, MANY)],
  ])
  const services = new Map([
    [few, await startService(few)],
    [many, await startService(many)],
  ])
  const pathOf = (stage: Stage, query: string): string => {
    const names = sides.get(stage) as Readonly<Record<string, string>>
    const named = query.replaceAll(/[A-Z]{3,}/g, name => names[name] as string)
    return `/api/v1/admin/${named}${named.endsWith('?') ? '' : '&'}limit=20`
  }
  const run = async (stage: Stage, query: string, duration: number) => {
    const { authorization } = stage.owners[0] as Owner
    const { url } = services.get(stage) as { url: string }
    const requests = [{ path: pathOf(stage, query), headers: { authorization } }]
    return (await saturate({ url, connections: CONNECTIONS, seconds: duration, requests })).p50
  }
  try {
    const figures: Figure[] = []
    for (const [what, query] of Object.entries(lists)) {
      for (const stage of [few, many]) await run(stage, query, 1)
      const measured: { measured: number; control: number }[] = []
      for (let round = 0; round < rounds; round++) {
        const control = await run(few, query, seconds)
        measured.push({ measured: await run(many, query, seconds), control })
      }
      const target = growing.includes(what) ? undefined : { atMost: 1.5 }
      figures.push(compare(`${what}: 1,000,000 / 10,000, median`, 'ms', measured, target))
    }
    figures.push(
      ...(await measureTenants(
        many,
        services.get(many)!.url,
        Object.values(lists).map(query => pathOf(many, query)),
        rounds,
        seconds,
      )),
    )
    return figures
  } finally {
    await Promise.all([...services.values()].map(service => service.stop()))
  }
}

/**
 * How much a tenant's read is held up by an operator who requests one list after the other, and, because both use the same
 * cores, by another tenant who does the same with a list of projects.
 */
async function measureTenants(
  { owners }: Stage,
  url: string,
  paths: readonly string[],
  rounds: number,
  seconds: number,
): Promise<Figure[]> {
  const [{ authorization }, ...others] = owners as [Owner, ...Owner[]]
  const reads = others.map(owner => ({
    path: '/api/v1/projects?limit=20',
    headers: { authorization: owner.authorization },
  }))
  const asked = paths.map(path => ({ path, headers: { authorization } }))
  const read = () => probe(url, reads, READ_EVERY_MS, 3 * seconds)
  const beside = async (requests: readonly Request[]) => {
    const [{ p99 }] = await Promise.all([read(), burden(url, requests, 3 * seconds)])
    return p99
  }
  await read()
  const measured: { alone: number; operator: number; tenant: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const alone = (await read()).p99
    measured.push({ alone, operator: await beside(asked), tenant: await beside(reads.slice(0, 1)) })
  }
  const sides = (side: 'operator' | 'tenant', control: 'alone' | 'tenant') =>
    measured.map(round => ({ measured: round[side], control: round[control] }))
  const what = 'p99 of a tenant’s list beside'
  return [
    compare(`${what} an operator’s lists / alone`, 'ms', sides('operator', 'alone'), { atMost: 1.5 }),
    compare(`${what} another tenant’s list / alone`, 'ms', sides('tenant', 'alone')),
    compare(`${what} an operator’s lists / beside another tenant’s`, 'ms', sides('operator', 'tenant')),
  ]
}

/**
 * Adds sessions of 90 days, a tenth as many users, and as many security events, without triggers, and makes the first owner
 * a superuser. @returns what the queries name
 */
async function addSessions({ adminUrl, owners }: Stage, count: number): Promise<Record<string, string>> {
  const client = new pg.Client(adminUrl)
  await client.connect()
  try {
    await client.query(`set session_replication_role = replica`)
    await client.query('update users set superuser = true where id = $1', [(owners[0] as Owner).user_id])
    await client.query(
      `create temporary table bench_users as select n, uuidv7(-(n * interval '90 days' / ${count / 10})) as id from generate_series(1, ${count / 10}) n`,
    )
    await client.query(
      `insert into users (id, email, full_name, email_verified_at, disabled_at)
      select id, 'person' || n || '@bench.example.com', 'Person ' || n, now(), case when n % 1000 = 3 then now() end from bench_users order by n desc`,
    )
    await client.query(
      `create temporary table bench_organizations as select n, uuidv7() as id from generate_series(1, ${count / 10}) n`,
    )
    await client.query(
      `insert into organizations (id, name, slug) select id, 'Organization ' || n, 'bench-organization-' || n from bench_organizations`,
    )
    await client.query(
      `insert into sessions (id, user_id, organization_id, ip, user_agent, created_at, last_seen_at, expires_at, revoked_at)
      select uuidv7(-age), u.id, o.id, '203.0.' || s % ${count / 10} / 256 || '.' || s % ${count / 10} % 256,
        (array['Mozilla/5.0 (Macintosh) Firefox/150.0', 'Mozilla/5.0 (iPhone) Safari/605.1', 'Mozilla/5.0 (Windows) Chrome/160.0'])[1 + s % 3],
        now() - age, now() - age + least(age, interval '1 day'), now() - age + interval '7 days', case when s % 4 = 0 then now() - age + interval '1 hour' end
      from (select s, s * interval '90 days' / ${count} as age from generate_series(1, ${count}) s) as made
      join bench_users u on u.n = 1 + s % ${count / 10} join bench_organizations o on o.n = 1 + s % ${count / 10}`,
    )
    await client.query(
      `insert into security_events (id, type, user_id, actor_id, ip, created_at)
      select uuidv7(-age), (array['session-created', 'session-revoked', 'login-failed', 'account-changed'])[1 + s % 4], u.id, u.id, '203.0.113.' || s % 256, now() - age
      from (select s, s * interval '90 days' / ${count} as age from generate_series(1, ${count}) s) as made join bench_users u on u.n = 1 + s % ${count / 10}`,
    )
    await client.query('vacuum (analyze)')
    const { rows } = await client.query(
      `select user_id, organization_id, ip from sessions where ip like '203.0.0.%' order by id limit 1`,
    )
    const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().replace(/\.\d+/, '')
    return {
      USER: rows[0].user_id,
      ORGANIZATION: rows[0].organization_id,
      ADDRESS: rows[0].ip,
      DAY: day(30),
      NEXT: day(29),
    }
  } finally {
    await client.end()
  }
}
