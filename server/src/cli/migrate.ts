import { parseArgs } from 'node:util'
import type { ParseArgsConfig } from 'node:util'
import type pg from 'pg'
import type { Config } from '../config/config.ts'
import {
  applyMigrations,
  listMigrations,
  readMigrations,
  rollbackMigrations,
  stampMigrations,
} from '../platform/migrations/migrations.ts'
import type { MigrationOptions } from '../platform/migrations/migrations.ts'
import type { Declarations } from '../platform/declarations.ts'
import { migrateJobs } from '../platform/jobs/jobs.ts'
import { applyFeatureMigrations } from '../platform/migrations/feature-migrations.ts'
import { writeDeclaredRows } from '../platform/schema/declared-rows.ts'
import { connectToDatabase, MigrationError } from '../platform/migrations/schema-script.ts'
import { readDigest } from '../platform/schema/inspection.ts'
import type * as Generation from '../../tools/generate-migration.ts'
import { withProvision } from '../platform/schema/with-database.ts'

export interface MigrateEnvironment {
  /** The owner's URL. */
  databaseUrl: string
  /** A server on which scratch databases can be created, for `generate`, `auto` and `check`. */
  adminUrl: string | undefined
  schema: string
  print: (line: string) => void
  digest?: (client: pg.Client) => Promise<string>
  /** The directory of the migrations, if not `server/migrations`. */
  directory?: string
  /** The declared schema, if not the product's. */
  declaredFiles?: readonly string[]
}

const usage = `freehold migrate <command>

  generate "message"   write the migration to the declared schema
  apply [--to N]       apply the pending migrations, up to number N
  auto "message"       generate, then apply
  rollback [--steps N | --to N] [--allow-data-loss]
                       roll back the last one, the last N, or all above number N
  stamp N | head       record 1 to N as applied, and none above, without running any
  current              show the last one that was applied
  list                 list all of them with their state
  check                check the connection, and whether the migrations produce the declared schema`

interface Input {
  environment: MigrateEnvironment
  argument: string
  values: Values
}

type Values = Partial<Record<string, string | boolean | (string | boolean)[]>>

interface Command {
  /** Its argument besides options. */
  argument?: string
  options?: ParseArgsConfig['options']
  run: (input: Input) => Promise<number>
}

const commands = new Map<string, Command>([
  ['generate', { argument: 'a message', run: generate }],
  ['apply', { options: { to: { type: 'string' } }, run: apply }],
  ['auto', { argument: 'a message', run: async input => (await generate(input)) || apply(input) }],
  [
    'rollback',
    {
      options: { steps: { type: 'string' }, to: { type: 'string' }, 'allow-data-loss': { type: 'boolean' } },
      run: rollback,
    },
  ],
  ['stamp', { argument: 'a number or "head"', run: stamp }],
  ['current', { run: printCurrent }],
  ['list', { run: printList }],
  ['check', { run: check }],
])

class UsageError extends Error {}

/**
 * Runs `freehold migrate` with its arguments and returns the exit code: 0, 1 if it failed or found a difference, 2 for
 * wrong usage. The output goes to `print`.
 */
export async function migrateCommand(args: string[], environment: MigrateEnvironment): Promise<number> {
  try {
    const [name = '', ...rest] = args
    const command = commands.get(name)
    if (!command) throw new UsageError(name ? `There is no command "migrate ${name}".` : 'Which command?')
    return await command.run({ environment, ...parseInput(name, command, rest) })
  } catch (error) {
    if (error instanceof UsageError) environment.print(`${error.message}\n\n${usage}`)
    // errors of PostgreSQL itself (they have a severity) are printed unchanged
    else if (error instanceof MigrationError || (error instanceof Error && 'severity' in error))
      environment.print(error.message)
    else throw error
    return error instanceof UsageError ? 2 : 1
  }
}

function parseInput(name: string, { argument, options = {} }: Command, args: string[]): Omit<Input, 'environment'> {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    if (positionals.length === (argument ? 1 : 0)) return { values, argument: positionals[0] ?? '' }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  throw new UsageError(
    `"migrate ${name}" takes ${argument ? `${argument}, in quotes if it has spaces` : 'no argument'}.`,
  )
}

function parseNumber(what: string, value: Values[string]): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && /^\d{1,4}$/.test(value)) return Number(value)
  throw new UsageError(`${what} takes a number, not "${value.toString()}".`)
}

/** Opens the owner's connection while `work` runs. */
async function withDatabase<T>(
  environment: MigrateEnvironment,
  work: (client: pg.Client, options: MigrationOptions) => Promise<T>,
): Promise<T> {
  const { databaseUrl, schema, print, digest, directory } = environment
  const migrations = readMigrations(directory)
  const client = await connectToDatabase(databaseUrl)
  try {
    return await work(client, { schema, migrations, log: print, ...(digest && { digest }) })
  } finally {
    await client.end()
  }
}

async function apply({ environment, values }: Input): Promise<number> {
  const to = parseNumber('--to', values['to'])
  const applied = await withDatabase(environment, (client, options) =>
    applyMigrations(client, { ...options, ...(to !== undefined && { to }) }),
  )
  if (applied.length === 0) environment.print('Nothing to apply.')
  return 0
}

async function rollback({ environment, values }: Input): Promise<number> {
  const [to, steps] = [parseNumber('--to', values['to']), parseNumber('--steps', values['steps'])]
  if (to !== undefined && steps !== undefined)
    throw new UsageError('"migrate rollback" takes --steps or --to, not both.')
  const gone = await withDatabase(environment, (client, options) =>
    rollbackMigrations(client, {
      ...options,
      ...(to !== undefined && { to }),
      ...(steps !== undefined && { steps }),
      allowDataLoss: values['allow-data-loss'] === true,
    }),
  )
  if (gone.length === 0) environment.print('Nothing to roll back.')
  return 0
}

async function stamp({ environment, argument }: Input): Promise<number> {
  const to = argument === 'head' ? undefined : parseNumber('"migrate stamp"', argument)
  const stamped = await withDatabase(environment, (client, options) =>
    stampMigrations(client, { ...options, ...(to !== undefined && { to }) }),
  )
  environment.print(
    stamped.length > 0 ? `Recorded as applied, up to ${stamped.at(-1)}.` : 'Recorded that none is applied.',
  )
  return 0
}

async function printCurrent({ environment }: Input): Promise<number> {
  const states = await withDatabase(environment, listMigrations)
  const pending = states.filter(({ appliedAt }) => !appliedAt).length
  const last = states.findLast(({ appliedAt }) => appliedAt)?.name ?? 'none applied'
  environment.print(pending > 0 ? `${last} (${pending} pending)` : last)
  return 0
}

async function printList({ environment }: Input): Promise<number> {
  const states = await withDatabase(environment, listMigrations)
  for (const { name, appliedAt, changed, known } of states) {
    const remark = changed ? ', its file has changed since' : known ? '' : ', has no file here: a newer version ran it'
    environment.print(`${name}  ${appliedAt ? `applied ${appliedAt.toISOString()}${remark}` : 'pending'}`)
  }
  if (states.length === 0) environment.print('There are no migrations yet.')
  return 0
}

async function check({ environment }: Input): Promise<number> {
  const { print } = environment
  const faults = await withDatabase(environment, async (client, options) => {
    const {
      rows: [server],
    } = await client.query<{ version: string }>("select current_setting('server_version') as version")
    print(`Connected to PostgreSQL ${server?.version} at ${client.host}:${client.port}, database ${client.database}.`)
    const states = await listMigrations(client, options)
    const pending = states.filter(({ appliedAt }) => !appliedAt)
    if (pending.length > 0) print(`Pending: ${pending.map(({ name }) => name).join(', ')}.`)
    return states.flatMap(({ name, changed, known }) =>
      changed
        ? [`${name} is no longer what ran in this database.`]
        : known
          ? []
          : [`${name} ran in this database, but has no file here.`],
    )
  })
  for (const fault of faults) print(fault)
  return (await checkDrift(environment)) || (faults.length > 0 ? 1 : 0)
}

async function checkDrift(environment: MigrateEnvironment): Promise<number> {
  const { adminUrl, print } = environment
  const generation = adminUrl === undefined ? undefined : await loadGeneration()
  if (adminUrl === undefined || !generation) {
    const reason = adminUrl === undefined ? 'there is no server for scratch databases' : noGeneration
    print(`Drift was not checked: ${reason}.`)
    return 0
  }
  const drift = await generation.findDrift(await declare(environment, adminUrl))
  print(
    drift.length === 0
      ? 'No drift: the migrations produce the declared schema.'
      : 'The migrations do not produce the declared schema ("freehold migrate generate" writes the missing one):',
  )
  for (const line of drift) print(`  ${line}`)
  return drift.length > 0 ? 1 : 0
}

async function generate({ environment, argument }: Input): Promise<number> {
  const { adminUrl } = environment
  if (adminUrl === undefined)
    throw new MigrationError(
      'Generating needs a server for scratch databases: leave DATABASE_URL unset to use the embedded one.',
    )
  const generation = await loadGeneration()
  if (!generation) throw new MigrationError(`Migrations cannot be generated here: ${noGeneration}.`)
  await generation.generateMigration(argument, await declare(environment, adminUrl))
  return 0
}

const noGeneration = 'the development tools are not installed (npm ci installs them)'

/** The running service does not have pg-delta, and does not need it. */
async function loadGeneration(): Promise<typeof Generation | undefined> {
  try {
    return await import('../../tools/generate-migration.ts')
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      error.code === 'ERR_MODULE_NOT_FOUND' &&
      error.message.includes('@supabase/pg-delta')
    )
      return undefined
    throw error
  }
}

async function declare(
  { directory, declaredFiles, print }: MigrateEnvironment,
  adminUrl: string,
): Promise<Generation.DeclaredSchema> {
  const files = declaredFiles ?? (await loadDeclarations()).schemaFiles
  return { adminUrl, declaredFiles: files, print, ...(directory !== undefined && { directory }) }
}

async function loadDeclarations(): Promise<Declarations> {
  const { features } = await import('../features.ts')
  return (await import('../platform/declarations.ts')).declare(features)
}

/** `freehold migrate` on the configured database, as its owner. */
export async function migrate(args: string[], config: Config): Promise<number> {
  return withProvision(config, async ({ ownerUrl, adminUrl }) => {
    if (ownerUrl === undefined) throw new Error('migrations run as the owner: set DATABASE_URL')
    const { schema } = config.database
    const print = (line: string) => console.log(line)
    const applies = args[0] === 'apply' || args[0] === 'auto'
    const asOwner = async (work: (client: pg.Client, declared: Declarations) => Promise<void>): Promise<void> => {
      const client = await connectToDatabase(ownerUrl)
      try {
        await work(client, await loadDeclarations())
      } finally {
        await client.end()
      }
    }
    // The migrations call the job queue, so it comes first.
    if (applies) await asOwner((client, { jobs }) => migrateJobs(client, schema, jobs))
    const code = await migrateCommand(args, { databaseUrl: ownerUrl, adminUrl, schema, digest: readDigest, print })
    // Features' own migrations and rows belong to this version's schema; after `--to` the schema may be older.
    if (applies && code === 0 && !args.includes('--to'))
      await asOwner(async (client, declared) => {
        await applyFeatureMigrations(client, declared.features, { schema, digest: readDigest, log: print })
        await writeDeclaredRows(client, schema, declared)
      })
    return code
  })
}
