import { constants } from 'node:os'
import { ConfigError, loadConfig } from '../config/config.ts'
import type { Config } from '../config/config.ts'
import { Problem } from '../platform/problems.ts'
import { version } from '../version.ts'
import { USAGE, UsageError } from './usage.ts'

/** A command: its words and the configuration. @returns the exit code */
type Command = (args: string[], config: Config) => Promise<number>

// Each is loaded when it is called: a start need not wait for what it never uses.
const commands: Record<string, () => Promise<Command>> = {
  start: async () => (await import('./start.ts')).start,
  worker: async () => (await import('./worker.ts')).worker,
  migrate: async () => (await import('./migrate.ts')).migrate,
  superuser: async () => (await import('./superuser.ts')).superuser,
  unlock: async () => (await import('./unlock.ts')).unlock,
  import: async () => (await import('./import.ts')).importAccounts,
  keys: async () => (await import('./keys.ts')).keys,
  jobs: async () => (await import('./jobs.ts')).jobs,
  doctor: async () => (await import('./doctor.ts')).doctor,
}

/** The commands that listen to signals themselves. */
const untilTold = new Set<string | undefined>(['start', 'worker'])

/** A command that is ended half-way ends through `exit`, whose listeners take the embedded PostgreSQL along. */
function endBySignal(): void {
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
}

/** Runs one command of the command line. @returns the exit code: 0 done, 1 failed, 2 not understood */
export async function runCommand(args: string[]): Promise<number> {
  const [command, ...rest] = args
  const load = commands[command ?? '']
  if (command === '--version' || command === 'version') {
    console.log(version)
    return 0
  }
  if (load === undefined) {
    const isAsked = command === undefined || command === 'help' || command === '--help'
    if (!isAsked) console.error(`freehold: there is no command ${command}\n`)
    console.log(USAGE)
    return isAsked ? 0 : 2
  }
  try {
    // Who asks how to make the logins has none yet.
    const wanted = {
      DATABASE_TENANT_URL: 'postgres://tenant@to-be.made/it',
      DATABASE_SYSTEM_URL: 'postgres://system@to-be.made/it',
    }
    const isAsking = command === 'doctor' && rest.includes('--roles')
    const config = loadConfig(isAsking ? { ...process.env, ...wanted } : process.env)
    const run = await load()
    if (!untilTold.has(command)) endBySignal()
    return await run(rest, config)
  } catch (error) {
    console.error(`freehold ${command}: ${explain(error)}`)
    const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error)
    return isUsage ? 2 : 1
  }
}

/** The one sentence that helps; a stack only for what nobody foresaw. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message
  if (error instanceof Problem)
    return [error.message, ...(error.errors ?? []).map(({ detail }) => `- ${detail}`)].join('\n')
  if (error instanceof UsageError) return `this is not how it is called\n\n${USAGE}`
  if (!(error instanceof Error)) return String(error)
  const { code, port } = error as NodeJS.ErrnoException & { port?: number }
  if (code === 'EADDRINUSE')
    return `port ${port} is taken: stop what listens there, or set PORT to another one (0 chooses a free one)`
  if (code === 'ECONNREFUSED')
    return `${error.message}: no database answers there; start it, or correct DATABASE_URL, DATABASE_TENANT_URL and DATABASE_SYSTEM_URL`
  // An unknown table or column.
  if (code === '42P01' || code === '42703')
    return `${error.message}: the database is not as this version has it; apply the migrations with: freehold migrate apply`
  if (code === 'EACCES' && port !== undefined)
    return `this user may not listen on port ${port}: set PORT to one above 1023`
  return error.message
}
