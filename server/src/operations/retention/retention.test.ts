import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { TEST_SECRET } from '../../../test/test-database.ts'
import { loadConfig } from '../../config/config.ts'
import { features } from '../../features.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { firstIdAt } from '../../platform/database/ids.ts'
import { declare } from '../../platform/declarations.ts'
import { createServices } from '../../services.ts'
import { removeExpired, sweep } from './retention.ts'

// In a separate database, because a sweep affects all rows.
const { admin, database } = await createOwnDatabase()
const system = systemFor(database, 'sweep')
const createSweepServices = (settings: Record<string, string> = {}) =>
  createServices({
    config: loadConfig({
      SECRET_KEY: TEST_SECRET,
      PUBLIC_URL: 'http://localhost:8000',
      SECURITY_EVENTS_DAYS: '400',
      ...settings,
    }),
    declared: declare(features),
    log: pino({ level: 'silent' }),
  })
const services = await createSweepServices()
const removeAll = (signal?: AbortSignal) => removeExpired(system, services, signal)

/** An id of `days` ago, the n-th of that moment. */
const idOf = (days: number, n = 0) =>
  firstIdAt(Date.now() - days * 86_400_000).slice(0, -4) + n.toString(16).padStart(4, '0')
const person = idOf(500)
await admin.query(`insert into users (id, email) values ($1, 'somebody@example.com')`, [person])

const [team, other] = [idOf(450), idOf(451)]
await admin.query(
  `with teams as (insert into organizations (id, name, slug) values ('${team}', 'Team', 'team'), ('${other}', 'Other', 'other'))
  insert into memberships (organization_id, user_id, role) values ('${team}', '${person}', 'owner'), ('${other}', '${person}', 'owner')`,
)

const days = (count: number) => `now() - interval '${count} days'`
const countOf = async (table: string) =>
  Number((await admin.query<{ count: string }>(`select count(*) from ${table}`)).rows[0]!.count)

// Red when: any number in a feature's retention is changed, or a comparison is reversed.
test('expired rows are deleted, and nothing else', async () => {
  const rows: [table: string, columns: string, kept: string[], gone: string[]][] = [
    [
      'one_time_tokens',
      'purpose, expires_at',
      [`('kept', ${days(6.9)})`, `('kept', ${days(-1)})`],
      [`('gone', ${days(7.1)})`],
    ],
    [
      'sessions',
      'id, user_id, methods, expires_at, revoked_at',
      [
        `('${idOf(85)}', '${person}', '{kept}', ${days(78)}, null)`,
        `('${idOf(150)}', '${person}', '{kept}', ${days(89)}, null)`,
        `('${idOf(151)}', '${person}', '{kept}', ${days(-1)}, ${days(89)})`,
        `('${idOf(1)}', '${person}', '{kept}', ${days(-7)}, null)`,
      ],
      [
        `('${idOf(100)}', '${person}', '{gone}', ${days(91)}, null)`,
        `('${idOf(152)}', '${person}', '{gone}', ${days(60)}, ${days(91)})`,
      ],
    ],
    [
      'idempotency_keys',
      'user_id, route, key, request_hash, result, created_at',
      [`('${person}', 'POST /a', 'kept', '', '{}', ${days(0.9)})`],
      [`('${person}', 'POST /a', 'gone', '', '{}', ${days(1.1)})`],
    ],
    [
      'throttles',
      'key, updated_at, locked_until',
      [`('kept a', ${days(1.9)}, null)`, `('kept b', ${days(3)}, ${days(-1)})`],
      [`('gone a', ${days(2.1)}, null)`, `('gone b', ${days(3)}, ${days(1)})`],
    ],
    [
      'devices',
      'id, user_id, user_agent, last_seen_at',
      [`('${idOf(300)}', '${person}', 'kept', ${days(300)})`, `('${idOf(400)}', '${person}', 'kept', ${days(364)})`],
      [`('${idOf(401)}', '${person}', 'gone', ${days(367)})`],
    ],
    [
      'invitations',
      'organization_id, email, role, invited_by, expires_at, accepted_at, revoked_at',
      [
        `('${team}', 'kept-1@example.com', 'viewer', '${person}', ${days(29)}, null, null)`,
        `('${team}', 'kept-2@example.com', 'viewer', '${person}', ${days(-7)}, null, ${days(29)})`,
        `('${team}', 'kept-3@example.com', 'viewer', '${person}', ${days(40)}, ${days(29)}, null)`,
        `('${other}', 'kept-4@example.com', 'viewer', '${person}', ${days(-7)}, null, null)`,
      ],
      [
        `('${team}', 'gone-1@example.com', 'viewer', '${person}', ${days(31)}, null, null)`,
        `('${other}', 'gone-2@example.com', 'viewer', '${person}', ${days(20)}, ${days(31)}, null)`,
        `('${other}', 'gone-3@example.com', 'viewer', '${person}', ${days(-1)}, null, ${days(31)})`,
      ],
    ],
    [
      'security_events',
      'id, type, created_at',
      [`('${idOf(399)}', 'kept', ${days(399)})`],
      [`('${idOf(401)}', 'gone', ${days(401)})`],
    ],
  ]
  await admin.query('delete from security_events')
  await admin.query('alter table sessions disable trigger event_insert')
  await admin.query('alter table invitations disable trigger with_mail')
  for (const [table, columns, kept, gone] of rows)
    await admin.query(`insert into ${table} (${columns}) values ${[...kept, ...gone].join(', ')}`)

  const removed = await removeAll()
  // Tested beside their features.
  const elsewhere = { license_activations: 0, organization_daily_stats: 0 }
  assert.deepEqual(removed, {
    ...elsewhere,
    ...Object.fromEntries(rows.map(([table, , , gone]) => [table, gone.length])),
  })
  for (const [table, , kept] of rows) {
    assert.equal(await countOf(table), kept.length, table)
    const { rows: left } = await admin.query<{ line: string }>(`select t::text as line from ${table} t`)
    assert.ok(
      left.every(({ line }) => line.includes('kept') && !line.includes('gone')),
      table,
    )
  }
  assert.deepEqual(await removeAll(), { ...elsewhere, ...Object.fromEntries(rows.map(([table]) => [table, 0])) })
})

// Red when: the loop ends after the first batch; or `skip locked` is omitted (it waits, and the test times out).
test('many rows are deleted in batches, and locked rows are left for the next run', { timeout: 300_000 }, async t => {
  await admin.query(
    `insert into one_time_tokens (purpose, expires_at) select 'many', ${days(8)} from generate_series(1, 2500)`,
  )
  const holder = await admin.connect()
  t.after(() => holder.release(true))
  await holder.query('begin')
  await holder.query(`select from one_time_tokens where purpose = 'many' order by expires_at, id limit 2 for update`)
  assert.equal((await removeAll())['one_time_tokens'], 2498)
  await holder.query('rollback')
  assert.equal((await removeAll())['one_time_tokens'], 2)
})

// Red when: an index that the retention of a table needs is missing.
test('every sweep finds its rows by an index', async () => {
  const client = await admin.connect()
  try {
    await client.query('set enable_seqscan = off')
    for (const [table, condition] of [
      ['one_time_tokens', 'expires_at < now()'],
      ['sessions', `id < '${idOf(90)}'`],
      ['idempotency_keys', 'created_at < now()'],
      ['throttles', 'updated_at < now()'],
      ['invitations', 'coalesce(accepted_at, revoked_at, expires_at) < now()'],
      ['devices', `id < '${idOf(90)}'`],
      ['security_events', `id < '${idOf(90)}'`],
    ] as const) {
      const { rows } = await client.query(`explain select ctid from ${table} where ${condition} limit 1000`)
      assert.match(JSON.stringify(rows), /Index|Bitmap/, table)
      assert.doesNotMatch(JSON.stringify(rows), /Seq Scan/, table)
    }
  } finally {
    await client.query('reset enable_seqscan')
    client.release()
  }
})

test('a sweep that is stopped leaves the rest to the next', async () => {
  await admin.query(`insert into one_time_tokens (purpose, expires_at) values ('gone', ${days(8)})`)
  const removed = await removeAll(AbortSignal.abort())
  assert.ok(Object.values(removed).every(rows => rows === 0))
  assert.equal((await removeAll())['one_time_tokens'], 1)
})

// Red when: sweep() releases no names, or ignores the setting.
test('names of erased accounts are released only if the setting allows their reuse', async () => {
  await admin.query(`insert into retired_names (digest) values ('\\x00')`)
  const { signal } = new AbortController()
  await sweep(system, services, signal)
  assert.equal(await countOf('retired_names'), 1)
  await sweep(system, await createSweepServices({ REUSE_DELETED_NAMES: 'true' }), signal)
  assert.equal(await countOf('retired_names'), 0)
})
