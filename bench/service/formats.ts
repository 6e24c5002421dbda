import pg from 'pg'
import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { saturate } from '../stage/load.ts'
import { cpuSeconds } from '../stage/processes.ts'
import { startService } from '../stage/stage.ts'
import type { Stage } from '../stage/stage.ts'

const CONNECTIONS = 16
const PEOPLE = 256

/** The same thing in v5 and in v1. */
const pairs = [
  { v5: '/api/v5/sessions?limit=20', v1: '/api/v1/workspaces?limit=20' },
  { v5: '/v5/users/me', v1: '/api/v1/users/me' },
] as const

/** The CPU time of the process for a request in v5, compared to its counterpart in v1, in alternating rounds. */
export async function measureFormats(stage: Stage, rounds: number, seconds: number): Promise<Figure[]> {
  const owners = stage.owners.slice(0, PEOPLE)
  await giveWorkspaces(stage)
  const service = await startService(stage)
  const figures: Figure[] = []
  try {
    const run = async (path: string, duration: number) => {
      const requests = owners.map(({ authorization }) => ({ path, headers: { authorization } }))
      const before = cpuSeconds(service.pid)
      const { count } = await saturate({ url: service.url, connections: CONNECTIONS, seconds: duration, requests })
      return ((cpuSeconds(service.pid) - before) / count) * 1e6
    }
    for (const { v5, v1 } of pairs) for (const path of [v5, v1]) await run(path, 3)
    for (const { v5, v1 } of pairs) {
      const measured: { measured: number; control: number }[] = []
      for (let round = 0; round < rounds; round++) {
        const first = round % 2 === 0 ? await run(v5, seconds) : undefined
        const control = await run(v1, seconds)
        measured.push({ measured: first ?? (await run(v5, seconds)), control })
      }
      figures.push(compare(`GET ${v5}, CPU of the process`, 'µs/request', measured, { atMost: 1.1 }))
    }
  } finally {
    await service.stop()
  }
  return figures
}

/** Twenty workspaces for each organization, without triggers. */
async function giveWorkspaces({ adminUrl }: Stage): Promise<void> {
  const admin = new pg.Client(adminUrl)
  await admin.connect()
  await admin.query('set session_replication_role = replica')
  await admin.query(`
    insert into workspaces (organization_id, name, workspace_path, created_by)
    select m.organization_id, 'Workspace ' || w, '/workspace/' || w, m.user_id
    from generate_series(1, 20) w, memberships m where not exists (select from workspaces)`)
  await admin.query('analyze workspaces')
  await admin.end()
}
