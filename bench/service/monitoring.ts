import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { saturate } from '../stage/load.ts'
import { CEILING, cpuSeconds, residentMegabytes, SERVICE, startServer } from '../stage/processes.ts'
import type { ServerProcess } from '../stage/processes.ts'
import type { Stage } from '../stage/stage.ts'

const CONNECTIONS = 64
const PEOPLE = 256
const TOKEN = 'the-metrics-token-of-the-benchmark'

const startWith = ({ environment }: Stage, settings: Record<string, string>): Promise<ServerProcess> =>
  startServer(SERVICE, ['start'], { ...environment, ...settings }, '/ready')

/** What metrics cost a request, how fast /health is, and how long a scrape takes. */
export async function measureMonitoring(stage: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const off = await startWith(stage, {})
  const on = await startWith(stage, { ENABLE_METRICS: 'true', METRICS_TOKEN: TOKEN })
  const ceiling = await startServer(CEILING, [], stage.environment, '/ready')
  const run = async ({ url, pid }: ServerProcess, path: string, duration: number) => {
    const requests = stage.owners.slice(0, PEOPLE).map(({ authorization }) => ({ path, headers: { authorization } }))
    const before = cpuSeconds(pid)
    const { perSecond, count } = await saturate({ url, connections: CONNECTIONS, seconds: duration, requests })
    return { perSecond, micros: ((cpuSeconds(pid) - before) / count) * 1e6 }
  }
  /** Both sides in each round, in alternating order. */
  const against = async (path: string, measured: ServerProcess, control: ServerProcess) => {
    const sides: { measured: Awaited<ReturnType<typeof run>>; control: Awaited<ReturnType<typeof run>> }[] = []
    for (const server of [measured, control]) await run(server, path, 2)
    for (let round = 0; round < rounds; round++) {
      const first = round % 2 === 0 ? await run(measured, path, seconds) : undefined
      const other = await run(control, path, seconds)
      sides.push({ measured: first ?? (await run(measured, path, seconds)), control: other })
    }
    return (pick: 'perSecond' | 'micros') =>
      sides.map(side => ({ measured: side.measured[pick], control: side.control[pick] }))
  }
  try {
    const me = await against('/api/v1/auth/me', on, off)
    const health = await against('/health', off, ceiling)
    const memory = { measured: residentMegabytes(on.pid), control: residentMegabytes(off.pid) }
    return [
      compare('GET /api/v1/auth/me, CPU with metrics / without', 'µs/request', me('micros'), { atMost: 1.05 }),
      compare('— throughput', 'requests/s', me('perSecond')),
      compare('— memory after the load', 'MB', [memory]),
      compare('GET /health / ceiling with one round trip', 'requests/s', health('perSecond'), { atLeast: 0.8 }),
      compare('GET /metrics / GET /ready', 'ms', await measureScrapes(on, rounds)),
    ]
  } finally {
    await Promise.all([off.stop(), on.stop(), ceiling.stop()])
  }
}

/** The median of single scrapes, each of which is rendered anew. */
async function measureScrapes({ url }: ServerProcess, rounds: number) {
  const time = async (path: string) => {
    const start = performance.now()
    const answer = await fetch(url + path, { headers: { authorization: `Bearer ${TOKEN}` } })
    await answer.text()
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`)
    return performance.now() - start
  }
  const times: { measured: number; control: number }[] = []
  for (let round = 0; round < rounds; round++) {
    await new Promise(resolve => setTimeout(resolve, 1100))
    times.push({ control: await time('/ready'), measured: await time('/metrics') })
  }
  return times
}
