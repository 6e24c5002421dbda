import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import pg from 'pg'
import { applyMigrations, readMigrations, rollbackMigrations } from '../src/platform/migrations/migrations.ts'
import { connectToDatabase } from '../src/platform/migrations/schema-script.ts'
import { readDigest } from '../src/platform/schema/inspection.ts'
import { testDatabase } from './test-database.ts'

const { adminUrl, ownerUrl } = testDatabase()
const database = `migrations_${process.pid}`
const schema = 'freehold'
const migrations = readMigrations()

const admin = await connectToDatabase(adminUrl)
await admin.query(`create database ${database} owner freehold`)
const onDatabase = (url: string) => url.replace(/\/\w+$/, `/${database}`)
const owner = await connectToDatabase(onDatabase(ownerUrl))
// A superuser compares, because policies do not apply to it.
const observer = await connectToDatabase(onDatabase(adminUrl))
after(async () => {
  await owner.end()
  await observer.end()
  await admin.query(`drop database ${database} with (force)`)
  await admin.end()
})

/** Every row of every table that the pattern does not name, as text. */
async function readRows(unlessNamedIn: string): Promise<Map<string, string[]>> {
  const { rows } = await observer.query<{ relname: string }>(
    `select relname from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'p') and not relispartition and relname <> 'migrations'`,
    [schema],
  )
  const kept = rows.map(row => row.relname).filter(table => !new RegExp(`"?\\b${table}\\b"?`).test(unlessNamedIn))
  const read = new Map<string, string[]>()
  for (const table of kept) {
    const found = await observer.query<{ row: string }>(
      `select to_jsonb(t)::text as row from ${schema}.${pg.escapeIdentifier(table)} t order by 1`,
    )
    read.set(
      table,
      found.rows.map(({ row }) => row),
    )
  }
  return read
}

const digest = async () => {
  await observer.query(`set search_path = ${schema}, pg_temp`)
  return readDigest(observer)
}

test('the first migration goes up, down and up again to the same schema, and reports what the down file discards', async () => {
  const [first] = migrations
  await applyMigrations(owner, { schema, to: 1 })
  const before = await digest()
  await loadFixture(1)
  await assert.rejects(rollbackMigrations(owner, { schema }), /projects/)
  assert.deepEqual(await digest(), before, 'a refused rollback changes nothing')
  const lost = await readRows('')
  for (const [table, rows] of lost) {
    assert.ok(rows.length > 0, `the fixture has no row of ${table}`)
    assert.ok(first?.loses.includes(table), `the down file does not declare that it loses ${table}`)
  }
  await rollbackMigrations(owner, { schema, allowDataLoss: true })
  await applyMigrations(owner, { schema, to: 1 })
  assert.equal(await digest(), before)
  await loadFixture(1)
})

for (const { number, name, up, down } of migrations.slice(1)) {
  test(`${name} goes up, down and up, and leaves the rows of every table that it does not name unchanged`, async () => {
    const before = await readRows(up + down)
    await applyMigrations(owner, { schema, to: number })
    const declared = await digest()
    await rollbackMigrations(owner, { schema, allowDataLoss: true })
    assert.deepEqual(await readRows(up + down), before)
    await applyMigrations(owner, { schema, to: number })
    assert.deepEqual(await readRows(up + down), before)
    assert.equal(await digest(), declared)
    await loadFixture(number)
  })
}

// Red when: the statements at the end of migration 0004 are removed.
test('0004 keeps former addresses, and revokes invitations of members', async () => {
  const { rows: former } = await observer.query('select email from former_addresses')
  assert.deepEqual(former, [{ email: 'annie@example.com' }])
  const { rows } = await observer.query('select email from invitations where revoked_at is null order by email')
  // One was invited after leaving, and one is not a member.
  assert.deepEqual(rows, [{ email: 'bob@example.com' }, { email: 'cleo@example.com' }])
})

/** A migration that creates tables needs rows for them: test/fixtures/<number>.sql. */
async function loadFixture(number: number): Promise<void> {
  const file = new URL(`fixtures/${String(number).padStart(4, '0')}.sql`, import.meta.url)
  let fixture: string
  try {
    fixture = readFileSync(file, 'utf8')
  } catch {
    return
  }
  await observer.query(`set search_path = ${schema}, pg_temp`)
  await observer.query(`begin; ${fixture}; commit`)
}
