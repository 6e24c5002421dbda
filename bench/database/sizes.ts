import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { saturate } from '../stage/load.ts'
import type { Load } from '../stage/load.ts'
import { startService } from '../stage/stage.ts'
import type { Stage } from '../stage/stage.ts'

/** So few that requests do not queue, because this measures latency. */
const CONNECTIONS = 4

/** Whether the list gets slower with a hundred times as many tenants and projects. */
export async function measureSizes(small: Stage, large: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const [few, many] = await Promise.all([startService(small), startService(large)])
  const run = (url: string, { owners }: Stage, duration: number) =>
    saturate({
      url,
      connections: CONNECTIONS,
      seconds: duration,
      requests: owners.map(({ authorization }) => ({ path: '/api/v1/projects?limit=20', headers: { authorization } })),
    })
  try {
    await run(few.url, small, 3)
    await run(many.url, large, 5)
    const measured: { measured: Load; control: Load }[] = []
    for (let round = 0; round < rounds; round++) {
      const control = await run(few.url, small, seconds)
      measured.push({ measured: await run(many.url, large, seconds), control })
    }
    const sides = (pick: 'p50' | 'p99') =>
      measured.map(({ measured: own, control }) => ({ measured: own[pick], control: control[pick] }))
    return [
      compare('list, median: 10,000 tenants, 1,000,000 projects / 100, 10,000', 'ms', sides('p50'), { atMost: 1.2 }),
      compare('list, p99: the same', 'ms', sides('p99'), { atMost: 1.5 }),
    ]
  } finally {
    await Promise.all([few.stop(), many.stop()])
  }
}
