import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { migrationsDirectory, readMigrations, runMigration } from '../src/platform/schema/migrations.ts'
import { connectToDatabase, jobSchemaOf, MigrationError, runScript } from '../src/platform/schema/schema-script.ts'
import { explainLocks, splitOnline } from './migration-locks.ts'
import type { OnlineSplit, Tables } from './migration-locks.ts'
import { diffSnapshots, listUndeclaredPartitions, readSnapshot, tablesOf } from './schema-difference.ts'
import type { Difference, Snapshot } from './schema-difference.ts'
import { readCatalog, readRenames, renameMigrated } from './schema-renames.ts'
import type { Catalog } from './schema-renames.ts'

export interface DeclaredSchema {
  /** A PostgreSQL that may hold scratch databases, its login allowed to create them. The three roles exist there. */
  adminUrl: string
  /** SQL files in the order in which they load; `{{schema}}` stands for the schema's name. */
  declaredFiles: readonly string[]
  directory?: string
  print: (line: string) => void
}

/** No other word may look like it: wherever it occurs in what PostgreSQL says, it becomes the token. */
const scratchSchema = 'freehold_scratch_schema'

/**
 * Writes the migration that leads from the migrations to the declared schema, after both directions have been run and
 * found to arrive. Answers its name, or nothing when there is nothing to migrate.
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
      print('Nothing to migrate: the migrations make what is declared.')
      return undefined
    }
    const backward = diffSnapshots(wanted, renamed, partitions)
    const [forth, undo] = [renames.map(({ forth }) => forth), renames.map(({ back }) => back).reverse()]
    const change = { name, message: message.replace(/\s+/g, ' '), forward, backward, forth, undo }
    const tables = { before: tablesOf(renamed), after: tablesOf(wanted) }

    // the proof, with the very text of the files
    for (const statement of undo) await runScript(migrated, scratchSchema, 'rename', statement)
    let parts = writeParts(change, tables, splitOnline(forward.statements, tables.before))
    const run = (half: 'up' | 'down', part: Part) =>
      runMigration(migrated, scratchSchema, `${part.name}.${half}.sql`, part[half])
    try {
      await run('up', parts[0]!)
    } catch (error) {
      // Something in the transaction needs what was to come after it, as a foreign key needs a unique index.
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
      print(`${parts[1]!.name} runs without a transaction, while the service works; stopped half-way, it is run again.`)
    if (forward.loses.length > 0)
      print(`The up discards ${forward.loses.join(', ')}. If that was renamed, declare it: -- renamed: old -> new`)
    if (backward.loses.length > 0) print(`The down discards ${backward.loses.join(', ')}.`)
    for (const line of new Set([...wanted.unseen, ...before.unseen])) print(`Not compared, write it by hand: ${line}`)
    return name
  })
}

/** In words, what differs between what is declared and what the migrations make; nothing when there is no drift. */
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
    `${file} would not arrive, so nothing was written. What would still differ:\n${statements.join('\n')}`,
  )
}

interface Change {
  name: string
  message: string
  forward: Difference
  backward: Difference
  /** The renames, and what takes them back. */
  forth: string[]
  undo: string[]
}

/** One migration: the texts of both files. */
interface Part {
  name: string
  up: string
  down: string
}

/** One migration, or two where a part of it needs no transaction and holds no one up. */
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

/** PostgreSQL prints the schema as an identifier, quoted or not; as a literal where a function sets its search path. */
const withToken = (sql: string): string =>
  sql
    .replaceAll(new RegExp(`(["']?)${jobSchemaOf(scratchSchema)}\\1`, 'g'), '{{jobs}}')
    .replaceAll(`'${scratchSchema}'`, '{{schema}}')
    .replaceAll(`"${scratchSchema}"`, '{{schema}}')
    .replaceAll(scratchSchema, '{{schema}}')

/** What is declared: as a snapshot, and by the names that a rename may concern. */
interface Declared {
  wanted: Snapshot
  catalog: Catalog
}

/**
 * A database that lives as long as `work`, and holds what the migrations make. It leaves nothing behind; what a killed
 * process left is dropped by the next one, an hour later.
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
    // template0: what a site has put into its template is not the schema's
    await admin.query(`create database ${name} template template0`).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error)
      throw new MigrationError(
        `${admin.user} cannot make a scratch database at ${admin.host}:${admin.port}: ${reason}.`,
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

/** Loads what is declared, reads it, and leaves the schema empty. */
async function readDeclared(client: pg.Client, files: readonly string[]): Promise<Declared> {
  const clear = `drop schema ${scratchSchema} cascade; create schema ${scratchSchema}`
  const empty = await readSnapshot(client)
  for (const file of files) await runScript(client, scratchSchema, file, readFileSync(file, 'utf8'))
  const written = await readSnapshot(client)
  // PostgreSQL does not always read what it prints as what was written: (a, b) is distinct from (c, d) is printed as nested
  // ORs, which are flat when read. Migrations hold what it prints, so they are compared with a reading of that.
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
    // without force: one in use stays, and so does another login's
    if (made && Number(made) < now - 3600) await admin.query(`drop database if exists ${name}`).catch(() => {})
  }
}
