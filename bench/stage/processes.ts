import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

/** A server in its own process. */
export interface ServerProcess {
  url: string
  pid: number
  /** From the start of the process to its first 200. Milliseconds. */
  readyMs: number
  stop(): Promise<void>
}

const TIMEOUT_MS = 60_000

/** The service and its controls, as paths from this folder. */
export const SERVICE = '../../server/bin/freehold.js'
export const CEILING = 'ceiling.ts'
export const BARE_POSTGRES = 'bare-postgres.ts'

/** Starts a program that listens on PORT; waits until `path` answers 200. @throws Error with its output if it ends */
export async function startServer(
  program: typeof SERVICE | typeof CEILING | typeof BARE_POSTGRES,
  args: readonly string[],
  environment: Record<string, string>,
  path: string,
  nodeOptions: readonly string[] = [],
): Promise<ServerProcess> {
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...nodeOptions, fileURLToPath(new URL(program, import.meta.url)), ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', PORT: String(port), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  const end = () => void child.kill()
  process.once('exit', end) // if the benchmark itself is stopped
  void ended.then(() => process.off('exit', end))
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-4000)))
  while (!(await isReady(url + path))) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${said}`)
    if (performance.now() - startedAt > TIMEOUT_MS) {
      child.kill('SIGKILL')
      throw new Error(`${program} was not ready in a minute: ${said}`)
    }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  return {
    url,
    pid: child.pid!,
    readyMs: performance.now() - startedAt,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

const isReady = (url: string): Promise<boolean> =>
  fetch(url).then(
    async response => {
      await response.arrayBuffer()
      return response.status === 200
    },
    () => false,
  )

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

const TICKS_A_SECOND = 100

/** CPU seconds that a process has used, optionally with its children; NaN if the system has no /proc. */
export function cpuSeconds(pid: number, withChildren = false): number {
  try {
    const ticks = withChildren ? [pid, ...childrenOf(pid)].map(ticksOf) : [ticksOf(pid)]
    return ticks.reduce((sum, each) => sum + each, 0) / TICKS_A_SECOND
  } catch {
    return Number.NaN
  }
}

function ticksOf(pid: number): number {
  const [, , , , , , , , , , , user, system] = fieldsOf(pid)
  return Number(user) + Number(system)
}

/** The fields of /proc/PID/stat after the name, which may contain spaces. */
const fieldsOf = (pid: number): string[] => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')

const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(child => {
      try {
        return Number(fieldsOf(child)[1]) === pid
      } catch {
        return false // it has ended meanwhile
      }
    })

/** Resident memory of one process in megabytes; NaN if the system has no /proc. */
export function residentMegabytes(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
  } catch {
    return Number.NaN
  }
}
