import { setTimeout } from 'node:timers/promises'
import type { Row, Statement } from '../../server/src/platform/database/statement.ts'
import { openDatabase } from '../../server/src/platform/database/database.ts'
import type { Database } from '../../server/src/platform/database/database.ts'
import { compare, percentile } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { saturate } from '../stage/load.ts'
import { CEILING, cpuSeconds, startServer } from '../stage/processes.ts'
import { statements } from '../stage/driver.ts'
import { POOL_SIZE, startService } from '../stage/stage.ts'
import type { BenchEnvironment, Owner, Stage } from '../stage/stage.ts'

const CONNECTIONS = 64
const PEOPLE = 256
const REQUESTERS = 32
const paths = ['/api/v1/auth/me', '/api/v1/projects?limit=20'] as const

/**
 * Short reads of many tenants on four shared connections, compared to one connection for each: the whole service, also
 * against the ceiling, and the tail of the driver's times while one slow query runs each second.
 */
export async function measureLanes(
  bench: BenchEnvironment,
  stage: Stage,
  rounds: number,
  seconds: number,
): Promise<Figure[]> {
  return [...(await measureService(bench, stage, rounds, seconds)), ...(await measureTail(stage, rounds, seconds))]
}

async function measureService(
  bench: BenchEnvironment,
  stage: Stage,
  rounds: number,
  seconds: number,
): Promise<Figure[]> {
  const start = (DATABASE_PIPELINE: string) =>
    startService({ ...stage, environment: { ...stage.environment, DATABASE_PIPELINE } })
  const servers = {
    on: await start('on'),
    off: await start('off'),
    ceiling: await startServer(CEILING, [], stage.environment, '/ready'),
  }
  type Side = keyof typeof servers
  const sides = Object.keys(servers) as Side[]
  const run = async (side: Side, path: string, duration: number) => {
    const { pid, url } = servers[side]
    const requests = stage.owners.slice(0, PEOPLE).map(({ authorization }) => ({ path, headers: { authorization } }))
    const before = [cpuSeconds(pid), cpuSeconds(bench.postgresPid, true)] as const
    const { perSecond, count } = await saturate({ url, connections: CONNECTIONS, seconds: duration, requests })
    return {
      perSecond,
      process: ((cpuSeconds(pid) - before[0]) / count) * 1e6,
      postgres: ((cpuSeconds(bench.postgresPid, true) - before[1]) / count) * 1e6,
    }
  }
  type Run = Awaited<ReturnType<typeof run>>
  const figures: Figure[] = []
  try {
    for (const path of paths) for (const side of sides) await run(side, path, 2)
    for (const path of paths) {
      const measured: Record<Side, Run>[] = []
      for (let round = 0; round < rounds; round++) {
        const found: Partial<Record<Side, Run>> = {}
        for (const side of round % 2 === 0 ? sides : sides.toReversed()) found[side] = await run(side, path, seconds)
        measured.push(found as Record<Side, Run>)
      }
      const between = (a: Side, b: Side, pick: keyof Run) =>
        measured.map(found => ({ measured: found[a][pick], control: found[b][pick] }))
      figures.push(
        compare(`GET ${path}, on, to the ceiling`, 'requests/s', between('on', 'ceiling', 'perSecond'), { atLeast: 1 }),
        compare('— off, to the ceiling', 'requests/s', between('off', 'ceiling', 'perSecond')),
        compare('— on, to off', 'requests/s', between('on', 'off', 'perSecond')),
        compare('— CPU of the process, on to off', 'µs/request', between('on', 'off', 'process')),
        compare('— CPU of PostgreSQL, on to off', 'µs/request', between('on', 'off', 'postgres')),
      )
    }
  } finally {
    await Promise.all(sides.map(side => servers[side].stop()))
  }
  return figures
}

const say = (sql: string, parameters: readonly unknown[]): Statement<'tenant', Row[]> =>
  ({ sql, parameters, read: (rows: Row[]) => rows, refusals: {} }) as unknown as Statement<'tenant', Row[]>

/** The 99th percentile of the list's time while one query of 200 ms runs each second, compared to the time without. */
async function measureTail(stage: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const lanes of [4, 0]) {
    const database = openDatabase({
      tenantUrl: stage.tenantUrl,
      systemUrl: stage.environment['DATABASE_SYSTEM_URL']!,
      poolSize: POOL_SIZE,
      poolTimeoutSeconds: 10,
      connectionMaxAgeSeconds: 0,
      pooler: 'none',
      lanes,
      onError: () => {},
    })
    try {
      await timeReads(database, stage.owners, seconds, false)
      const measured: { measured: number; control: number }[] = []
      for (let round = 0; round < rounds; round++)
        measured.push({
          control: await timeReads(database, stage.owners, seconds, false),
          measured: await timeReads(database, stage.owners, seconds, true),
        })
      const what = `p99 of the list with a query of 200 ms each second, ${lanes > 0 ? 'on' : 'off'}`
      figures.push(compare(what, 'ms', measured, ...(lanes > 0 ? [{ atMost: 2 }] : [])))
    } finally {
      await database.close()
    }
  }
  return figures
}

async function timeReads(database: Database, owners: readonly Owner[], seconds: number, disturbed: boolean) {
  const end = performance.now() + seconds * 1000
  const times: number[] = []
  const scopeOf = ({ session_id, organization_id, user_id }: Owner) => ({
    session_id,
    organization_id,
    permission: 'projects:read',
    origin: { user_id, request_id: 'bench', ip: '127.0.0.1', user_agent: '' },
  })
  const disturb = async () => {
    if (!disturbed) return
    while (performance.now() < end) {
      await database.tenant.run(scopeOf(owners[0]!), say('select pg_sleep(0.2), organization_id from gate', []))
      await setTimeout(800)
    }
  }
  const { text, values } = statements.projects
  const read = async () => {
    while (performance.now() < end) {
      const owner = owners[Math.floor(Math.random() * owners.length)]!
      const start = performance.now()
      await database.tenant.run(scopeOf(owner), say(text, values(owner.organization_id)))
      times.push(performance.now() - start)
    }
  }
  await Promise.all([disturb(), ...Array.from({ length: REQUESTERS }, read)])
  return percentile(times, 0.99)
}
