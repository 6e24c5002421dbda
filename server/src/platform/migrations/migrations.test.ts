import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { startEmbeddedPostgres } from '../embedded/embedded-postgres.ts'
import type { EmbeddedPostgres } from '../embedded/embedded-postgres.ts'
import { applyMigrations, listMigrations, readMigrations, rollbackMigrations, stampMigrations } from './migrations.ts'
import type { Migration } from './migrations.ts'
import { waits } from '../../../test/meeting.ts'
import { connectToDatabase, MigrationError } from './schema-script.ts'

const schema = 'freehold'
const directory = mkdtempSync(join(tmpdir(), 'freehold-migrations-'))
chmodSync(directory, 0o755)
let server: EmbeddedPostgres
let admin: pg.Client
const open: pg.Client[] = []

before(async () => {
  server = await startEmbeddedPostgres({ dataDir: join(directory, 'data'), log: () => {} })
  admin = await connectToDatabase(server.url)
  await admin.query(`create role freehold_owner nologin; create role freehold_tenant nologin; create role freehold_system nologin;
    create role landlord login password 'landlord' createrole; grant freehold_owner to landlord`)
})

after(async () => {
  for (const client of open) await client.end()
  await admin.end()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

let databases = 0
/** A database of the test's own, as the owner: no superuser, or the wall would be invisible. */
async function createDatabase(): Promise<{ url: string; connect: () => Promise<pg.Client> }> {
  const name = `database_${databases++}`
  await admin.query(`create database ${name} owner landlord`)
  const url = `postgres://landlord:landlord@127.0.0.1:${server.port}/${name}`
  const connect = async (): Promise<pg.Client> => {
    const client = await connectToDatabase(url)
    open.push(client)
    return client
  }
  return { url, connect }
}

/** Files `name: [up, down]` in a directory of their own, read back. */
function write(files: Record<string, [string, string?]>): { folder: string; migrations: Migration[] } {
  const folder = mkdtempSync(join(directory, 'files-'))
  for (const [name, [up, down = '']] of Object.entries(files)) {
    writeFileSync(join(folder, `${name}.up.sql`), up)
    writeFileSync(join(folder, `${name}.down.sql`), down)
  }
  return { folder, migrations: readMigrations(folder) }
}

const rows = async (client: pg.Client, sql: string): Promise<unknown[]> =>
  (await client.query({ text: sql, rowMode: 'array' })).rows.flat()
const tables = (client: pg.Client): Promise<unknown[]> =>
  rows(
    client,
    `select tablename from pg_tables where schemaname = '${schema}' and tablename <> 'migrations' order by 1`,
  )

const people = {
  '0001_people': ['create table people (name text)', '-- loses: people\ndrop table people'],
} as const satisfies Record<string, [string, string]>
const three = {
  '0001_a': ['create table a ()', 'drop table a'],
  '0002_b': ['create table b ()', 'drop table b'],
  '0003_c': ['create table c ()', 'drop table c'],
} satisfies Record<string, [string, string]>

// Red when: the check of the other half, of the name, of twins or of transaction control goes from readMigrations.
test('files that are no migrations are refused by name', () => {
  assert.deepEqual(
    write({ '0002_b': [''], '0001_a': [''] }).migrations.map(({ name, number }) => [name, number]),
    [
      ['0001_a', 1],
      ['0002_b', 2],
    ],
  )
  assert.throws(() => write({ '0001_a': [''], '0001_b': [''] }), /0001_a and 0001_b have the same number/)
  assert.throws(() => write({ first: [''] }), /first\.\w+\.sql is not a migration/)
  assert.throws(() => write({ '0001_a': ['create table a ();\ncommit;'] }), /0001_a\.up\.sql says "commit"/)
  const body = 'create function f() returns void language plpgsql as $f$ begin perform 1; commit; end $f$'
  assert.equal(write({ '0001_a': [body] }).migrations.length, 1)
  const { folder } = write({ '0001_a': [''] })
  rmSync(join(folder, '0001_a.down.sql'))
  assert.throws(() => readMigrations(folder), /0001_a\.down\.sql is missing/)
})

// Red when: line ends are left as they are, or the checksum is taken of what runs.
test('a checksum is the same on every system and in every schema', () => {
  const [unix, windows] = ['create table {{schema}}.a ();\n', 'create table {{schema}}.a ();\r\n'].map(
    up => write({ '0001_a': [up] }).migrations[0],
  )
  assert.equal(unix?.checksum, windows?.checksum)
  assert.equal(unix?.checksum, '89edcfbedda6ddbbba457a0184682ff658224237567b7dd109437b5a67ec8be5')
})

// Red when: `to` is ignored, or applied ones are run again.
test('what is pending is applied in order, up to a number, and once', async () => {
  const client = await (await createDatabase()).connect()
  const { migrations } = write(three)
  assert.deepEqual(await applyMigrations(client, { schema, migrations, to: 2 }), ['0001_a', '0002_b'])
  assert.deepEqual(await tables(client), ['a', 'b'])
  assert.deepEqual(
    (await listMigrations(client, { schema, migrations })).map(({ name, appliedAt }) => [name, appliedAt !== null]),
    [
      ['0001_a', true],
      ['0002_b', true],
      ['0003_c', false],
    ],
  )
  assert.deepEqual(await applyMigrations(client, { schema, migrations }), ['0003_c'])
  assert.deepEqual(await applyMigrations(client, { schema, migrations }), [])
  await assert.rejects(applyMigrations(client, { schema, migrations, to: 9 }), /no migration 9: the last one is 0003_c/)
  const appliedAt = (await listMigrations(client, { schema, migrations }))[0]?.appliedAt
  assert.ok(appliedAt && Math.abs(Date.now() - appliedAt.getTime()) < 60_000)
})

// Red when: makeTable grants to neither role, more than reading, or leaves a table as it is that an older version made.
test('both logins read which migrations ran, and write none, also where an older version made the table', async () => {
  const client = await (await createDatabase()).connect()
  await applyMigrations(client, { schema, migrations: write(people).migrations })
  const can = (role: string, right: string): Promise<unknown[]> =>
    rows(client, `select has_table_privilege('${role}', '${schema}.migrations', '${right}')`)
  assert.deepEqual(await can('freehold_system', 'select'), [true])
  assert.deepEqual(await can('freehold_system', 'insert, update, delete'), [false])
  assert.deepEqual(await can('freehold_tenant', 'select'), [true])
  assert.deepEqual(await can('freehold_tenant', 'insert, update, delete'), [false])
  await client.query(`revoke select on ${schema}.migrations from freehold_tenant`)
  await applyMigrations(client, { schema, migrations: write(people).migrations })
  assert.deepEqual(await can('freehold_tenant', 'select'), [true])
})

// Red when: runScript commits before the end, or the position is not counted in lines.
test('a migration that fails changes nothing, and the error names its file and line', async () => {
  const client = await (await createDatabase()).connect()
  const { migrations } = write({ ...people, '0002_wrong': ['create table pets ();\n\nselect from plants;'] })
  await assert.rejects(
    applyMigrations(client, { schema, migrations }),
    (error: Error) =>
      error instanceof MigrationError &&
      error.message === '0002_wrong.up.sql, line 3: relation "plants" does not exist.',
  )
  assert.deepEqual(await tables(client), ['people'])
  assert.deepEqual(await rows(client, `select name from ${schema}.migrations`), ['0001_people'])
  // the lock is free again
  const locks = `select count(*)::int from pg_locks l join pg_database d on d.oid = l.database where l.locktype = 'advisory' and d.datname = current_database()`
  assert.deepEqual(await rows(client, locks), [0])
})

// Red when: underLock does not lock, or fails instead of waiting.
test('twins wait for each other, and each migration runs once', async () => {
  const database = await createDatabase()
  const { migrations } = write({
    '0001_a': ['create table a (); select pg_sleep(4.2)'],
    '0002_b': ['create table b ()'],
  })
  const clients = [await database.connect(), await database.connect(), await database.connect()]
  for (const client of clients) await client.query("set statement_timeout = '4s'") // waiting is no statement that takes too long
  const answers = await Promise.all(clients.map(client => applyMigrations(client, { schema, migrations })))
  assert.deepEqual(answers.flat().sort(), ['0001_a', '0002_b'])
  assert.deepEqual(answers.map(names => names.length).sort(), [0, 0, 2])
})

// Red when: several migrations share a transaction.
test('a process killed in the middle leaves whole migrations, and the next one goes on', async () => {
  const { url, connect } = await createDatabase()
  const [client, holder] = [await connect(), await connect()]
  await holder.query('select pg_advisory_lock(1, 1)')
  const { folder, migrations } = write({
    '0001_a': ['create table a ()'],
    '0002_b': ['create table b (); select pg_advisory_xact_lock(1, 1)'],
    '0003_c': ['create table c ()'],
  })
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `
    import { applyMigrations, readMigrations } from '${new URL('migrations.ts', import.meta.url)}'
    import { connectToDatabase } from '${new URL('schema-script.ts', import.meta.url)}'
    await applyMigrations(await connectToDatabase('${url}'), { schema: '${schema}', migrations: readMigrations('${folder}') })`,
    ],
    { stdio: 'ignore' },
  )
  const ended = once(child, 'exit')
  assert.ok(await waits(admin, holder, ended))
  child.kill('SIGKILL')
  await ended
  await holder.query('select pg_advisory_unlock(1, 1)')
  assert.deepEqual(await tables(client), ['a'])
  assert.deepEqual(await applyMigrations(client, { schema, migrations }), ['0002_b', '0003_c'])
  assert.deepEqual(await tables(client), ['a', 'b', 'c'])
})

// Red when: checkHistory does not compare checksums, or names, or the late one is let through.
test('a history that does not fit the files is refused, and stamping accepts a changed file', async () => {
  const client = await (await createDatabase()).connect()
  const { migrations } = write({ '0001_a': ['create table a ()'], '0003_c': ['create table c ()', 'drop table c'] })
  await applyMigrations(client, { schema, migrations })
  const changed = write({ '0001_a': ['create table a (x int)'], '0003_c': ['create table c ()'] }).migrations
  await assert.rejects(
    applyMigrations(client, { schema, migrations: changed }),
    /0001_a is no longer what ran in this database/,
  )
  await assert.rejects(rollbackMigrations(client, { schema, migrations: changed }), /0001_a is no longer/)
  assert.deepEqual(
    (await listMigrations(client, { schema, migrations: changed })).map(state => state.changed),
    [true, false],
  )
  assert.deepEqual(await stampMigrations(client, { schema, migrations: changed }), ['0001_a', '0003_c'])
  assert.deepEqual(await applyMigrations(client, { schema, migrations: changed }), [])

  const older = changed.slice(0, 1)
  await assert.rejects(
    applyMigrations(client, { schema, migrations: older }),
    /0003_c ran in this database, but this version has no such migration: a newer version/,
  )
  assert.deepEqual(
    (await listMigrations(client, { schema, migrations: older })).map(({ name, known }) => [name, known]),
    [
      ['0001_a', true],
      ['0003_c', false],
    ],
  )

  const late = write({
    '0001_a': ['create table a (x int)'],
    '0002_b': ['create table b ()'],
    '0003_c': ['create table c ()'],
  }).migrations
  await assert.rejects(
    applyMigrations(client, { schema, migrations: late }),
    /0002_b is new, but 0003_c has run already/,
  )
})

// Red when: the losses are not gathered before anything runs, or rollback goes upwards.
test('rolling back takes the newest first, and refuses to lose data without being told', async () => {
  const client = await (await createDatabase()).connect()
  const { migrations } = write({
    ...people,
    '0002_b': three['0002_b'],
    '0003_c': ['create table c (); alter table b add c_count int', 'alter table b drop c_count; drop table c'],
  })
  await applyMigrations(client, { schema, migrations })
  await assert.rejects(
    rollbackMigrations(client, { schema, migrations, to: 0 }),
    /Nothing was rolled back.*0001_people discards people\. .*--allow-data-loss/,
  )
  assert.deepEqual(await tables(client), ['b', 'c', 'people'])
  assert.deepEqual(await rollbackMigrations(client, { schema, migrations, steps: 0 }), [])
  assert.deepEqual(await rollbackMigrations(client, { schema, migrations }), ['0003_c'])
  assert.deepEqual(await applyMigrations(client, { schema, migrations }), ['0003_c'])
  assert.deepEqual(await rollbackMigrations(client, { schema, migrations, to: 1 }), ['0003_c', '0002_b'])
  assert.deepEqual(await rollbackMigrations(client, { schema, migrations, steps: 5, allowDataLoss: true }), [
    '0001_people',
  ])
  assert.deepEqual(await tables(client), [])
})

// Red when: app.maintenance is not set.
test('a migration sees the rows behind forced row-level security: it fills them, and a foreign key finds the one that breaks it', async () => {
  const client = await (await createDatabase()).connect()
  const isolated = `create table parents (id int primary key); create table children (parent int, note text);
    alter table children enable row level security; alter table children force row level security;
    create policy maintenance on children to freehold_owner using (current_setting('app.maintenance', true) = 'on')`
  const { migrations } = write({
    '0001_wall': [isolated],
    '0002_rows': ["insert into children values (7, 'old')"],
    '0003_fill': ["update children set note = 'filled'"],
    '0004_key': ['alter table children add foreign key (parent) references parents'],
  })
  await assert.rejects(
    applyMigrations(client, { schema, migrations }),
    /0004_key\.up\.sql.*violates foreign key constraint/,
  )
  await client.query("set app.maintenance = 'on'")
  assert.deepEqual(await rows(client, `select note from ${schema}.children`), ['filled'])
})

// Red when: nameSchema does not quote, or names that end the quotes are let through.
test('the schema may have any plain name, and no other', async () => {
  const client = await (await createDatabase()).connect()
  const { migrations } = write({
    '0001_a': [
      "create sequence numbers; create table {{schema}}.a (n bigint default nextval('{{schema}}.numbers'));\n" +
        "create function f() returns bigint language sql set search_path to {{schema}}, 'pg_temp' as $$ select count(*) from a $$",
    ],
  })
  assert.deepEqual(await applyMigrations(client, { schema: 'Odd-Name', migrations }), ['0001_a'])
  await client.query('insert into "Odd-Name".a default values')
  assert.deepEqual(await rows(client, 'select "Odd-Name".f()'), ['1'])
  for (const name of ['', 'a"b', "a'b", 'a b', '1a', 'a'.repeat(64)]) {
    await assert.rejects(applyMigrations(client, { schema: name, migrations }), /cannot name a schema/)
  }
})

const online = (text: string): string => `-- any words\n-- transaction: none\n\n${text}`

// Red when: forms takes any statement, or readMigrations does not ask.
test('a migration without a transaction holds only what can be repeated', () => {
  const allowed = `create unique index concurrently a_x on {{schema}}.a using btree (x) where (y <> ';');
    drop index concurrently if exists a_y; -- and a comment; create table b ()
    alter table {{schema}}."a" add constraint "a_z" check ((z <> '--;')) not valid;
    alter table {{schema}}."a"\n  validate constraint "a_z"; alter table a alter column x set not null;
    alter table a alter column x drop not null; alter table a drop constraint if exists a_w;
    alter table a add constraint a_x unique using index a_x;`
  assert.equal(write({ '0001_a': [online(allowed), online('')] }).migrations.length, 1)
  for (const statement of [
    'create table a ()',
    'create index a_x on a (x)',
    'drop index a_x',
    'drop index concurrently a_x',
    'alter table a add constraint a_z check (true)',
    'alter table a validate constraint a_z, drop column x',
    'alter table a add constraint a_other unique using index a_x',
    'update a set x = 1',
    'select 1',
  ]) {
    const holds = { message: /0001_a\.up\.sql says "-- transaction: none", but contains .* could not be repeated/ }
    assert.throws(() => write({ '0001_a': [online(`${allowed}${statement}`)] }), holds, statement)
  }
  assert.equal(write({ '0001_a': ['create table a ();\n-- transaction: none\n'] }).migrations.length, 1)
})

// Red when: an invalid index is left, a valid one is built again, or the migration is recorded before its end.
test('a migration without a transaction that stopped half-way is run again, and goes up and down', async () => {
  const client = await (await createDatabase()).connect()
  const { migrations } = write({
    '0001_a': ['create table a (x int, y int); insert into a values (1, 1), (1, 2)', 'drop table a'],
    '0002_online': [
      online(`create index concurrently a_y on {{schema}}.a (y);
        alter table {{schema}}.a add constraint a_small check (x < 10) not valid;
        create unique index concurrently a_x on {{schema}}.a (x);
        alter table {{schema}}.a validate constraint a_small;
        alter table {{schema}}.a add constraint a_x unique using index a_x`),
      online(`alter table {{schema}}.a drop constraint if exists a_x; alter table {{schema}}.a drop constraint if exists a_small;
        drop index concurrently if exists {{schema}}.a_y`),
    ],
  })
  await assert.rejects(
    applyMigrations(client, { schema, migrations }),
    /^MigrationError: 0002_online\.up\.sql, "create unique index concurrently .*could not create unique index "a_x" \(Key \(x\)=\(1\)/,
  )
  const state = () =>
    rows(
      client,
      `select relname || ' ' || indisvalid from pg_index join pg_class on oid = indexrelid where relname like 'a\\_%' order by 1`,
    )
  assert.deepEqual(await state(), ['a_x false', 'a_y true'])
  assert.deepEqual(await rows(client, `select name from ${schema}.migrations`), ['0001_a'])
  assert.deepEqual(
    await rows(client, `select current_setting('app.maintenance', true), current_setting('lock_timeout')`),
    ['', '0'],
  )
  const [built] = await rows(client, `select '${schema}.a_y'::regclass::oid`)

  await client.query(`update ${schema}.a set x = y`)
  assert.deepEqual(await applyMigrations(client, { schema, migrations }), ['0002_online'])
  assert.deepEqual(await state(), ['a_x true', 'a_y true'])
  assert.deepEqual(await rows(client, `select '${schema}.a_y'::regclass::oid`), [built])
  // As it stands after the last statement, and before it was recorded.
  await client.query(`delete from ${schema}.migrations where number = 2`)
  assert.deepEqual(await applyMigrations(client, { schema, migrations }), ['0002_online'])
  assert.deepEqual(await rollbackMigrations(client, { schema, migrations, steps: 2 }), ['0002_online', '0001_a'])
})

// Red when: the lock of migrations is waited for in a statement, lock_timeout holds for these too, or the index is built in a transaction.
test('an index is built while others write, wait or migrate as well', async () => {
  const database = await createDatabase()
  const { migrations } = write({
    '0001_a': ['create table a (x int); insert into a values (1)'],
    '0002_online': [online('create index concurrently a_x on {{schema}}.a (x)')],
  })
  const [first, second, writer, other] = [
    await database.connect(),
    await database.connect(),
    await database.connect(),
    await database.connect(),
  ]
  await applyMigrations(first, { schema, migrations, to: 1 })
  // A transaction that goes on holds the build up, and no one else.
  await writer.query(`begin; insert into ${schema}.a values (2)`)
  const both = [first, second].map(client => applyMigrations(client, { schema, migrations }))
  assert.ok(await waits(admin, writer, Promise.race(both)))
  await other.query(
    `set statement_timeout = '20s'; insert into ${schema}.a values (3); update ${schema}.a set x = 4 where x = 3`,
  )
  await writer.query('commit')
  assert.deepEqual((await Promise.all(both)).flat(), ['0002_online'])
})

// Red when: the record or the digest is written outside the transaction, or no digest after a rollback or a stamp.
test('what the catalog looks like is stored with the last migration', async () => {
  const client = await (await createDatabase()).connect()
  const { migrations } = write(three)
  const options = {
    schema,
    migrations,
    digest: async (seen: pg.Client): Promise<string> => (await tables(seen)).join(),
  }
  const digests = (): Promise<unknown[]> => rows(client, `select digest from ${schema}.migrations order by number`)
  const broken = { ...options, digest: () => Promise.reject(new Error('no digest')) }
  await assert.rejects(applyMigrations(client, broken), /no digest/)
  assert.deepEqual(await tables(client), [])
  assert.deepEqual(await digests(), [])
  await applyMigrations(client, options)
  assert.deepEqual(await digests(), ['a', 'a,b', 'a,b,c'])
  await client.query(`create table ${schema}.by_hand ()`)
  await rollbackMigrations(client, options)
  assert.deepEqual(await digests(), ['a', 'a,b,by_hand'])
  await stampMigrations(client, { ...options, to: 1 })
  assert.deepEqual(await digests(), ['a,b,by_hand'])
})

// Red when: the URL is printed.
test('a database that is not there is named without its password', async () => {
  await assert.rejects(
    connectToDatabase('postgres://landlord:secret@127.0.0.1:1/nowhere'),
    (error: Error) =>
      error instanceof MigrationError &&
      /^DATABASE_URL: nothing answers at 127\.0\.0\.1:1: .*correct host and port/.test(error.message) &&
      !error.message.includes('secret'),
  )
})
