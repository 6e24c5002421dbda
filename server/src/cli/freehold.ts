import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { listSigningKeys, removeSigningKey, rotateSigningKeys } from '../access/signing-keys.ts'
import { createPasswords } from '../auth/passwords.ts'
import { createSuperuser, listSuperusers, setSuperuser } from '../auth/superuser.ts'
import { ConfigError, loadConfig } from '../config.ts'
import type { Config } from '../config.ts'
import { Problem } from '../core/problems.ts'
import { readDigest } from '../core/wall.ts'
import { startService, version } from '../main.ts'
import { runDoctor } from './doctor.ts'
import { migrateCommand } from './migrate.ts'
import { withDatabase, withProvision } from './with-database.ts'

const USAGE = `freehold ${version}

  freehold start [--migrate]          run the service; in production --migrate applies pending migrations first
  freehold migrate <command>          generate, apply, auto, rollback, stamp, current, list, check
  freehold superuser grant EMAIL      give an account the platform role; --create makes it, with the password from standard input
  freehold superuser revoke EMAIL     take it away, and end the account's sessions
  freehold superuser list             who holds it
  freehold keys generate              a new signing key; tokens of the present one stay valid until they expire
  freehold keys list                  every signing key
  freehold keys remove ID             for a key that leaked: its tokens are refused within seconds
  freehold doctor [--roles]           what is wrong, and what mends it; --roles prints the SQL that makes the logins
`

/** Runs one command of the command line. @returns the exit code: 0 done, 1 failed, 2 not understood */
export async function runCommand(args: string[]): Promise<number> {
  const [command, ...rest] = args
  const commands: Record<string, (rest: string[], config: Config) => Promise<number>> = {
    start,
    migrate,
    superuser,
    keys,
    doctor: runDoctor,
  }
  const run = commands[command ?? '']
  if (run === undefined) {
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
    return await run(rest, loadConfig(isAsking ? { ...process.env, ...wanted } : process.env))
  } catch (error) {
    console.error(`freehold ${command}: ${explain(error)}`)
    return error instanceof TypeError && 'code' in error ? 2 : 1
  }
}

/** The one sentence that helps; a stack only for what nobody foresaw. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message
  if (error instanceof Problem)
    return [error.message, ...(error.errors ?? []).map(({ detail }) => `- ${detail}`)].join('\n')
  if (!(error instanceof Error)) return String(error)
  const { code, port } = error as NodeJS.ErrnoException & { port?: number }
  if (code === 'EADDRINUSE')
    return `port ${port} is taken: stop what listens there, or set PORT to another one (0 chooses a free one)`
  if (code === 'EACCES' && port !== undefined)
    return `this user may not listen on port ${port}: set PORT to one above 1023`
  return error.message
}

async function start(args: string[], config: Config): Promise<number> {
  const { values } = parseArgs({ args, options: { migrate: { type: 'boolean' } } })
  const service = await startService(config, values.migrate === undefined ? {} : { migrate: values.migrate })
  await new Promise<void>((resolve, reject) => {
    let asked = 0
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        // Asked again later: at once. A terminal and npm both pass on the first Ctrl-C, so it may arrive twice.
        if (asked > 0 && Date.now() - asked > 1000) process.exit(130)
        if (asked > 0) return
        asked = Date.now()
        service.stop().then(resolve, reject)
      })
    }
  })
  return 0
}

async function migrate(args: string[], config: Config): Promise<number> {
  return withProvision(config, ({ ownerUrl, adminUrl }) => {
    if (ownerUrl === undefined) throw new Error('migrations run as the owner: set DATABASE_URL')
    return migrateCommand(args, {
      databaseUrl: ownerUrl,
      adminUrl,
      schema: config.database.schema,
      digest: readDigest,
      print: line => console.log(line),
    })
  })
}

async function superuser(args: string[], config: Config): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: { create: { type: 'boolean' } }, allowPositionals: true })
  const [action, email] = positionals
  return withDatabase(config, async database => {
    if (action === 'list') {
      for (const address of await listSuperusers(database)) console.log(address)
      return 0
    }
    if ((action !== 'grant' && action !== 'revoke') || email === undefined) {
      console.error(USAGE)
      return 2
    }
    const found = await setSuperuser(database, email, action === 'grant')
    if (!found && action === 'grant' && values.create) {
      const password = (await text(process.stdin)).replace(/\r?\n$/, '')
      await createSuperuser(
        { database, passwords: await createPasswords(), policy: config.passwordPolicy },
        { email, password },
      )
    } else if (!found)
      throw new Error(`no account has the address ${email}${action === 'grant' ? '; --create makes one' : ''}`)
    console.log(action === 'grant' ? `${email} is a superuser` : `${email} is no superuser any more`)
    return 0
  })
}

async function keys(args: string[], config: Config): Promise<number> {
  const [action, id] = args
  return withDatabase(config, async database => {
    if (action === 'generate')
      console.log(
        `new key ${await rotateSigningKeys(database, config.secretKey, config.jwtAlgorithm)}; it signs in half a minute, when every process has read it`,
      )
    else if (action === 'remove' && id !== undefined) {
      await removeSigningKey(database, id)
      console.log(`${id} is gone; every process refuses its tokens within seconds`)
    } else if (action === 'list') {
      for (const key of await listSigningKeys(database))
        console.log(
          `${key.id}  ${key.algorithm}  made ${key.created_at}${key.retired_at === null ? '' : `  retired ${key.retired_at}`}`,
        )
    } else {
      console.error(USAGE)
      return 2
    }
    return 0
  })
}
