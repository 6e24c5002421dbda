import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { migrationsDirectory, readMigrations, runMigration } from '../src/platform/migrations/migrations.ts'
import { connectToDatabase, jobSchemaOf, MigrationError, runScript } from '../src/platform/migrations/schema-script.ts'
import { explainLocks, splitOnline } from './schema/migration-locks.ts'
import type { OnlineSplit, Tables } from './schema/migration-locks.ts'
import { diffSnapshots, listUndeclaredPartitions, readSnapshot, tablesOf } from './schema/schema-difference.ts'
import type { Difference, Snapshot } from './schema/schema-difference.ts'
import { readCatalog, readRenames, renameMigrated } from './schema/schema-renames.ts'
import type { Catalog } from './schema/schema-renames.ts'

export interface DeclaredSchema {
  /** A PostgreSQL on which this login may create scratch databases. The three roles exist there. */
  adminUrl: string
  /** SQL files in the order in which they are loaded; `{{schema}}` is replaced by the schema's name. */
  declaredFiles: readonly string[]
  directory?: string
  print: (line: string) => void
}

/** A unique name: wherever it occurs in PostgreSQL's output, it is replaced by `{{schema}}`. */
const scratchSchema = 'freehold_scratch_schema'

/**
 * Writes the migration from the present migrations to the declared schema, after a test run of both directions. Returns
 * its name, or undefined if there is nothing to migrate.
 */
export async function generateMigration(message: string, options: DeclaredSchema): Promise<string | undefined> {
  const { declaredFiles, directory = migrationsDirectory, print } = options
  const words = message
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 60)
    .replace(/^_|_$/g, '')
  if (!words)
    throw new MigrationError('A migration needs a message in Latin letters: it becomes the name of its files.')
  const name = `${String((readMigrations(directory).at(-1)?.number ?? 0) + 1).padStart(4, '0')}_${words}`

  const hints = readRenames(declaredFiles)
  return withScratchDatabase(options, async (migrated, { wanted, catalog }) => {
    const before = await readSnapshot(migrated)
    const renames = await renameMigrated(hints, catalog, migrated, scratchSchema)
    const renamed = renames.length > 0 ? await readSnapshot(migrated) : before
    const partitions = listUndeclaredPartitions(renamed, wanted)
    const forward = diffSnapshots(renamed, wanted, partitions)
    if (forward.statements.length === 0 && renames.length === 0) {
      print('Nothing to migrate: the migrations produce the declared schema.')
      return undefined
    }
    const backward = diffSnapshots(wanted, renamed, partitions)
    const [forth, undo] = [renames.map(({ forth }) => forth), renames.map(({ back }) => back).reverse()]
    const change = { name, message: message.replace(/\s+/g, ' '), forward, backward, forth, undo }
    const tables = { before: tablesOf(renamed), after: tablesOf(wanted) }

    // the test run, with the exact text of the files
    for (const statement of undo) await runScript(migrated, scratchSchema, 'rename', statement)
    let parts = writeParts(change, tables, splitOnline(forward.statements, tables.before))
    const run = (half: 'up' | 'down', part: Part) =>
      runMigration(migrated, scratchSchema, `${part.name}.${half}.sql`, part[half])
    try {
      await run('up', parts[0]!)
    } catch (error) {
      // A statement in the transaction needs one of the second part, as a foreign key needs a unique index.
      if (parts.length === 1 || !(error instanceof MigrationError)) throw error
      parts = writeParts(change, tables)
      await run('up', parts[0]!)
    }
    for (const part of parts.slice(1)) await run('up', part)
    expectNone(`${name}.up.sql`, diffSnapshots(await readSnapshot(migrated), wanted, partitions))
    for (const part of [...parts].reverse()) await run('down', part)
    expectNone(`${name}.down.sql`, diffSnapshots(await readSnapshot(migrated), before))

    for (const part of parts)
      for (const half of ['up', 'down'] as const) {
        const file = join(directory, `${part.name}.${half}.sql`)
        writeFileSync(file, part[half], { flag: 'wx' })
        print(`wrote ${file}`)
      }
    if (parts.length > 1)
      print(
        `${parts[1]!.name} runs without a transaction, while the service runs; after an interruption, it is run again.`,
      )
    if (forward.loses.length > 0)
      print(
        `The up migration discards ${forward.loses.join(', ')}. If it was renamed, declare it: -- renamed: old -> new`,
      )
    if (backward.loses.length > 0) print(`The down migration discards ${backward.loses.join(', ')}.`)
    for (const line of new Set([...wanted.unseen, ...before.unseen])) print(`Not compared, write it by hand: ${line}`)
    return name
  })
}

/** The differences between the declared schema and the result of the migrations, as messages; empty without drift. */
export function findDrift(options: DeclaredSchema): Promise<string[]> {
  return withScratchDatabase(options, async (migrated, { wanted }) => {
    const made = await readSnapshot(migrated)
    const { statements, words } = diffSnapshots(made, wanted, listUndeclaredPartitions(made, wanted))
    return words.length > 0 ? words : statements
  })
}

function expectNone(file: string, { statements }: Difference): void {
  if (statements.length === 0) return
  throw new MigrationError(
    `${file} would not arrive, so nothing was written. Remaining differences:\n${statements.join('\n')}`,
  )
}

interface Change {
  name: string
  message: string
  forward: Difference
  backward: Difference
  /** The renames, and the statements that undo them. */
  forth: string[]
  undo: string[]
}

/** One migration, with the texts of both files. */
interface Part {
  name: string
  up: string
  down: string
}

/** One migration, or two if a part of it can run without a transaction and without blocking others. */
function writeParts(
  { name, message, forward, backward, forth, undo }: Change,
  { before, after }: { before: Tables; after: Tables },
  split?: OnlineSplit,
): Part[] {
  const now = split?.now ?? explainLocks(forward.statements, before)
  const back = backward.statements.filter(statement => !split?.isUndone(statement))
  const first = {
    name,
    up: renderScript([message], [...forth, ...now], forward.loses),
    down: renderScript([`Takes ${name} back.`], [...explainLocks(back, after), ...undo], backward.loses),
  }
  if (split === undefined || split.online.length === 0) return [first]
  const second = `${String(Number.parseInt(name, 10) + 1).padStart(4, '0')}${name.slice(4)}_online`
  const header = ['transaction: none', `Each statement by itself, and again from the first one if it stopped half-way.`]
  const rest = [
    ...split.undo,
    ...(split.undo.length === 0 ? ['-- What it checked stays checked until the constraint goes'] : []),
  ]
  return [
    first,
    {
      name: second,
      up: renderScript([...header, `The part of ${name} that lets others work.`], split.online),
      down: renderScript([...header, `Takes ${second} back.`], rest),
    },
  ]
}

function renderScript(comments: string[], statements: string[], loses: string[] = []): string {
  const header = [...comments, ...loses.map(name => `loses: ${name}`)].map(line => `-- ${line}\n`).join('')
  const end = (statement: string) => (/^--[^\n]*$/.test(statement) ? '.' : ';')
  return `${header}\n${statements.map(statement => `${withToken(statement)}${end(statement)}\n`).join('\n')}`
}

/** PostgreSQL prints the schema as an identifier, quoted or not, or as a literal if a function sets its search path. */
const withToken = (sql: string): string =>
  sql
    .replaceAll(new RegExp(`(["']?)${jobSchemaOf(scratchSchema)}\\1`, 'g'), '{{jobs}}')
    .replaceAll(`'${scratchSchema}'`, '{{schema}}')
    .replaceAll(`"${scratchSchema}"`, '{{schema}}')
    .replaceAll(scratchSchema, '{{schema}}')

/** The declared schema: as a snapshot, and as the names that a rename may concern. */
interface Declared {
  wanted: Snapshot
  catalog: Catalog
}

/**
 * Creates a database with the result of the migrations, and drops it after `work`. After a killed process, a later run
 * drops the database when it is an hour old.
 */
async function withScratchDatabase<T>(
  options: DeclaredSchema,
  work: (migrated: pg.Client, declared: Declared) => Promise<T>,
): Promise<T> {
  const { adminUrl, declaredFiles, directory } = options
  const admin = await connectToDatabase(adminUrl)
  const now = Math.floor(Date.now() / 1000)
  const name = `freehold_scratch_${now}_${randomBytes(4).toString('hex')}`
  try {
    await dropAbandoned(admin, now)
    // template0, because template1 may contain additional objects
    await admin.query(`create database ${name} template template0`).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error)
      throw new MigrationError(
        `${admin.user} cannot create a scratch database at ${admin.host}:${admin.port}: ${reason}.`,
      )
    })
    const url = new URL(adminUrl)
    url.pathname = `/${name}`
    const client = await connectToDatabase(url.href)
    try {
      await client.query(`create schema ${scratchSchema}`)
      const declared = await readDeclared(client, declaredFiles)
      for (const migration of readMigrations(directory))
        await runMigration(client, scratchSchema, `${migration.name}.up.sql`, migration.up)
      return await work(client, declared)
    } finally {
      await client.end()
    }
  } finally {
    await admin.query(`drop database if exists ${name} with (force)`)
    await admin.end()
  }
}

/** Loads the declared schema, reads it, and leaves the schema empty. */
async function readDeclared(client: pg.Client, files: readonly string[]): Promise<Declared> {
  const clear = `drop schema ${scratchSchema} cascade; create schema ${scratchSchema}`
  const empty = await readSnapshot(client)
  for (const file of files) await runScript(client, scratchSchema, file, readFileSync(file, 'utf8'))
  const written = await readSnapshot(client)
  // PostgreSQL's output does not always parse to the original: (a, b) is distinct from (c, d) is printed as nested ORs,
  // which are flat when parsed. Migrations contain that output, so the declared schema is parsed from it too.
  await client.query(clear)
  await runScript(client, scratchSchema, 'the declared schema', diffSnapshots(empty, written).statements.join(';\n'))
  const wanted = { ...(await readSnapshot(client)), unseen: written.unseen }
  const catalog = await readCatalog(client, scratchSchema)
  await client.query(clear)
  return { wanted, catalog }
}

async function dropAbandoned(admin: pg.Client, now: number): Promise<void> {
  const { rows } = await admin.query<{ name: string }>('select datname as name from pg_database')
  for (const { name } of rows) {
    const made = /^freehold_scratch_(\d+)_[0-9a-f]+$/.exec(name)?.[1]
    // without force: databases that are in use, or belong to another login, are kept
    if (made && Number(made) < now - 3600) await admin.query(`drop database if exists ${name}`).catch(() => {})
  }
}
