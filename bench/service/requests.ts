import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { saturate } from '../stage/load.ts'
import { CEILING, cpuSeconds, residentMegabytes, startServer } from '../stage/processes.ts'
import { startService } from '../stage/stage.ts'
import type { Stage, BenchEnvironment } from '../stage/stage.ts'

const CONNECTIONS = 64
/** So few that the warm-up verifies every token, which would otherwise be part of the measurement. */
const PEOPLE = 256
const paths = ['/api/v1/auth/me', '/api/v1/projects?limit=20'] as const

/** The throughput of one process compared to the ceiling, its CPU time, and its memory after the load. */
export async function measureRequests(
  bench: BenchEnvironment,
  stage: Stage,
  rounds: number,
  seconds: number,
): Promise<Figure[]> {
  const service = await startService(stage)
  const ceiling = await startServer(CEILING, [], stage.environment, '/ready')
  const idle = { measured: residentMegabytes(service.pid), control: residentMegabytes(ceiling.pid) }
  const figures: Figure[] = []
  try {
    const run = async (server: typeof service, path: string, duration: number) => {
      const requests = stage.owners.slice(0, PEOPLE).map(({ authorization }) => ({ path, headers: { authorization } }))
      const before = [cpuSeconds(server.pid), cpuSeconds(bench.postgresPid, true)] as const
      const { perSecond, count } = await saturate({
        url: server.url,
        connections: CONNECTIONS,
        seconds: duration,
        requests,
      })
      const [process, postgres] = [cpuSeconds(server.pid) - before[0], cpuSeconds(bench.postgresPid, true) - before[1]]
      return { perSecond, processMicros: (process / count) * 1e6, postgresMicros: (postgres / count) * 1e6 }
    }
    for (const path of paths) for (const server of [service, ceiling]) await run(server, path, 2)
    for (const path of paths) {
      const measured: { measured: Awaited<ReturnType<typeof run>>; control: Awaited<ReturnType<typeof run>> }[] = []
      for (let round = 0; round < rounds; round++) {
        // The order alternates, so that neither always profits from a quiet moment or a warm cache.
        const first = round % 2 === 0 ? await run(service, path, seconds) : undefined
        const control = await run(ceiling, path, seconds)
        measured.push({ measured: first ?? (await run(service, path, seconds)), control })
      }
      const sides = (pick: keyof Awaited<ReturnType<typeof run>>) =>
        measured.map(({ measured: own, control }) => ({ measured: own[pick], control: control[pick] }))
      figures.push(compare(`GET ${path}`, 'requests/s', sides('perSecond'), { atLeast: 0.75 }))
      figures.push(compare('— CPU of the process', 'µs/request', sides('processMicros')))
      figures.push(compare('— CPU of PostgreSQL', 'µs/request', sides('postgresMicros')))
    }
    const loaded = { measured: residentMegabytes(service.pid), control: residentMegabytes(ceiling.pid) }
    figures.push(compare('memory, idle', 'MB', [idle]), compare('memory, after the load', 'MB', [loaded]))
  } finally {
    await Promise.all([service.stop(), ceiling.stop()])
  }
  return figures
}
