import { startRedis } from '../../server/test/programs/redis.ts'
import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { saturate } from '../stage/load.ts'
import { cpuSeconds } from '../stage/processes.ts'
import { startService } from '../stage/stage.ts'
import type { Stage } from '../stage/stage.ts'

const PEOPLE = 256
const PATH = '/api/v1/auth/me'

/** What counting in Redis adds to a request, compared to counting in the process. */
export async function measureRedis(stage: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const ends: (() => unknown)[] = []
  const redis = await startRedis({ after: end => ends.push(end) })
  const limits = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_MINUTE: '1000000', REDIS_TIMEOUT_MS: '1000' }
  const serviceWith = async (settings: Record<string, string>) => {
    const service = await startService({ ...stage, environment: { ...stage.environment, ...limits, ...settings } })
    ends.unshift(() => service.stop())
    return service
  }
  const figures: Figure[] = []
  try {
    const [shared, alone] = [await serviceWith({ REDIS_URL: redis.url }), await serviceWith({})]
    const requests = stage.owners
      .slice(0, PEOPLE)
      .map(({ authorization }) => ({ path: PATH, headers: { authorization } }))
    const run = async ({ url, pid }: typeof shared, connections: number, duration: number) => {
      const before = cpuSeconds(pid)
      const { count, perSecond } = await saturate({ url, connections, seconds: duration, requests })
      return { micros: ((cpuSeconds(pid) - before) / count) * 1e6, latency: (connections / perSecond) * 1000 }
    }
    for (const service of [shared, alone]) await run(service, 16, 2)
    for (const connections of [1, 16]) {
      const measured: { measured: Awaited<ReturnType<typeof run>>; control: Awaited<ReturnType<typeof run>> }[] = []
      for (let round = 0; round < rounds; round++) {
        const first = round % 2 === 0 ? await run(shared, connections, seconds) : undefined
        const control = await run(alone, connections, seconds)
        measured.push({ measured: first ?? (await run(shared, connections, seconds)), control })
      }
      const sides = (pick: 'micros' | 'latency') =>
        measured.map(({ measured: own, control }) => ({ measured: own[pick], control: control[pick] }))
      figures.push(
        compare(`GET ${PATH}, ${connections} connections, mean time`, 'ms', sides('latency'), { atMost: 1.25 }),
        compare('— CPU of the process', 'µs/request', sides('micros')),
      )
    }
  } finally {
    for (const end of ends) await end()
  }
  return figures
}
