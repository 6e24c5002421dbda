import { constants } from 'node:os'
import { ConfigError, loadConfig } from '../config/config.ts'
import type { Config } from '../config/config.ts'
import { needsOfService } from '../config/rules.ts'
import type { Need } from '../config/rules.ts'
import { Problem } from '../platform/problems.ts'
import { version } from '../version.ts'
import { USAGE, UsageError } from './usage.ts'

/** Runs a command with its arguments. @returns the exit code */
type Command = (args: string[], config: Config) => Promise<number>

interface Entry {
  /** Loads the command's code only when it is called, so that other commands do not wait for it. */
  load: () => Promise<Command>
  /** The configuration that it requires outside development. */
  needs: readonly Need[]
}

const operator: readonly Need[] = ['system', 'secret']

const commands: Record<string, Entry> = {
  start: { load: async () => (await import('./start.ts')).start, needs: needsOfService },
  worker: { load: async () => (await import('./worker.ts')).worker, needs: needsOfService },
  migrate: { load: async () => (await import('./migrate.ts')).migrate, needs: ['owner'] },
  superuser: { load: async () => (await import('./superuser.ts')).superuser, needs: operator },
  unlock: { load: async () => (await import('./unlock.ts')).unlock, needs: operator },
  import: { load: async () => (await import('./import/import.ts')).importAccounts, needs: operator },
  seed: { load: async () => (await import('./seed.ts')).seed, needs: operator },
  keys: { load: async () => (await import('./keys.ts')).keys, needs: operator },
  jobs: { load: async () => (await import('./jobs.ts')).jobs, needs: ['system'] },
  doctor: { load: async () => (await import('./doctor/doctor.ts')).doctor, needs: needsOfService },
}

/** The commands that handle signals themselves. */
const untilTold = new Set<string | undefined>(['start', 'worker'])

/** If a command is interrupted, it ends through `exit`, whose listeners stop the embedded PostgreSQL. */
function endBySignal(): void {
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
}

/** Runs one command of the command line. @returns the exit code: 0 done, 1 failed, 2 not understood */
export async function runCommand(args: string[]): Promise<number> {
  const [command, ...rest] = args
  const entry = commands[command ?? '']
  if (command === '--version' || command === 'version') {
    console.log(version)
    return 0
  }
  const isAsked = command === undefined || command === 'help' || args.includes('--help')
  if (entry === undefined || isAsked) {
    if (!isAsked) console.error(`freehold: there is no command ${command}\n`)
    console.log(USAGE)
    return isAsked ? 0 : 2
  }
  try {
    // For `doctor --roles`, the logins do not exist yet.
    const needs = command === 'doctor' && rest.includes('--roles') ? (['secret'] as const) : entry.needs
    const config = loadConfig(process.env, process.cwd(), needs)
    const run = await entry.load()
    if (!untilTold.has(command)) endBySignal()
    return await run(rest, config)
  } catch (error) {
    console.error(`freehold ${command}: ${explain(error)}`)
    const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error)
    return isUsage ? 2 : 1
  }
}

/** The fields of socket errors, besides their code. */
interface Place {
  port?: number
  address?: string
  hostname?: string
}

/** A sentence that helps the operator; a stack only for unexpected errors. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message
  if (error instanceof Problem)
    return [error.message, ...(error.errors ?? []).map(({ detail }) => `- ${detail}`)].join('\n')
  if (error instanceof UsageError) return `wrong usage\n\n${USAGE}`
  if (!(error instanceof Error)) return String(error)
  const { code, port, address, syscall, hostname } = error as NodeJS.ErrnoException & Place
  if (code === 'EADDRNOTAVAIL' && syscall === 'listen')
    return `HOST: ${address} is not an address of this machine: set HOST to one that is, such as 127.0.0.1, or to 0.0.0.0 for all`
  if ((code === 'ENOTFOUND' || code === 'EAI_AGAIN') && syscall === 'getaddrinfo')
    return `HOST: no address is known for ${hostname}: set HOST to an address of this machine, or to 0.0.0.0 for all`
  if (code === 'EMFILE' || code === 'ENFILE')
    return `${error.message}: raise the limit of open files (ulimit -n, or LimitNOFILE of the unit)`
  if (code === 'ERR_MODULE_NOT_FOUND')
    return `${error.message}: the packages are not installed as in the lockfile; run npm ci`
  if (code === 'EADDRINUSE')
    return `port ${port} is taken: stop the program that uses it, or set PORT to another one (0 chooses a free one)`
  if (code === 'ECONNREFUSED')
    return `${error.message}: no database answers there; start it, or correct DATABASE_URL, DATABASE_TENANT_URL and DATABASE_SYSTEM_URL`
  // An unknown table or column.
  if (code === '42P01' || code === '42703')
    return `${error.message}: the database does not have the schema of this version; apply the migrations with: freehold migrate apply`
  if (code === 'EACCES' && port !== undefined)
    return `this user may not listen on port ${port}: set PORT to one above 1023`
  return error.message
}
