import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { makeTable, readApplied, recordMigration, storeDigest, tableOf } from './ledger.ts'
import type { AppliedMigration } from './ledger.ts'
import { isOnline, readOnlineScript, runOnlineScript } from './online-script.ts'
import { MigrationError, runScript } from './schema-script.ts'

export interface Migration {
  number: number
  /** The file's name without its ending, such as `0001_first`. */
  name: string
  up: string
  down: string
  /** SHA-256 of `up` in hexadecimal, before the schema's name is filled in: the same in every schema. */
  checksum: string
  /** The data that the down migration discards: `table` or `table.column`, from its `-- loses:` lines. */
  loses: string[]
}

export interface MigrationState {
  name: string
  appliedAt: Date | null
  /** The file differs from what was applied. */
  changed: boolean
  /** There is a file for it; a database that a newer version migrated has migrations without one. */
  known: boolean
}

export interface MigrationOptions {
  schema: string
  /** The table of applied migrations: the service's, or that of a feature with its own migrations. */
  ledger?: string
  migrations?: Migration[]
  /** The digest of the catalog; stored with the service's last migration, in the transaction of the one that ran. */
  digest?: (client: pg.Client) => Promise<string>
  log?: (message: string) => void
}

export const migrationsDirectory = fileURLToPath(new URL('../../../migrations', import.meta.url))

/**
 * The migrations of a directory in their order.
 * @throws MigrationError for a file that is not a migration, lacks its up or down file, or repeats a number
 */
export function readMigrations(directory = migrationsDirectory): Migration[] {
  const files = new Set(readdirSync(directory).filter(file => file.endsWith('.sql')))
  const read = (file: string): string => {
    if (!files.has(file))
      throw new MigrationError(`${join(directory, file)} is missing: a migration is an up and a down file.`)
    // line ends of a checkout on Windows must not change a checksum
    const sql = readFileSync(join(directory, file), 'utf8').replaceAll('\r\n', '\n')
    const control = /(?:^|;)\s*(begin|commit|rollback|start\s+transaction)\b/i.exec(withoutBodies(sql))
    if (control)
      throw new MigrationError(
        `${file} says "${control[1]}": a migration runs in one transaction, which must not be begun or ended in the file.`,
      )
    if (isOnline(sql)) readOnlineScript(file, sql)
    return sql
  }
  const names = new Set<string>()
  for (const file of files) {
    const name = /^(\d{4}_[a-z0-9_]+)\.(?:up|down)\.sql$/.exec(file)?.[1]
    if (!name)
      throw new MigrationError(
        `${join(directory, file)} is not a migration: they are called 0001_name.up.sql and 0001_name.down.sql.`,
      )
    names.add(name)
  }
  const migrations = [...names].sort().map((name): Migration => {
    const up = read(`${name}.up.sql`)
    const down = read(`${name}.down.sql`)
    return {
      number: Number.parseInt(name, 10),
      name,
      up,
      down,
      checksum: createHash('sha256').update(up).digest('hex'),
      loses: [...down.matchAll(/^-- loses: *(\S+) *$/gm)].map(match => match[1] ?? ''),
    }
  })
  for (const [index, { number, name }] of migrations.entries()) {
    const twin = migrations[index + 1]
    if (twin?.number === number)
      throw new MigrationError(`${name} and ${twin.name} have the same number: give the newer one the next.`)
  }
  return migrations
}

/** SQL without comments and without the dollar-quoted bodies of functions. */
const withoutBodies = (sql: string): string => sql.replace(/--.*$/gm, '').replace(/(\$\w*\$)[\s\S]*?\1/g, '')

/**
 * Applies the pending migrations up to number `to`, each in a transaction, and returns their names. If killed, it
 * leaves only complete migrations; one without a transaction runs again from its beginning.
 */
export async function applyMigrations(
  client: pg.Client,
  options: MigrationOptions & { to?: number },
): Promise<string[]> {
  const { schema, to = Number.POSITIVE_INFINITY, migrations = readMigrations(), log } = options
  checkNumber(migrations, options.to)
  return underLock(client, options, async () => {
    await makeTable(client, options)
    const applied = await readApplied(client, options)
    checkHistory(applied, migrations)
    const last = applied.at(-1)
    const pending = migrations.filter(({ name, number }) => number <= to && !applied.some(row => row.name === name))
    const late = pending.find(({ number }) => last && number < last.number)
    if (late)
      throw new MigrationError(`${late.name} is new, but ${last?.name} has run already: give it the next number.`)
    for (const migration of pending) {
      await runMigration(client, schema, `${migration.name}.up.sql`, migration.up, async () => {
        await recordMigration(client, options, migration)
        await storeDigest(client, options)
      })
      log?.(`applied ${migration.name}`)
    }
    return pending.map(({ name }) => name)
  })
}

/**
 * Rolls back the last `steps` migrations (1), or all above number `to`; returns their names, the newest first.
 * @throws MigrationError before anything runs, naming the data that would be lost, unless `allowDataLoss`
 */
export async function rollbackMigrations(
  client: pg.Client,
  options: MigrationOptions & { steps?: number; to?: number; allowDataLoss?: boolean },
): Promise<string[]> {
  const { schema, steps = 1, to, allowDataLoss = false, migrations = readMigrations(), log } = options
  checkNumber(migrations, to)
  return underLock(client, options, async () => {
    const applied = await readApplied(client, options)
    checkHistory(applied, migrations)
    const leaving = (
      to === undefined
        ? applied.slice(Math.max(applied.length - steps, 0))
        : applied.filter(({ number }) => number > to)
    )
      .map(({ name }) => migrations.find(migration => migration.name === name))
      .filter(migration => migration !== undefined)
      .reverse()
    const lossy = leaving.filter(({ loses }) => loses.length > 0)
    if (lossy.length > 0 && !allowDataLoss) {
      const losses = lossy.map(({ name, loses }) => `${name} discards ${loses.join(', ')}`).join('; ')
      throw new MigrationError(
        `Nothing was rolled back, because data would be lost: ${losses}. If that is meant, add --allow-data-loss.`,
      )
    }
    for (const { number, name, down } of leaving) {
      await runMigration(client, schema, `${name}.down.sql`, down, async () => {
        await client.query(`delete from ${tableOf(options)} where number = $1`, [number])
        await storeDigest(client, options)
      })
      log?.(`rolled back ${name}`)
    }
    return leaving.map(({ name }) => name)
  })
}

/**
 * Records migrations 1 to `to` (all) as applied, and none above, without running any: for a database whose tables
 * already exist, or to accept a file that was changed. Returns the names that now count as applied.
 */
export async function stampMigrations(
  client: pg.Client,
  options: MigrationOptions & { to?: number },
): Promise<string[]> {
  const { schema, to = Number.POSITIVE_INFINITY, migrations = readMigrations() } = options
  checkNumber(migrations, options.to)
  const stamped = migrations.filter(({ number }) => number <= to)
  return underLock(client, options, async () => {
    await makeTable(client, options)
    await runScript(client, schema, 'stamp', '', async () => {
      await client.query(`delete from ${tableOf(options)} where number <> all ($1)`, [
        stamped.map(({ number }) => number),
      ])
      for (const migration of stamped) await recordMigration(client, options, migration)
      await storeDigest(client, options)
    })
    return stamped.map(({ name }) => name)
  })
}

/** Every migration that has a file or was applied, in order. Changes nothing; the system login may call it. */
export async function listMigrations(client: pg.Client, options: MigrationOptions): Promise<MigrationState[]> {
  const { migrations = readMigrations() } = options
  const applied = await readApplied(client, options)
  const names = new Set([...migrations, ...applied].map(({ name }) => name))
  return [...names].sort().map(name => {
    const file = migrations.find(migration => migration.name === name)
    const row = applied.find(migration => migration.name === name)
    const changed = file !== undefined && row !== undefined && file.checksum !== row.checksum
    return { name, appliedAt: row ? new Date(row.applied_ms) : null, changed, known: file !== undefined }
  })
}

/** Runs a file in one transaction, or statement by statement if the file says so. */
export const runMigration = (
  ...[client, schema, file, sql, record = async () => {}]: Parameters<typeof runScript>
): Promise<void> => (isOnline(sql) ? runOnlineScript : runScript)(client, schema, file, sql, record)

function checkNumber(migrations: Migration[], number: number | undefined): void {
  if (number === undefined || number === 0 || migrations.some(migration => migration.number === number)) return
  throw new MigrationError(
    `There is no migration ${number}: the last one is ${migrations.at(-1)?.name ?? 'not written yet'}.`,
  )
}

function checkHistory(applied: AppliedMigration[], migrations: Migration[]): void {
  for (const { name, number, checksum } of applied) {
    const file = migrations.find(migration => migration.name === name)
    if (!file) {
      throw new MigrationError(
        `${name} ran in this database, but this version has no such migration: a newer version ran here. ` +
          'Use that version, or roll back with it first.',
      )
    }
    if (file.checksum !== checksum) {
      throw new MigrationError(
        `${name} is no longer what ran in this database. Put ${name}.up.sql back as it was and write a new migration; ` +
          `"freehold migrate stamp ${number}" accepts the file as it is now.`,
      )
    }
  }
}

/**
 * Only one process at a time migrates a schema; another waits, and has nothing to do. The lock ends with the connection.
 */
async function underLock<T>(client: pg.Client, { schema, log }: MigrationOptions, work: () => Promise<T>): Promise<T> {
  const key = `hashtext('freehold'), hashtext(${client.escapeLiteral(`migrations ${schema}`)})`
  const { rows } = await client.query(`select where pg_try_advisory_lock(${key})`)
  if (rows.length === 0) {
    log?.('waiting for another process that migrates this schema')
    // Polls, because a concurrent index build waits for all older statements, including one that waits for this lock.
    while ((await client.query(`select where pg_try_advisory_lock(${key})`)).rows.length === 0) await delay(100)
  }
  try {
    return await work()
  } finally {
    await client.query(`select pg_advisory_unlock(${key})`).catch(() => {}) // a lost connection has released it
  }
}
