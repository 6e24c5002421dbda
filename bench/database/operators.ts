import type { Request } from 'autocannon'
import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { addOperatorData } from '../stage/operator-data.ts'
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
  'active sessions, oldest first': 'sessions?active=true&sort=created_at',
  'active sessions, last seen, oldest first': 'sessions?active=true&sort=last_seen_at',
  'active sessions of a month ago (none)': 'sessions?active=true&to=DAY',
  'sessions that are over': 'sessions?active=false',
  'sessions of a day': 'sessions?from=DAY&to=NEXT',
  'sessions of a common device': 'sessions?device=Firefox',
  'active sessions of a common device': 'sessions?device=Firefox&active=true',
  'active sessions of a common device, oldest first': 'sessions?device=Firefox&active=true&sort=created_at',
  users: 'users?',
  'users, by email': 'users?sort=email',
  'users, search, one person': 'users?search=person777@bench',
  'users, search, one in a hundred': 'users?search=person77',
  'users, disabled (one in a thousand)': 'users?disabled=true',
  'security events': 'security-events?',
  'security events of a type': 'security-events?type=login-failed',
  'security events of a user': 'security-events?user_id=USER',
  organizations: 'organizations?',
  'organizations, search, one': 'organizations?search=organization-777-x',
  'organizations, search, one in a hundred': 'organizations?search=organization-77',
  'organizations, suspended (one in a thousand), oldest first': 'organizations?suspended=true&sort=created_at',
  'teams (one in ten)': 'organizations?kind=team',
  'audit log': 'audit-logs?',
  'audit log of an organization': 'audit-logs?organization_id=ORGANIZATION',
  'audit log of an actor': 'audit-logs?actor_id=USER',
  'log of operators': 'operator-log?',
  'log of operators, by a rare operation': 'operator-log?operation=eraseNothing',
  'log of operators, by a request': 'operator-log?request_id=request-777',
  licenses: 'licenses?',
  'licenses of an organization': 'licenses?organization_id=ORGANIZATION',
  'licenses of a plan (one in ten), oldest first': 'licenses?plan_id=PLAN&sort=created_at',
  'licenses by prefix': 'licenses?key_prefix=PREFIX',
  'drafts (one in a thousand)': 'licenses?status=draft',
  'suspended licenses, oldest first': 'licenses?status=suspended&sort=created_at',
  'expired licenses, the newest first': 'licenses?status=expired',
  'devices of a license': 'licenses/LICENSE/activations?',
  'support access': 'support?',
}

/** What grows with what is found, or with the licenses that have not expired, so that there is no target. */
const growing: readonly string[] = [
  'users, search, one in a hundred',
  'organizations, search, one in a hundred',
  'expired licenses, the newest first',
]

/** Whether the lists of operators get slower with a hundred times as many sessions, accounts and events. */
export async function measureOperators(few: Stage, many: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const sides = new Map([
    [few, await addOperatorData(few, FEW)],
    [many, await addOperatorData(many, MANY)],
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
