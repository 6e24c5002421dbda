import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { features } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import { startEmbeddedPostgres } from '../src/platform/embedded/embedded-postgres.ts'
import type { EmbeddedPostgres } from '../src/platform/embedded/embedded-postgres.ts'
import { connectToDatabase } from '../src/platform/migrations/schema-script.ts'
import { migrateCommand } from '../src/cli/migrate.ts'
import { findFreePort } from '../test/programs/ports.ts'
import type { MigrateEnvironment } from '../src/cli/migrate.ts'

const productFiles = declare(features).schemaFiles

const directory = mkdtempSync(join(tmpdir(), 'freehold-generate-'))
chmodSync(directory, 0o755)
let server: EmbeddedPostgres

/** The owner is no superuser here, and makes its scratch databases itself. */
const setUp = `create role freehold_owner nologin; create role freehold_tenant nologin; create role freehold_system nologin;
  create role landlord login password 'landlord' createrole createdb; grant freehold_owner to landlord`

before(async () => {
  server = await startEmbeddedPostgres({ dataDir: join(directory, 'data'), log: () => {} })
  await run(server.url, setUp)
})

after(async () => {
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function run(url: string, sql: string): Promise<unknown[]> {
  const client = await connectToDatabase(url)
  const results = [await client.query({ text: sql, rowMode: 'array' })].flat()
  await client.end()
  return results.at(-1)?.rows.flat() ?? []
}

interface Project {
  /** The database's. */
  name: string
  /** As an operator has it, or with another environment. */
  migrate: (
    args: string | string[],
    environment?: Partial<MigrateEnvironment>,
  ) => Promise<{ code: number; said: string }>
  declare: (...files: string[]) => void
  /** The text of both halves of a migration. */
  read: (number: string) => { up: string; down: string }
  write: (name: string, up: string, down: string) => void
  query: (sql: string) => Promise<unknown[]>
}

let projects = 0
/** Declared files, migrations and a database of the test's own. */
async function createProject({ port = server.port, files = [] as readonly string[] } = {}): Promise<Project> {
  const name = `project_${projects++}`
  const url = (database: string): string => `postgres://landlord:landlord@127.0.0.1:${port}/${database}`
  await run(url('postgres'), `create database ${name}`)
  const folder = join(directory, name)
  mkdirSync(folder)
  const declaredFiles = [...files]
  return {
    name,
    migrate: async (args, environment) => {
      const lines: string[] = []
      const code = await migrateCommand(typeof args === 'string' ? args.split(' ') : args, {
        databaseUrl: url(name),
        adminUrl: url('postgres'),
        schema: 'freehold',
        print: line => lines.push(line),
        directory: folder,
        declaredFiles,
        ...environment,
      })
      return { code, said: lines.join('\n') }
    },
    declare: (...texts) => {
      const declared = mkdtempSync(join(directory, 'declared-'))
      declaredFiles.splice(
        0,
        Number.POSITIVE_INFINITY,
        ...texts.map((text, index) => {
          writeFileSync(join(declared, `${index}.sql`), text)
          return join(declared, `${index}.sql`)
        }),
      )
    },
    read: number => {
      const [down = '', up = ''] = readdirSync(folder)
        .filter(file => file.startsWith(number))
        .sort()
        .map(file => readFileSync(join(folder, file), 'utf8'))
      return { up, down }
    },
    write: (migration, up, down) => {
      writeFileSync(join(folder, `${migration}.up.sql`), up)
      writeFileSync(join(folder, `${migration}.down.sql`), down)
    },
    query: sql => run(url(name), `set search_path = freehold; set app.maintenance = 'on'; ${sql}`),
  }
}

// What the product's schema is made of, in small: a function that makes walls, a view, a partitioned table.
const foundation = `grant usage on schema {{schema}} to freehold_tenant, freehold_system;
  create function new_id() returns uuid language sql volatile set search_path = pg_catalog, pg_temp as $$ select gen_random_uuid() $$;
  create function note() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$ begin
    insert into log (what) values (tg_argv[0]); return null; end $$;
  create function wall(name text) returns void language plpgsql set search_path = {{schema}}, pg_temp as $$ declare line text; begin
    foreach line in array array['alter table %1$I enable row level security', 'alter table %1$I force row level security',
      'create policy tenant on %1$I to freehold_tenant using (id = (select id from gate))',
      'create policy maintenance on %1$I to freehold_owner using (current_setting(''app.maintenance'', true) = ''on'')',
      'grant select, insert on %1$I to freehold_tenant',
      'create trigger note after insert on %1$I for each row execute function note(%1$L)'] loop execute format(line, name); end loop; end $$;`
const logs = `create sequence log_sequence;
  create table log (id bigint not null default nextval('log_sequence'), what text, primary key (id)) partition by range (id);
  create table log_default partition of log default;
  create index log_what on log (what);`
const things = `create table things (id uuid primary key default new_id(), serial bigserial, label text not null unique check (label <> ''),
    kind text not null default 'a', priority int);
  create index things_kind on things (kind) where kind <> 'a';
  create view gate with (security_barrier) as select id from things where label = current_setting('app.label', true);
  grant select on gate to freehold_tenant;
  select wall('things');
  create trigger changed after update on things for each row
    when ((old.label, old.kind, old.serial) is distinct from (new.label, new.kind, new.serial)) execute function note('changed');`

// Red when: diffSnapshots keeps the owner's grants or owner, withToken forgets a form of the name, or `wanted` is not read back from print.
test('what is declared becomes a migration that names no owner, goes up and down, and leaves nothing to migrate', async () => {
  const { migrate, declare, read, query } = await createProject()
  declare(foundation, logs, things)
  const { code, said } = await migrate(['auto', 'First things!'])
  assert.equal(code, 0, said)
  assert.match(
    said,
    /wrote .*0001_first_things\.up\.sql\nwrote .*0001_first_things\.down\.sql\nThe down migration discards .*things.*\napplied 0001_first_things/s,
  )
  const { up, down } = read('0001')
  assert.doesNotMatch(
    up + down,
    /landlord|postgres|owner to|authorization|default privileges|maintain|freehold_scratch/i,
  )
  assert.match(up, /set search_path to \{\{schema\}\}, 'pg_temp'/)
  assert.match(up, /nextval\('\{\{schema\}\}\.log_sequence'::regclass\)/)
  assert.match(down, /^-- loses: things$/m)

  await query("insert into things (label) values ('one'); update things set label = 'two'")
  assert.deepEqual(await query('select what from log order by id'), ['things', 'changed'])
  assert.equal((await migrate('check')).code, 0)
  assert.match((await migrate('generate again')).said, /Nothing to migrate/)
  assert.equal((await migrate('rollback')).code, 1)
  assert.deepEqual(await migrate('rollback --allow-data-loss'), { code: 0, said: 'rolled back 0001_first_things' })
  assert.deepEqual(
    await query(
      "select count(*)::int from pg_class where relnamespace = 'freehold'::regnamespace and relname not like 'migrations%'",
    ),
    [0],
  )
  assert.equal((await migrate('apply')).code, 0)
})

// Red when: listLosses leaves out columns, types or tables.
test('a change of what is declared becomes the next migration, which says what it discards', async () => {
  const { migrate, declare, read, query } = await createProject()
  declare(foundation, logs, things)
  await migrate('auto first')
  await query("insert into things (label, priority) values ('one', 1)")
  declare(
    foundation,
    logs,
    things
      .replace('priority int', 'priority bigint, color text')
      .replace("kind text not null default 'a'", "kind text not null default 'b'")
      .replace('create index things_kind', 'create table extra (id int); create index things_kind'),
  )
  const drift = await migrate('check')
  assert.equal(drift.code, 1)
  assert.match(drift.said, /declared, but not in the migrations: column things\.color/)
  assert.match(drift.said, /different: column things\.priority, type: "integer" in the migrations, "bigint" declared/)
  assert.match(drift.said, /declared, but not in the migrations: table extra/)
  assert.doesNotMatch(drift.said, /extra\.id/)

  assert.equal((await migrate('auto second')).code, 0)
  const { up, down } = read('0002')
  assert.match(up, /^-- loses: things\.priority$/m)
  assert.deepEqual([...down.matchAll(/^-- loses: (.*)$/gm)].map(match => match[1]).sort(), [
    'extra',
    'things.color',
    'things.priority',
  ])
  assert.deepEqual(await query('select label from things'), ['one'])
  assert.match((await migrate('rollback')).said, /0002_second discards extra, things\.color, things\.priority/)
  assert.equal((await migrate('rollback --allow-data-loss')).code, 0)
  assert.deepEqual(await query('select priority from things'), [1])
})

// Red when: replaceViews answers the actions as they are.
test('a view that keeps its columns is replaced, so that the policies of tables of which no migration knows stay', async () => {
  const { migrate, declare, read, query } = await createProject()
  declare(foundation, logs, things)
  await migrate('auto first')
  await query(
    'create table own (id uuid); alter table own enable row level security; create policy own on own using (id = (select id from gate))',
  )
  const condition = "current_setting('app.label', true)"
  const helper = "create function is_open() returns boolean language sql as 'select true'; "
  const changed = things.replace('create view', `${helper}create view`).replace(condition, `${condition} and is_open()`)
  declare(foundation, logs, changed)
  const { code, said } = await migrate('auto gate')
  assert.equal(code, 0, said)
  const { up, down } = read('0002')
  assert.match(up, /create or replace view/)
  assert.doesNotMatch(up + down, /policy|drop view/)
  assert.equal((await migrate('rollback')).code, 0)
  assert.equal((await migrate('apply')).code, 0)
  assert.equal((await migrate('check')).code, 0)
})

// Red when: renameMigrated does nothing, leaves the dependents out, or the down does not take the renames back.
test('what is declared as renamed keeps its rows, keys and counters, both ways', async () => {
  const { migrate, declare, read, query } = await createProject()
  const child = 'create table children (thing uuid references things, body text);'
  declare(foundation, logs, things, child)
  await migrate('auto first')
  await query(
    "insert into things (label, kind) values ('one', 'b'), ('two', 'a'); insert into children select id, label from things",
  )
  const renamed = things.replaceAll('things', 'items').replaceAll('label', 'title').replaceAll('app.title', 'app.label')
  declare(
    foundation,
    logs,
    `-- renamed: things -> items\n-- renamed: things.label -> items.title\n${renamed}`,
    `-- renamed: children.body -> children.content\n${child.replace('things', 'items').replace('body', 'content')}`,
  )
  const { code, said } = await migrate('auto rename')
  assert.equal(code, 0, said)
  const { up, down } = read('0002')
  assert.doesNotMatch(up + down, /drop (table|column|constraint|index|sequence)|loses|add column|add constraint/i)
  await query("insert into items (title) values ('three')")
  assert.deepEqual(await query('select title, serial::int from items order by serial'), [
    'one',
    1,
    'two',
    2,
    'three',
    3,
  ])
  assert.deepEqual(await query('select content from children order by 1'), ['one', 'two'])
  assert.deepEqual(
    await query(
      "select conname from pg_constraint where conrelid = 'items'::regclass and contype in ('p', 'u', 'c') order by 1",
    ),
    ['items_pkey', 'items_title_check', 'items_title_key'],
  )
  assert.equal((await migrate('rollback')).code, 0)
  assert.deepEqual(await query('select label, serial::int from things order by serial'), [
    'one',
    1,
    'two',
    2,
    'three',
    3,
  ])
  assert.equal((await migrate('apply')).code, 0)
  // the lines may stay
  assert.match((await migrate('generate again')).said, /Nothing to migrate/)
  assert.equal((await migrate('check')).code, 0)
})

// Red when: readRenames takes anything, or renameMigrated does not ask what is declared.
test('a rename that cannot be meant is refused', async () => {
  const { migrate, declare } = await createProject()
  declare('create table a (x int)')
  await migrate('generate first')
  for (const [text, reason] of [
    ['-- renamed: a -> b\ncreate table a (x int); create table b ()', /a is said to be renamed, but is still declared/],
    ['-- renamed: a.x -> a.z\ncreate table a (y int)', /a\.x is said to be renamed to a\.z, which is not declared/],
    ['-- renamed: a.x -> y\ncreate table a (y int)', /"-- renamed: a\.x -> y" is neither/],
  ] as const) {
    declare(text)
    const { code, said } = await migrate('generate rename')
    assert.equal(code, 1)
    assert.match(said, reason)
  }
})

// Red when: listUndeclaredPartitions answers nothing, or answers declared ones too.
test('partitions that only the migrations make are no drift and are never dropped', async () => {
  const { migrate, declare, read, write, query } = await createProject()
  declare(foundation, logs)
  await migrate('generate first')
  write(
    '0002_month',
    'create table log_month partition of log for values from (1) to (100)',
    '-- loses: log_month\ndrop table log_month',
  )
  assert.match((await migrate('check')).said, /No drift/)
  declare(foundation, `${logs} alter table log add column who text;`)
  assert.equal((await migrate('auto who')).code, 0)
  assert.doesNotMatch(read('0003').up, /month/)
  assert.deepEqual(
    await query("select count(*)::int from pg_attribute where attrelid = 'log_month'::regclass and attname = 'who'"),
    [1],
  )
  declare(
    foundation,
    `${logs} alter table log add column who text;`.replace('create table log_default partition of log default;', ''),
  )
  assert.match((await migrate('check')).said, /No drift/)
  declare(
    foundation,
    `${logs} alter table log add column who text; create table log_year partition of log for values from (100) to (200);`,
  )
  assert.match((await migrate('check')).said, /declared, but not in the migrations: table log_year/)
})

// Red when: the databases are not dropped in a finally, or files are written before the proof.
test('a declared file that does not load is named with its line, and nothing is left behind', async () => {
  const { migrate, declare, read } = await createProject()
  declare('create table a (x int);', 'create table b (x int);\ncreate table c (y nowhere);')
  const { code, said } = await migrate('generate first')
  assert.equal(code, 1)
  assert.match(said, /1\.sql, line 2: type "nowhere" does not exist/)
  assert.deepEqual(read('0001'), { up: '', down: '' })
  assert.deepEqual(await run(server.url, "select datname from pg_database where datname like 'freehold_scratch%'"), [])
})

// Red when: dropAbandoned does nothing, or drops the young.
test('scratch databases of a killed process go with the next one', async () => {
  const { migrate, declare } = await createProject()
  declare('create table a (x int);')
  const hour = Math.floor(Date.now() / 1000) - 3601
  await run(server.url, `create database freehold_scratch_${hour}_00 owner landlord`)
  await run(server.url, `create database freehold_scratch_${hour + 3600}_00 owner landlord`)
  await migrate('check')
  assert.deepEqual(await run(server.url, "select datname from pg_database where datname like 'freehold_scratch%'"), [
    `freehold_scratch_${hour + 3600}_00`,
  ])
  await run(server.url, `drop database freehold_scratch_${hour + 3600}_00`)
})

// Red when: the unmodeled kinds are not passed on.
test('what pg-delta does not compare is said', async () => {
  const { migrate, declare } = await createProject()
  declare('create table a (x int, y int); create statistics a_xy on x, y from a;')
  assert.match((await migrate('generate first')).said, /Not compared, write it by hand: .*statistics object.*a_xy/)
})

// Red when: an option is not parsed, an exit code is 0 for a fault, or the usage is not printed.
test('the commands answer as documented, and bad input gets the usage', async () => {
  const { migrate, declare, write, name } = await createProject()
  for (const args of [
    [],
    ['frob'],
    ['constructor'],
    ['generate'],
    ['generate', 'a', 'b'],
    ['apply', '--to', 'x'],
    ['apply', 'x'],
    ['apply', '--frob'],
    ['rollback', '--to', '0', '--steps', '1'],
    ['rollback', '--steps', '-1'],
    ['stamp'],
    ['stamp', 'tail'],
  ]) {
    const { code, said } = await migrate(args)
    assert.equal(code, 2, args.join(' '))
    assert.match(said, /^freehold migrate <command>$/m)
  }
  assert.deepEqual(await migrate('list'), { code: 0, said: 'There are no migrations yet.' })
  assert.deepEqual(await migrate('generate …'), {
    code: 1,
    said: 'A migration needs a message in Latin letters: it becomes the name of its files.',
  })
  declare('create table a (); create table b ();')
  write('0001_a', 'create table a ()', 'drop table a')
  write('0002_b', 'create table b ()', 'drop table b')
  assert.deepEqual(await migrate('current'), { code: 0, said: 'none applied (2 pending)' })
  assert.deepEqual(await migrate('apply --to 1'), { code: 0, said: 'applied 0001_a' })
  assert.deepEqual(await migrate('current'), { code: 0, said: '0001_a (1 pending)' })
  assert.match((await migrate('list')).said, /^0001_a {2}applied \d{4}-.*Z\n0002_b {2}pending$/)
  assert.match((await migrate('check')).said, /^Connected to PostgreSQL 18.*\nPending: 0002_b\.\nNo drift/)
  assert.deepEqual(await migrate('stamp head'), { code: 0, said: 'Recorded as applied, up to 0002_b.' })
  assert.deepEqual(await migrate('apply'), { code: 0, said: 'Nothing to apply.' })
  assert.deepEqual(await migrate('stamp 1'), { code: 0, said: 'Recorded as applied, up to 0001_a.' })
  assert.deepEqual(await migrate('rollback --steps 3'), { code: 0, said: 'rolled back 0001_a' })
  await migrate('apply')
  write('0001_a', 'create table a () -- changed', 'drop table a')
  const { code, said } = await migrate('check')
  assert.equal(code, 1)
  assert.match(said, /0001_a is no longer what ran in this database/)
  assert.equal((await migrate('apply')).code, 1)

  await run(server.url, "create role stranger login password 'stranger'")
  const stranger = { databaseUrl: `postgres://stranger:stranger@127.0.0.1:${server.port}/${name}` }
  assert.deepEqual(await migrate('list', stranger), { code: 1, said: 'permission denied for schema freehold' })
  const bare = { adminUrl: undefined }
  assert.match((await migrate('check', bare)).said, /Drift was not checked: there is no server/)
  assert.deepEqual(await migrate('generate x', bare), {
    code: 1,
    said: 'Generating needs a server for scratch databases: leave DATABASE_URL unset to use the embedded one.',
  })
})

const crowd = `create table people (id int primary key);
  create table crowd (id int not null, size int, label text, person int, born timestamptz) WITH_MORE;`
const more = `alter table crowd add column code uuid default gen_random_uuid();
  alter table crowd add column kind text not null default 'a';
  alter table crowd alter column label set not null, add constraint crowd_id unique (id);
  alter table crowd add constraint crowd_size check (size > 0 and label <> ';--');
  alter table crowd add constraint crowd_person foreign key (person) references people;
  create index crowd_label on crowd (label);
  create unique index crowd_code on crowd (lower(label)) where size > 1;
  create table fresh (id int primary key, person int references people, size int not null check (size > 0));
  create index fresh_size on fresh (size);`

// Red when: splitOnline moves nothing, explainLocks says nothing, or either looks at new tables.
test('a change of tables that are there says what it locks, and does online what can be done so', async () => {
  const { migrate, declare, read, query } = await createProject()
  declare(crowd.replace(' WITH_MORE', ''))
  await migrate('auto first')
  assert.doesNotMatch(read('0001').up, /lock:|not valid|concurrently/)
  await query("insert into people values (1); insert into crowd select n, n, 'l' || n, 1 from generate_series(1, 50) n")
  declare(crowd.replace(' WITH_MORE', '').replace('size int,', 'size bigint,') + more)
  const { code, said } = await migrate('auto more')
  assert.equal(code, 0, said)
  assert.match(said, /wrote .*0003_more_online\.down\.sql\n0003_more_online runs without a transaction/)

  const [now, online] = [read('0002').up, read('0003').up]
  const above = (text: string, statement: RegExp) =>
    new RegExp(String.raw`^-- lock: (.*)\n${statement.source}`, 'm').exec(text)?.[1] ?? ''
  assert.match(
    above(now, /alter table \S+"crowd"\s+alter column "size" type/),
    /^ACCESS EXCLUSIVE on crowd: .* written anew/,
  )
  assert.match(above(now, /alter table \S+"crowd"\s+add column "code"/), /^ACCESS EXCLUSIVE on crowd: .* minutes/)
  assert.match(
    above(now, /alter table \S+"crowd"\s+add constraint "crowd_id" unique/),
    /^ACCESS EXCLUSIVE .* 60 seconds/,
  )
  assert.match(
    above(now, /alter table \S+"crowd"\s+add constraint "crowd_size" check [^;]*';--'[^;]* not valid;/),
    /moment/,
  )
  assert.match(
    above(now, /alter table \S+"crowd"\s+add constraint "crowd_person" foreign key [^;]* not valid;/),
    /moment/,
  )
  assert.equal(above(now, /alter table \S+"crowd"\s+add column "kind"/), '')
  assert.doesNotMatch(now, /concurrently|set not null|index \S*crowd/)
  assert.equal(now.match(/^-- lock: /gm)?.length, 5, 'new tables have no other users to lock out')
  for (const statement of [
    /create index concurrently "?crowd_label/,
    /create unique index concurrently "?crowd_code/,
    /alter table \S+"crowd"\s+validate constraint "crowd_size"/,
    /alter table \S+"crowd"\s+validate constraint "crowd_person"/,
  ])
    assert.match(
      above(online, statement),
      /^SHARE UPDATE EXCLUSIVE on crowd: reads and writes go on.* 10 million rows/,
      online,
    )
  assert.match(
    above(online, /alter table \S+"crowd"\s+alter column "label" set not null/),
    /for a moment: the constraint/,
  )

  const constraints =
    "select conname || ' ' || convalidated from pg_constraint where conrelid = 'crowd'::regclass and contype in ('c', 'f') order by 1"
  assert.deepEqual(await query(constraints), ['crowd_person true', 'crowd_size true'])
  assert.match((await migrate('check')).said, /No drift/)
  assert.equal(
    (await migrate('rollback --steps 2 --allow-data-loss')).said,
    'rolled back 0003_more_online\nrolled back 0002_more',
  )
  assert.deepEqual(await query(constraints), [])
  assert.equal((await migrate('apply')).code, 0)
  assert.match((await migrate('check')).said, /No drift/)
})

// Red when: a transaction that needs the index is not tried again with it.
test('what a foreign key of the same migration needs stays with it', async () => {
  const { migrate, declare, read } = await createProject()
  declare('create table a (x int);')
  await migrate('auto first')
  declare('create table a (x int); create unique index a_x on a (x); create table b (x int references a (x));')
  const { code, said } = await migrate('auto second')
  assert.equal(code, 0, said)
  assert.match(read('0002').up, /^-- lock: SHARE on a: .*\ncreate unique index a_x/m)
  assert.deepEqual(read('0003'), { up: '', down: '' })
})

const binaries = '/usr/lib/postgresql/15/bin'

// Red when: a statement that only 18 knows gets into a file (the owner's MAINTAIN, say).
test(
  "the product's schema, generated on 18, goes up and down on PostgreSQL 15 and differs in nothing",
  { skip: existsSync(binaries) ? false : `no PostgreSQL 15 in ${binaries}` },
  async () => {
    const generated = await createProject({ files: productFiles })
    assert.equal((await generated.migrate('auto first')).code, 0)
    const old = await startPostgres15()
    try {
      const project = await createProject({ port: old.port, files: productFiles })
      const { up, down } = generated.read('0001')
      project.write('0001_first', up, down)
      assert.equal((await project.migrate('apply')).said, 'applied 0001_first')
      const { code, said } = await project.migrate('check')
      assert.match(said, /Connected to PostgreSQL 15.*No drift/s)
      assert.equal(code, 0)
      assert.equal((await project.migrate('rollback --allow-data-loss')).said, 'rolled back 0001_first')
    } finally {
      await old.stop()
    }
  },
)

/** Debian's; PostgreSQL refuses to run as root. */
async function startPostgres15(): Promise<{ port: number; stop: () => Promise<void> }> {
  const data = join(directory, 'data15')
  mkdirSync(data)
  const [uid, gid] =
    process.getuid?.() === 0 ? ['-u', '-g'].map(flag => Number(execFileSync('id', [flag, 'postgres']))) : []
  const as = uid === undefined || gid === undefined ? { cwd: data } : { cwd: data, uid, gid }
  if (uid !== undefined && gid !== undefined) chownSync(data, uid, gid)
  execFileSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...as, stdio: 'ignore' },
  )
  const port = await findFreePort()
  const child = spawn(
    join(binaries, 'postgres'),
    ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'fsync=off'],
    { ...as, stdio: 'ignore' },
  )
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  for (let tries = 0; ; tries++) {
    try {
      await run(url, setUp)
      break
    } catch (error) {
      if (tries > 4000) throw error
      await new Promise(resolve => setTimeout(resolve, 25))
    }
  }
  return {
    port,
    stop: () =>
      new Promise(resolve => {
        child.once('exit', () => resolve())
        child.kill('SIGINT')
      }),
  }
}
