import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { openDatabase } from '../database/database.ts'
import { openLanes } from './lanes.ts'
import { repeatable } from '../database/statement.ts'
import { getMe } from '../../identity/sign-in/me.ts'
import { listProjects } from '../../product/projects/projects.ts'
import type { Row } from './trip-query.ts'
import { waits } from '../../../test/meeting.ts'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { waitUntil } from '../../../test/programs/service-process.ts'
import { makeTenants, readLeftSettings, runTenantLoad, say } from '../../../test/concurrency/tenant-load.ts'
import { createTestApp } from '../../../test/test-app.ts'

// Several tenants in flight on one connection. Every read asks for the tenant's own rows and returns the request's nonce.

const own = await createOwnDatabase()
const { admin } = own
const app = await createTestApp({
  DATABASE_URL: own.ownerUrl,
  DATABASE_TENANT_URL: own.tenantUrl,
  DATABASE_SYSTEM_URL: own.systemUrl,
})
const tenants = await makeTenants(app, 8)

function open(lanes = 2, poolSize = 6) {
  const database = openDatabase({
    tenantUrl: own.tenantUrl,
    systemUrl: own.systemUrl,
    poolSize,
    poolTimeoutSeconds: 30,
    connectionMaxAgeSeconds: 0,
    pooler: 'none',
    lanes,
    onError: () => {},
  })
  let open = true
  const close = async () => void (open && ((open = false), await database.close()))
  after(close)
  return { ...database, close }
}

const database = open()
const tenantOf = (number: number) => tenants[number % tenants.length]!
const countLanes = async (): Promise<number[]> => {
  const { rows } = await admin.query<{ pid: number }>(
    `select pid from pg_stat_activity where datname = current_database() and application_name = 'freehold tenant lane'`,
  )
  return rows.map(({ pid }) => pid)
}

const laneOptions = {
  connectionString: own.tenantUrl,
  connectionTimeoutMillis: 10_000,
  maxLifetimeSeconds: 0,
  application_name: 'freehold tenant lane',
  onError: (error: Error) => assert.fail(error),
}
const place = { organization_id: tenants[0]!.organization_id, user_id: '' }
const page = { limit: 20, after: undefined, includeTotal: false, seal: () => '' }

const READ = 'select organization_id, name, $1::text as nonce from projects order by id limit 5'

/** One read of a tenant. @throws Error if anything of another request comes back */
async function read(number: number, { tenant } = database): Promise<void> {
  const { organization_id, scope } = tenantOf(number)
  const nonce = randomUUID()
  const rows = await tenant.run(scope, say(READ, nonce))
  assert.equal(rows.length, 5)
  for (const row of rows) assert.deepEqual(row, { organization_id, name: organization_id, nonce })
}

const readMany = (count: number) => Promise.all(Array.from({ length: count }, (_, number) => read(number)))

/** Repeats reads until both lanes are open and the text is known to be short. */
async function warmUp(): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    await readMany(16)
    if ((await countLanes()).length === 2) return
  }
  assert.fail('the lanes were not opened')
}

await warmUp()

// Red when: trip-query.ts leaves out the Sync of one statement in a hundred, or makes the settings session-wide.
test('no row, no setting and no answer of one request reaches another, among errors, cancels and lost connections', async t => {
  let [kills, ended] = [0, 0]
  const disturb = setInterval(() => {
    const how = kills++ % 3 === 0 ? 'pg_terminate_backend' : 'pg_cancel_backend'
    const disturbed = admin.query(
      `select ${how}(pid) from pg_stat_activity where datname = current_database() and application_name = 'freehold tenant lane' order by random() limit 1`,
    )
    if (how === 'pg_terminate_backend') void disturbed.then(({ rowCount }) => (ended += rowCount ?? 0))
  }, 40)
  const faults: string[] = []
  let reads = 0
  const storm = new AbortController()
  const reading = Array.from({ length: 32 }, async (_, number) => {
    while (!storm.signal.aborted) {
      reads++
      await read(number + reads).catch((error: Error & { code?: string }) => {
        // Cancelled by this test.
        if (error.code !== 'busy') faults.push(`${error.code ?? ''} ${error.message}`)
      })
    }
  })
  const report = await runTenantLoad(database, tenants, 6000, 32)
  storm.abort()
  await Promise.all(reading)
  clearInterval(disturb)
  t.diagnostic(`${reads} reads beside ${report.requests} requests, ${report.rows} rows checked, ${kills} disturbances`)
  assert.deepEqual(faults.slice(0, 5), [])
  const provoked = report.faults.filter(fault => !/got busy|server is busy|busy/i.test(fault))
  assert.deepEqual(provoked.slice(0, 5), [])
  assert.ok(ended > 0, 'connections were lost')

  const { rows } = await admin.query(
    `select count(*) filter (where slug like 'lost-%') as lost, count(*) filter (where name <> organization_id::text) as foreign
     from projects where organization_id = any ($1)`,
    [tenants.map(({ organization_id }) => organization_id)],
  )
  assert.deepEqual(rows, [{ lost: 0, foreign: 0 }])
  for (const settings of (await readLeftSettings(database.tenant.pool, 3)).values())
    assert.deepEqual(settings, ['', '', '', ''])
})

// Red when: database.ts does not repeat what a lane has not answered.
test('reads in flight on a connection that is lost are answered from another', async () => {
  await warmUp()
  const pids = await countLanes()
  const reading = readMany(48)
  await admin.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [pids])
  await reading
  await readMany(16)
  await waitUntil(async () => (await countLanes()).every(pid => !pids.includes(pid)))
})

// Red when: the lanes are not read-only, or a refused change is not repeated on a connection of its own.
test('a read that turns out to change something runs on a connection of its own', async () => {
  const { scope } = tenantOf(1)
  const change = say(`select nextval('audit_sequence') as number`)
  const numbers: unknown[] = []
  for (let n = 0; n < 6; n++) numbers.push((await database.tenant.run(scope, change))[0]?.['number'])
  assert.deepEqual(
    numbers,
    numbers.map((_, n) => Number(numbers[0]) + n),
    'each has run exactly once',
  )
})

// Red when: statements wait for locks on a lane as long as they want, one that was refused a lock is not repeated, the
// transaction of a read is not read-only, or the one after it is.
test('a repeatable change is carried, and what it waits for holds up nothing else', async t => {
  await admin.query(`create table beats (place int primary key, beats int not null default 0);
    insert into beats select generate_series(1, 2); grant select on beats to freehold_system;
    create function beat(place int) returns int language sql volatile security definer as $$
      update freehold.beats b set beats = beats + 1 where b.place = $1 returning pg_backend_pid() $$`)
  const { system } = open(2, 16)
  const scope = { origin: { request_id: 'lanes', ip: '', user_agent: '' } }
  const pidOf = async (rows: Promise<Row[]>): Promise<unknown> => (await rows)[0]?.['pid']
  const beat = (place: number) => pidOf(system.run(scope, repeatable(say('select beat($1) as pid', place))))
  const undeclared = (place: number) => pidOf(system.run(scope, say('select beat($1) as pid /* as a read */', place)))
  const look = () => system.run(scope, say('select place, beats from beats order by place'))
  const listPids = async (name: string) =>
    (
      await admin.query<{ pid: number }>(
        `select pid from pg_stat_activity where datname = current_database() and application_name = $1`,
        [name],
      )
    ).rows.map(({ pid }) => pid)
  const pids: unknown[] = []
  let lanes: number[] = []
  // Until many are carried: a statement that was slow once, on a busy machine, is not for a while.
  while (lanes.length < 2 || pids.filter(pid => lanes.includes(pid as number)).length < 100) {
    pids.push(...(await Promise.all([beat(1), look(), beat(1)])).filter(Number.isInteger))
    lanes = await listPids('freehold system lane')
  }
  const before = pids.length
  const others: unknown[] = []
  for (let n = 0; n < 10; n++) others.push(...(await Promise.all([undeclared(1), undeclared(1)])))
  assert.ok(others.every(pid => !lanes.includes(pid as number)))
  assert.deepEqual((await look())[0], { place: 1, beats: before + 20 })

  const holder = await admin.connect()
  t.after(() => holder.release(true))
  await holder.query('begin')
  await holder.query('select from beats where place = 2 for update')
  const waiting = beat(2)
  for (let n = 0; n < 20; n++) await Promise.all([beat(1), look()])
  assert.ok(await waits(admin, holder, waiting))
  const { rowCount } = await admin.query(
    `select from pg_stat_activity where datname = current_database() and application_name = 'freehold system' and wait_event_type = 'Lock'`,
  )
  assert.equal(rowCount, 1, 'on a connection of its own')
  await holder.query('commit')
  assert.ok(!lanes.includes((await waiting) as number))
  assert.deepEqual(await look(), [
    { place: 1, beats: before + 40 },
    { place: 2, beats: 1 },
  ])
})

// Red when: a name such as `updated_at` makes a statement one that changes something, or such a one is carried.
test('what only reads is carried, whatever its columns are called', async () => {
  const lanes = openLanes({ ...laneOptions, count: 1 })
  after(() => lanes.close())
  const settings = ['', '', '', '{}', '', ''] as const
  const isCarried = async (sql: string, parameters: readonly unknown[] = [], repeats = false): Promise<boolean> => {
    const statement = { sql, parameters, repeatable: repeats }
    for (let n = 0; n < 3; n++) lanes.note(statement, settings, 0)
    const carried = lanes.carry(statement, settings)
    await carried?.catch(() => {})
    return carried !== undefined
  }
  while (!(await isCarried('select 1'))) await setTimeout(5)
  const reads = [
    getMe(app.services.declared, place.organization_id),
    listProjects(place, { sort: '-created_at' }, page),
    say('select updated_at, deleted_at from projects'),
    say('select 0 as locked_until, 1 as merged, 2 as holders'),
  ]
  for (const { sql, parameters } of reads) assert.equal(await isCarried(sql, parameters), true, sql)
  const changes = [
    `update projects set name = 'x'`,
    'with gone as (DELETE from projects returning *) select * from gone',
    'insert into projects default values',
    'merge into projects using projects p on false when matched then do nothing',
    'lock table projects',
    'select hold_users(array[]::uuid[])',
    'select lock_place()',
    `select outcome from beat_license('\\x00', 'device', null)`,
    'select pg_advisory_xact_lock(1)',
    'select id from projects for share',
    'select id from projects for key share',
    'select id from projects for no key update',
    'select id from projects for update',
    `select current_setting('transaction_read_only')`,
  ]
  for (const sql of changes) assert.equal(await isCarried(sql), false, sql)
  assert.equal(await isCarried(`${changes[0]} where false`, [], true), true, 'declared repeatable')
})

// Red when: a statement with outdated columns is not repeated, on either kind of connection.
test('a migration that changes the columns of a statement is not noticed', async () => {
  await admin.query(`create view probe as select 1 as a; grant select on probe to freehold_tenant`)
  const probe = () =>
    Promise.all(tenants.map(({ scope }) => database.tenant.run(scope, say('select * from probe')))) as Promise<Row[][]>
  for (let n = 0; n < 10; n++) await probe()
  await admin.query(
    'drop view probe; create view probe as select 1 as a, 2 as b; grant select on probe to freehold_tenant',
  )
  for (const rows of await probe()) assert.deepEqual(rows, [{ a: 1, b: 2 }])
})

// Red when: isOvertaken() leaves out either code.
test('a migration that replaces functions while a statement calls them is not noticed', async () => {
  const define = (name: string) => `
    create function ${name}() returns text language sql as $$ select '${name}' $$;
    create or replace function outer_probe() returns text language plpgsql as $$
    declare found text;
    begin
      perform pg_sleep(0.5);
      execute 'select ${name}()' into found;
      return found;
    end $$;
    grant execute on function ${name}(), outer_probe() to freehold_tenant`
  const run = (sql: string) => database.tenant.run(tenants[0]!.scope, say(sql))
  await admin.query(define('first_probe'))
  const during = run('select outer_probe() as found')
  await setTimeout(250)
  await admin.query(`${define('second_probe')}; drop function first_probe()`)
  assert.deepEqual(await during, [{ found: 'second_probe' }])

  // What PostgreSQL says if the function goes between the planning and the execution.
  await admin.query(`create sequence tries; grant usage on sequence tries to freehold_tenant;
    create function lost_probe() returns text language plpgsql as $$
    begin
      if nextval('tries') = 1 then raise exception 'cache lookup failed for function 1' using errcode = 'XX000'; end if;
      return 'found';
    end $$;
    grant execute on function lost_probe() to freehold_tenant`)
  assert.deepEqual(await run('select lost_probe() as found'), [{ found: 'found' }])
})

// Red when: pick() considers all lanes, not two.
test('one organization uses at most two lanes', async () => {
  const another = open(6, 20)
  const count = async () => (await countLanes()).length
  const before = await count()
  for (let n = 0; n < 20; n++) await Promise.all(Array.from({ length: 20 }, () => read(3, another)))
  assert.ok((await count()) - before <= 2, 'the lanes of one organization')
  // The lanes of eight organizations.
  while ((await count()) - before <= 2)
    await Promise.all(Array.from({ length: 20 }, (_, number) => read(number, another)))
  await another.close()
})

// Red when: close() ends the connections without waiting.
test('closing waits for the reads in flight', async () => {
  const lanes = openLanes({ ...laneOptions, count: 1 })
  const settings = ['', '', '', '{}', '', ''] as const
  const statement = say('select pg_sleep(0.01), $1::text as nonce', 'a')
  lanes.note(statement, settings, 0)
  // Where everything takes long, a lane takes statements for longer: also if this process has to wait between two of them.
  lanes.note(say('select 1'), settings, 10_000)
  while (lanes.carry(statement, settings) === undefined) await setTimeout(5)
  const reading = Array.from({ length: 5 }, async () => lanes.carry(statement, settings))
  const closed = lanes.close()
  for (const rows of await Promise.all(reading)) assert.equal(rows?.[0]?.['nonce'], 'a')
  await closed
  assert.equal(lanes.carry(statement, settings), undefined)
})

// Red when: end() has no limit, so that closing waits for the answer (this test then runs into its time limit).
test('closing gives up a connection whose server has stopped', { timeout: 60_000 }, async t => {
  const lanes = openLanes({ ...laneOptions, count: 1, endMs: 300, application_name: 'freehold silent lane' })
  const settings = ['', '', '', '{}', '', ''] as const
  const statement = say('select pg_backend_pid() as pid')
  lanes.note(statement, settings, 0)
  let answer: Promise<Row[]> | undefined
  while ((answer = lanes.carry(statement, settings)) === undefined) await setTimeout(5)
  const pid = Number((await answer)[0]!['pid'])
  process.kill(pid, 'SIGSTOP')
  t.after(() => process.kill(pid, 'SIGCONT'))
  // The first answer may have been slow.
  for (let n = 0; n < 100; n++) lanes.note(statement, settings, 0)
  const unanswered = assert.rejects(lanes.carry(statement, settings)!, /Connection terminated/)
  await lanes.close()
  await unanswered
})
