import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describeFileFault } from '../../config/file-faults.ts'
import { DataDirectoryError, lockFile } from './data-directory.ts'
import type { FileLock } from './data-directory.ts'
import { describeFailure, prepareCluster, prepareHome } from './postgres-installation.ts'
import type { Home, Log } from './postgres-installation.ts'
import { choosePrograms, EmbeddedPostgresError } from './postgres-programs.ts'
import type { Programs } from './postgres-programs.ts'
import {
  awaitServer,
  endOrphans,
  findFreePort,
  findPostmaster,
  launchServer,
  readPassword,
  shutDownServer,
  tellServerToEnd,
} from './postgres-process.ts'

export interface EmbeddedPostgres {
  /** Superuser URL of the cluster's `postgres` database: postgres://postgres:…@127.0.0.1:PORT/postgres. */
  readonly url: string
  readonly port: number
  /** True while another process supervises the server; if that one ends, this one takes over. */
  readonly attached: boolean
  /** Detaches, and shuts the server down unless another process of ours uses it. */
  stop(): Promise<void>
}

interface Server extends Home {
  readonly log: Log
  readonly maxConnections: number
  /** Which PostgreSQL to use, as in choosePrograms. */
  readonly wanted: string
  /** Aborted by `stop`. */
  readonly stopping: AbortSignal
}

const pollMs = 25
const watchMs = 200
const longestPauseMs = 10_000
const timeoutMs = 60_000

/**
 * Starts the embedded PostgreSQL of a data directory, or attaches to the running one, and keeps it running until
 * `stop`: a server that dies is started again on its port. @throws EmbeddedPostgresError, whose message says what to do
 *
 * One lock file coordinates the processes. Each user of the server locks it `shared`; the supervisor also locks it
 * `single`, and only it starts and restarts the server; the last user locks it `alone` while it shuts the server down.
 * The locks end with their process, so that the next process takes over if the supervisor was killed.
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string
  log: Log
  maxConnections?: number
  /** `system`, `bundled` or a folder. */
  programs?: string
}): Promise<EmbeddedPostgres> {
  const { dataDir, log, maxConnections = 100, programs: wanted = 'bundled' } = options
  const stopping = new AbortController()
  let use: FileLock | undefined
  let supervision: FileLock | undefined
  /** For an end without `stop`: after an uncaught error, or at once because of a second signal. */
  let leave: (() => void) | undefined
  try {
    const server: Server = { ...prepareHome(dataDir, log), log, maxConnections, wanted, stopping: stopping.signal }
    const lockPath = join(server.folder, 'server.lock')
    leave = () => {
      supervision?.release()
      use?.release()
      const last = lockFile(lockPath, 'alone')
      if (last) tellServerToEnd(server)
      last?.release()
    }
    process.once('exit', leave)
    let port: number | undefined
    for (const deadline = Date.now() + timeoutMs; ; await delay(pollMs)) {
      use ??= lockFile(lockPath, 'shared') // refused while another process shuts the server down
      supervision = use && lockFile(lockPath, 'single')
      port = supervision ? await bringUp(server) : use && (await awaitServer(server))
      if (port !== undefined) break
      if (Date.now() > deadline) throw new EmbeddedPostgresError(describeBusy(server))
    }
    const superviseServer = () => (supervision ??= lockFile(lockPath, 'single')) !== undefined
    const watching = watchServer(server, port, superviseServer)
    let stopped: Promise<void> | undefined
    const stop = async () => {
      stopping.abort()
      await watching
      supervision?.release()
      use?.release()
      const last = lockFile(lockPath, 'alone')
      try {
        if (!last) return log('info', 'PostgreSQL keeps running for another process')
        await shutDownServer(server)
      } finally {
        last?.release()
        if (leave !== undefined) process.removeListener('exit', leave)
      }
    }
    return {
      url: `postgres://postgres:${readPassword(server)}@127.0.0.1:${port}/postgres`,
      port,
      get attached() {
        return supervision === undefined
      },
      stop: () => (stopped ??= stop()),
    }
  } catch (error) {
    supervision?.release()
    use?.release()
    if (leave !== undefined) process.removeListener('exit', leave)
    throw toEmbeddedPostgresError(error, dataDir)
  }
}

async function bringUp(server: Server): Promise<number> {
  const running = await awaitServer(server)
  if (running !== undefined) return running
  const programs = choosePrograms(server, server.wanted)
  await prepareCluster(server, programs)
  const portFile = join(server.folder, 'port')
  const former = existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : undefined
  for (let port = former || choosePort(server.folder); ; port += 1) {
    port = await findFreePort(port)
    if (port !== former) writeFileSync(portFile, String(port), { mode: 0o600 })
    if (!(await startServer(server, programs, port))) continue
    if (former && port !== former) server.log('warn', `Port ${former} is taken: PostgreSQL is on port ${port} now`)
    return port
  }
}

/** The same port for the same folder, even without its file; below 32768, where outgoing ports begin. */
function choosePort(folder: string): number {
  return 20_000 + (createHash('sha256').update(folder).digest().readUInt16BE() % 10_000)
}

/** False if another program has taken the port meanwhile. */
async function startServer(
  server: Server,
  { folder: programs, major, minor, isBundled }: Programs,
  port: number,
): Promise<boolean> {
  if (!isBundled) server.log('info', `PostgreSQL ${major}.${minor} of this machine is used (${programs})`)
  const launch = { ...server, programs, port }
  for (const deadline = Date.now() + timeoutMs; ; await delay(pollMs)) {
    const said = await launchServer(server, launch)
    if (said === undefined) return true
    if (said.includes('Address already in use')) return false
    const held = said.includes('pre-existing shared memory block') && !server.stopping.aborted
    if (!held || Date.now() > deadline) throw new EmbeddedPostgresError(describeFailure(server, said))
    endOrphans(server)
  }
}

/** Starts the server again whenever it has died, on the same port, because its URL is already in use. */
async function watchServer(server: Server, port: number, superviseServer: () => boolean): Promise<void> {
  const { log, stopping } = server
  let pauseMs = watchMs
  let startedAt = Date.now()
  for (;;) {
    await delay(pauseMs, undefined, { signal: stopping, ref: false }).catch(() => {})
    if (stopping.aborted) return
    try {
      if (!superviseServer() || findPostmaster(server)) {
        if (Date.now() - startedAt > timeoutMs) pauseMs = watchMs
        continue
      }
      log('warn', `PostgreSQL has died: starting it again on port ${port}`)
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
      startedAt = Date.now()
      // Chosen again, because the machine's packages may have been updated.
      const programs = choosePrograms(server, server.wanted)
      if (!(await startServer(server, programs, port)))
        throw new EmbeddedPostgresError(`Port ${port} is used by another program`)
      log('info', `PostgreSQL is back on port ${port}`)
    } catch (error) {
      if (!stopping.aborted) log('error', `${toEmbeddedPostgresError(error, server.folder).message}; trying again`)
    }
  }
}

function describeBusy({ folder }: Server): string {
  const log = join(folder, 'server.log')
  return `Another process is busy with the PostgreSQL in ${folder}, which does not answer: see its log and ${log}.`
}

function toEmbeddedPostgresError(error: unknown, dataDir: string): Error {
  if (error instanceof EmbeddedPostgresError) return error
  const fault = error as NodeJS.ErrnoException
  const message = fault instanceof DataDirectoryError ? fault.message : describeFileFault(fault, fault.path ?? dataDir)
  return new EmbeddedPostgresError(message ?? `The embedded PostgreSQL failed: ${fault.message}`, { cause: error })
}
