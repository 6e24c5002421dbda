import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Connection } from '../connections/connection.ts'
import { streamOf } from '../connections/open-connections.ts'
import { isProcessAlive } from './data-directory.ts'
import { EmbeddedPostgresError, serverEnvironment } from './postgres-programs.ts'
import type { Home, Log } from './postgres-installation.ts'

const pollMs = 25
const launched = new Map<string, ChildProcess>()
const silenceMs = 15_000
const logLimitBytes = 10 * 1024 * 1024

/** The superuser's password. */
export function readPassword({ folder }: Home): string {
  const path = join(folder, 'password')
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new EmbeddedPostgresError(`The password of the database cannot be read. Restore the file ${path}.`, {
      cause,
    })
  }
}

/** The server process in PostgreSQL's own lock file, if it runs and belongs to this cluster. */
export function findPostmaster({ data }: Home): { pid: number; port: number } | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
    const pid = Number(lines[0])
    return isPostmaster(pid, data) ? { pid, port: Number(lines[3]) || 0 } : undefined
  } catch {
    return undefined
  }
}

function isPostmaster(pid: number, data: string): boolean {
  // A zombie has no command line, and another process with the same id has a different one.
  if (process.platform !== 'linux') return isProcessAlive(pid)
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(data)
}

/** The port of a server that already runs, as soon as it answers; undefined if none runs. */
export async function awaitServer(home: Home): Promise<number | undefined> {
  for (let deadline = Date.now() + silenceMs; ; await delay(pollMs)) {
    const postmaster = findPostmaster(home)
    if (!postmaster) return undefined
    const answer = await askServer(postmaster.port, readPassword(home))
    if (answer === 'ready' || answer === '53300') return postmaster.port // 53300: all connections are in use
    if (answer === '28P01') throw new EmbeddedPostgresError(describeWrongPassword(home))
    if (answer === '57P03') deadline = Date.now() + silenceMs // recovering after a crash, or shutting down
    if (Date.now() > deadline) {
      throw new EmbeddedPostgresError(
        `Process ${postmaster.pid} uses ${home.data} but does not answer on port ${postmaster.port}. ` +
          'End it and start again.',
      )
    }
  }
}

function describeWrongPassword({ folder }: Home): string {
  return `The password in ${join(folder, 'password')} is not that of the database in the same folder. Restore the former file.`
}

/** `ready`, or the error code. Connects like a client, because only that checks that address and password work. */
async function askServer(port: number, password: string): Promise<string> {
  const client = new Connection({
    connectionString: `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    application_name: 'freehold',
    connectionTimeoutMillis: 5_000,
  })
  try {
    await client.connect()
    void client.end() // a server that is stopped now would not close its side
    streamOf(client).unref()
    return 'ready'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

/**
 * Starts the server and waits until it answers; a recovery may take long. Returns undefined on success, else what the
 * server wrote when it failed. `stopping` ends the attempt. Call it only while holding the server's lock.
 */
export async function launchServer(
  home: Home,
  launch: { programs: string; port: number; maxConnections: number; log: Log; stopping: AbortSignal },
): Promise<string | undefined> {
  const { folder, data, account } = home
  const password = readPassword(home)
  disownPidFile(home)
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${launch.port}`,
    'unix_socket_directories=',
    `max_connections=${launch.maxConnections}`,
    'fsync=on',
  ]
  const logFile = openLogFile(folder)
  const said = fstatSync(logFile).size
  const child = spawn(
    join(launch.programs, 'postgres'),
    ['-D', data, ...settings.flatMap(setting => ['-c', setting])],
    {
      ...account,
      cwd: folder,
      env: serverEnvironment,
      // In its own process session, so that Ctrl-C reaches only the service, which stops the server at its end; with a
      // file instead of a pipe, so that the server survives the service.
      detached: true,
      stdio: ['ignore', logFile, logFile],
    },
  )
  const end: { said?: string } = {}
  launched.set(data, child)
  child.once('error', error => (end.said = error.message))
  child.once('exit', () => (end.said = readLog(folder).subarray(said).toString()))
  child.unref()
  closeSync(logFile)
  const began = Date.now()
  let told = false
  for (; end.said === undefined; await delay(pollMs)) {
    const answer = launch.stopping.aborted ? 'stop' : await askServer(launch.port, password)
    if (answer === 'ready') return undefined
    if (answer === '28P01') {
      child.kill('SIGINT')
      throw new EmbeddedPostgresError(describeWrongPassword(home))
    }
    if (answer === 'stop') {
      await endInTurn(
        signal => child.kill(signal),
        () => end.said !== undefined,
      )
      return end.said ?? ''
    }
    if (!told && Date.now() - began > silenceMs) {
      told = true
      launch.log('warn', `PostgreSQL takes long to start, as after a crash: see ${join(folder, 'server.log')}`)
    }
  }
  return end.said
}

/**
 * PostgreSQL mistakes any process with the id in its lock file for a running server, such as a zombie, or another
 * program after a reboot. So remove the id, but keep the other lines, by which it finds surviving child processes.
 */
function disownPidFile({ data }: Home): void {
  const path = join(data, 'postmaster.pid')
  try {
    const [, ...lines] = readFileSync(path, 'utf8').split('\n')
    const file = openSync(path, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW)
    writeSync(file, ['2147483647', ...lines].join('\n'))
    closeSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function openLogFile(folder: string): number {
  const path = join(folder, 'server.log')
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > logLimitBytes) renameSync(path, `${path}.1`)
  return openSync(path, 'a', 0o600)
}

/** Ends the child processes of a killed server: a running query keeps the shared memory, and prevents a start. */
export function endOrphans({ data }: Home): void {
  if (process.platform !== 'linux') return
  for (const pid of readdirSync('/proc')) {
    try {
      const orphan =
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('postgres: ') &&
        readlinkSync(`/proc/${pid}/cwd`) === data
      if (orphan) process.kill(Number(pid), 'SIGKILL')
    } catch {
      // not a process, already ended, or not ours
    }
  }
}

/** Shuts the server down, if one runs, and waits 30 s for a clean shutdown; then kills it, and it recovers later. */
export const shutDownServer = (home: Home): Promise<void> =>
  endInTurn(
    signal => {
      const postmaster = findPostmaster(home)
      if (postmaster) process.kill(postmaster.pid, signal)
    },
    () => !findPostmaster(home),
  )

async function endInTurn(send: (signal: NodeJS.Signals) => void, isOver: () => boolean): Promise<void> {
  for (const [signal, timeoutMs] of [
    ['SIGINT', 30_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    if (isOver()) return
    try {
      send(signal)
    } catch {
      // it has just ended
    }
    for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await delay(pollMs)) {
      if (isOver()) return
    }
  }
}

/** Tells the server to shut down, if one runs, without waiting; also one that has not yet written its process id. */
export function tellServerToEnd(home: Home): void {
  try {
    const child = launched.get(home.data)
    if (child?.exitCode === null && child.signalCode === null) child.kill('SIGINT')
    else process.kill(findPostmaster(home)?.pid ?? Number.NaN, 'SIGINT')
  } catch {
    // none runs
  }
}

/** The server's log; empty if its folder has just been removed. */
function readLog(folder: string): Buffer {
  try {
    return readFileSync(join(folder, 'server.log'))
  } catch {
    return Buffer.alloc(0)
  }
}

/** A free port of 127.0.0.1: `preferred`, or the next free one above it. */
export async function findFreePort(preferred: number): Promise<number> {
  for (let port = preferred; ; port += 1) {
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
