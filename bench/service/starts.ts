import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare } from '../stage/figures.ts'
import type { Figure } from '../stage/figures.ts'
import { BARE_POSTGRES, residentMegabytes, SERVICE, startServer } from '../stage/processes.ts'
import { SECRET } from '../stage/stage.ts'

interface Start {
  first: number
  warm: number
  megabytes: number
}

/** The time to the first 200 of /ready, of a first start and of a warm one, compared to the database alone. */
export async function measureStarts(rounds: number): Promise<Figure[]> {
  const measured: { measured: Start; control: Start }[] = []
  for (let round = 0; round < rounds; round++) {
    const control = await start(BARE_POSTGRES, [], '/')
    measured.push({ measured: await start(SERVICE, ['start'], '/ready'), control })
  }
  const sides = (pick: keyof Start) =>
    measured.map(({ measured: own, control }) => ({ measured: own[pick], control: control[pick] }))
  return [
    compare('first start, which creates the database / bare PostgreSQL', 'ms', sides('first')),
    compare('warm start (aim: 1000 ms) / bare PostgreSQL', 'ms', sides('warm')),
    compare('memory of the idle service (aim: 150 MB) / bare runtime', 'MB', sides('megabytes')),
  ]
}

async function start(
  program: Parameters<typeof startServer>[0],
  args: readonly string[],
  path: string,
): Promise<Start> {
  const directory = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
  await chmod(directory, 0o711) // PostgreSQL may run as another user than this one
  // An empty cache of compiled code, as in a real first start.
  const environment = {
    DATA_DIR: directory,
    SECRET_KEY: SECRET,
    LOG_FILE: '/dev/null',
    LOG_FORMAT: 'json',
    NODE_COMPILE_CACHE: join(directory, 'compiled'),
  }
  try {
    const first = await startServer(program, args, environment, path)
    await first.stop()
    const warm = await startServer(program, args, environment, path)
    const megabytes = residentMegabytes(warm.pid)
    await warm.stop()
    return { first: first.readyMs, warm: warm.readyMs, megabytes }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
