import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { openDatabase } from '../database/database.ts'
import { gathered, repeatable } from '../database/statement.ts'
import type { LoginName, Statement } from '../database/statement.ts'
import { gatherRuns, NotGathered } from './gathering.ts'
import type { GatheredRun } from './gathering.ts'
import type { Row } from './trip-query.ts'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { say } from '../../../test/concurrency/tenant-load.ts'

const own = await createOwnDatabase()
const { admin } = own
const { system, close } = openDatabase({
  tenantUrl: own.tenantUrl,
  systemUrl: own.systemUrl,
  poolSize: 16,
  poolTimeoutSeconds: 30,
  connectionMaxAgeSeconds: 0,
  pooler: 'none',
  lanes: 2,
  onError: () => {},
})
after(close)
const scope = { origin: { request_id: 'gathering', ip: '192.0.2.1', user_agent: 'a program' } }
const run = (given: Statement<LoginName, Row[]>): Promise<Row[]> => system.run(scope, gathered(given))

// The transaction of each run is the statement that it was part of: `now()` tells it.
const READ = `select place, value as nonce, 100 / divisor as quotient, now() as begun, current_setting('app.context') as context
  from unnest($1::text[], $2::int[]) with ordinality as asked (value, divisor, place) where value is not null`
const read = (nonce: string | null, divisor = 1) => run(say(READ, nonce, divisor))
const readMany = (count: number) => Promise.all(Array.from({ length: count }, (_, n) => read(`nonce ${n}`)))

/** Repeats runs until the lanes are open and the text is known to be short. */
async function warmUp(runs: () => Promise<Row[][]>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const begun = new Set((await runs()).map(([row]) => row?.['begun']))
    if (begun.size === 1) return
    await setTimeout(10)
  }
  assert.fail('nothing was gathered')
}

// Red when: gathering.ts gives rows by another number than `place`, or sends each run by itself; or database.ts gives
// the settings of one caller to all.
test('runs that are asked for at the same time are one statement, and each gets its own rows', async () => {
  await warmUp(() => readMany(8))
  const found = await Promise.all([
    ...Array.from({ length: 5 }, (_, n) => read(`nonce ${n}`)),
    read(null),
    read('last'),
  ])
  assert.deepEqual(
    found.map(([row]) => row?.['nonce']),
    ['nonce 0', 'nonce 1', 'nonce 2', 'nonce 3', 'nonce 4', undefined, 'last'],
  )
  assert.equal(found[0]?.[0]?.['context'], '')
  assert.equal(found[5]?.length, 0)
  const many = await readMany(100)
  for (const [n, rows] of many.entries()) assert.deepEqual([rows.length, rows[0]?.['nonce']], [1, `nonce ${n}`])
})

// Red when: gathering.ts rejects all runs with the error of the statement, or isUncarried() leaves out NotGathered.
test('the fault of one run is its own', async () => {
  await warmUp(() => readMany(8))
  const results = await Promise.allSettled([read('a'), read('b', 0), read('c', 4)])
  assert.deepEqual(
    results.map(result => (result.status === 'fulfilled' ? result.value[0]?.['quotient'] : result.reason.code)),
    [100, '22012', 25],
  )
})

// Red when: a change is gathered although a run of its statement may have happened, or all runs wait for the lock of one.
test('a repeatable change that waits for a lock holds up no other run, and each happens once', async t => {
  await admin.query(`create table beats (place int primary key, beats int not null default 0);
    insert into beats select generate_series(1, 4);
    create function beat(place int) returns int language sql volatile security definer as $$
      update freehold.beats b set beats = beats + 1 where b.place = $1 returning b.place $$`)
  const BEAT = `select place, beat(asked.number) as number, now() as begun from unnest($1::int[]) with ordinality as asked (number, place)`
  const beat = (place: number) => run(repeatable(say(BEAT, place)))
  await warmUp(() => Promise.all([beat(1), beat(2), beat(3)]))
  await admin.query('update beats set beats = 0')

  const holder = await admin.connect()
  t.after(() => holder.release(true))
  await holder.query('begin')
  await holder.query('select from beats where place = 4 for update')
  const waiting = beat(4)
  for (let n = 0; n < 20; n++)
    assert.deepEqual(
      (await Promise.all([beat(1), beat(2), beat(3)])).flat().map(row => row['number']),
      [1, 2, 3],
    )
  await holder.query('commit')
  assert.equal((await waiting)[0]?.['number'], 4)
  const { rows } = await admin.query('select beats from beats order by place')
  assert.deepEqual(
    rows.map(row => row.beats),
    [20, 20, 20, 1],
  )
})

// Red when: the number in flight or the size of a statement is not limited, or what waits is not sent after an answer.
test('two statements are in flight at most, with 16 runs each, and the rest follows', async () => {
  const sizes: number[] = []
  let [inFlight, most] = [0, 0]
  const gather = gatherRuns<GatheredRun>(async ({ parameters: [values = []] }, count) => {
    sizes.push(count)
    most = Math.max(most, ++inFlight)
    await setTimeout(1)
    inFlight--
    return values.map((value, index) => ({ place: index + 1, value }))
  })
  const found = await Promise.all(Array.from({ length: 70 }, (_, n) => gather({ sql: 'one', parameters: [[n]] })))
  assert.deepEqual(
    found.map(([row]) => row?.['value']),
    Array.from({ length: 70 }, (_, n) => n),
  )
  assert.deepEqual([most, sizes], [2, [16, 16, 16, 16, 6]])
  const refused = gatherRuns<GatheredRun>(() => undefined)
  await assert.rejects(refused({ sql: 'one', parameters: [] }), NotGathered)
})
