import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { firstIdAt } from '../../platform/database/ids.ts'
import { execute, tables } from '../../platform/database/statement.ts'
import { computeStats } from './computing.ts'
import { readDays } from './series.ts'

// The past is inserted by hand; today is what the requests of this file do.

const { admin, database, call, signUp, logIn, addMember } = await createTestApp()
const system = systemFor(database, 'stats')
const operator = await signUp()
await admin.query('update users set superuser = true where id = $1', [operator.user_id])

const DAY_MS = 86_400_000
const TODAY = Math.floor(Date.now() / DAY_MS) * DAY_MS
const dayOf = (ago: number) => new Date(TODAY - ago * DAY_MS).toISOString().slice(0, 10)
let serial = 0
/** An id of that day, `hours` after it began. */
const idOf = (ago: number, hours = 12) =>
  firstIdAt(TODAY - ago * DAY_MS + hours * 3_600_000).slice(0, -4) + (serial++).toString(16).padStart(4, '0')
const addEvent = (id: string, type: string, user_id: string | null, details: object = {}) =>
  admin.query(
    `insert into security_events (id, type, user_id, details, created_at)
      values ($1, $2, $3, $4, $5)`,
    [id, type, user_id, details, new Date(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16))],
  )
const addEntry = (id: string, organization_id: string, actor_id: string, action: string, entity: string, after = {}) =>
  admin.query(
    'insert into audit_log (id, organization_id, actor_id, action, entity_type, after) values ($1, $2, $3, $4, $5, $6)',
    [id, organization_id, actor_id, action, entity, after],
  )
const readDay = async (ago: number) => {
  const { rows } = await admin.query(
    `select sign_ups, sign_ins, failures, lockouts, active_users, active_organizations from daily_stats where day = $1::date`,
    [dayOf(ago)],
  )
  return rows[0] && Object.values(rows[0])
}
const readOrganization = async (ago: number, organization_id: string) => {
  const { rows } = await admin.query(
    `select sign_ins, active_members, invitations_sent, invitations_accepted, changes from organization_daily_stats
      where day = $1::date and organization_id = $2`,
    [dayOf(ago), organization_id],
  )
  return rows[0] && Object.values(rows[0])
}
const errorOf = ({ status, body }: { status: number; body: { errors?: { pointer: string }[] } }) => [
  status,
  body.errors?.[0]?.pointer,
]

// Red when: a type of event is left out of a metric; the range of ids is wrong by an end; the join with memberships is left
// out (the operator counts); a union is a `union all` (who signed in and changed something counts twice).
test('the sums of a day count what happened on it, also for each organization', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  const here = owner.organization_id
  await addEvent(idOf(9, 0), 'account-created', owner.user_id)
  await addEvent(idOf(9, 23.99), 'account-created', member.user_id)
  await addEvent(idOf(8, 0), 'account-created', member.user_id)
  await addEvent(idOf(9), 'session-created', owner.user_id, { methods: ['password'], organization_id: here })
  await addEvent(idOf(9), 'session-created', owner.user_id, { methods: ['password'] })
  for (const type of ['login-failed', 'mfa-failed', 'passkey-refused', 'sign-in-locked', 'second-factor-locked'])
    await addEvent(idOf(9), type, null)
  await addEvent(idOf(9), 'session-revoked', owner.user_id)
  await addEntry(idOf(9), here, owner.user_id, 'insert', 'projects')
  await addEntry(idOf(9), here, member.user_id, 'insert', 'invitations')
  await addEntry(idOf(9), here, member.user_id, 'update', 'invitations', { accepted_at: '2026-01-01T00:00:00Z' })
  await addEntry(idOf(9), here, member.user_id, 'update', 'invitations', { role: 'viewer' })
  await addEntry(idOf(9), here, operator.user_id, 'operate', 'organizations')
  const quiet = await signUp('Quiet')
  await addEntry(idOf(9), quiet.organization_id, operator.user_id, 'operate', 'organizations')

  const days = await computeStats(system)
  assert.deepEqual(days, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map(dayOf))
  // The owner, the member and the operator are active users; the operator is no member.
  assert.deepEqual(await readDay(9), [2, 2, 3, 2, 3, 1])
  assert.deepEqual(await readOrganization(9, here), [1, 2, 1, 1, 5])
  assert.deepEqual(await readOrganization(9, quiet.organization_id), [0, 0, 0, 0, 1])
  assert.deepEqual(await readDay(8), [1, 0, 0, 0, 0, 0])
  assert.deepEqual(await readDay(7), [0, 0, 0, 0, 0, 0])
  assert.equal(await readOrganization(8, here), undefined, 'nothing is stored for a day without anything')
  const [sign_ups, sign_ins] = (await readDay(0)) as number[]
  assert.ok(sign_ups! >= 4 && sign_ins! >= 4)
})

// Red when: a settled day is computed again (its events may be deleted by then), or one that was computed too early is not.
test('a day is final once it has settled, and days of absence are made up for', async () => {
  await computeStats(system)
  assert.deepEqual(await computeStats(system), [dayOf(0)])
  const late = await signUp()
  await addEvent(idOf(6), 'session-created', late.user_id)
  await computeStats(system)
  assert.deepEqual(await readDay(6), [0, 0, 0, 0, 0, 0], 'it was final')
  // Computed on the day itself, a moment after it, and when it had settled.
  for (const [minutes, isAgain] of [
    [-60, true],
    [59, true],
    [61, false],
  ] as const) {
    const computed = new Date(TODAY - 5 * DAY_MS + minutes * 60_000)
    await admin.query('update daily_stats set computed_at = $1 where day = $2::date', [computed, dayOf(6)])
    assert.equal((await computeStats(system)).includes(dayOf(6)), isAgain, `${minutes}`)
  }
  assert.deepEqual(await readDay(6), [0, 1, 0, 0, 1, 0])
  // Absent for four days; then stopped after the first day that was missing.
  await admin.query('delete from daily_stats where day >= $1::date', [dayOf(4)])
  await admin.query('delete from organization_daily_stats where day >= $1::date', [dayOf(4)])
  assert.deepEqual(await computeStats(system, AbortSignal.abort()), [])
  assert.deepEqual(await computeStats(system), [4, 3, 2, 1, 0].map(dayOf))
  const after = await computeStats(system, undefined, TODAY + 2 * DAY_MS)
  assert.deepEqual(after, [0, -1, -2].map(dayOf), 'yesterday and today, and the day between')
})

// Red when: holdDay() is left out (the second one fails on a row that it did not see), or a repeated run counts twice.
test('two processes at once come to the same sums, and a repetition changes none', async () => {
  const owner = await signUp('Acme')
  for (let index = 0; index < 20; index++)
    await addEntry(idOf(3), owner.organization_id, owner.user_id, 'insert', 'projects')
  const all = async () =>
    (await admin.query('select * from organization_daily_stats order by organization_id, day')).rows
  const forget = () => admin.query('delete from daily_stats where day = $1::date', [dayOf(3)])
  await forget()
  await Promise.all([computeStats(system), computeStats(system), computeStats(system)])
  assert.deepEqual(await readOrganization(3, owner.organization_id), [0, 1, 0, 0, 20])
  const once = await all()
  await forget()
  await computeStats(system)
  assert.deepEqual(await all(), once)
})

test('operators get the series of the service, with zeros for days without anything', async () => {
  await computeStats(system)
  const { status, body } = await operator.call('GET', `/api/v1/admin/stats?from=${dayOf(10)}&to=${dayOf(7)}`)
  assert.equal(status, 200)
  assert.deepEqual(body.days, [10, 9, 8, 7].map(dayOf))
  assert.deepEqual(
    body.series.map(({ metric }: { metric: string }) => metric),
    ['sign_ups', 'sign_ins', 'failures', 'lockouts', 'active_users', 'active_organizations'],
  )
  assert.deepEqual(body.series[0].values, [0, 2, 1, 0])
  const some = await operator.call('GET', '/api/v1/admin/stats?metrics=lockouts,sign_ups')
  assert.deepEqual(
    some.body.series.map(({ metric }: { metric: string }) => metric),
    ['sign_ups', 'lockouts'],
  )
  assert.equal(some.body.days.length, 30)
  assert.equal(some.body.days.at(-1), dayOf(0))
  const owner = await signUp('Acme')
  assert.equal((await owner.call('GET', '/api/v1/admin/stats')).body.code, 'permission-missing')
})

// Red when: the policy of organization_daily_stats forgets the organization or the permission; the session's organization is
// not in the details of its event.
test('administrators get the series of their own organization and of no other', async () => {
  const owner = await signUp('Acme')
  const administrator = await addMember(owner, 'admin')
  const member = await addMember(owner, 'member')
  const other = await signUp('Globex')
  await logIn(owner, owner.organization_id)
  await owner.call('POST', '/api/v1/projects', { name: 'Boat' })
  await computeStats(system)
  const path = (person = owner) => `/api/v1/organizations/${person.organization_id}/stats?from=${dayOf(0)}`
  const { status, body } = await administrator.call('GET', path())
  assert.equal(status, 200)
  const values = Object.fromEntries(
    body.series.map(({ metric, values: [value] }: { metric: string; values: number[] }) => [metric, value]),
  )
  assert.deepEqual([body.days, values.sign_ins >= 3, values.active_members], [[dayOf(0)], true, 3])
  assert.ok(values.changes >= 3)
  assert.equal((await member.call('GET', path())).body.code, 'permission-missing')
  assert.equal((await other.call('GET', path())).status, 404)
  assert.equal((await other.call('GET', path(other))).body.series[0].values.length, 1)
  // Raw SQL of a member reads them only under the permission, and writes none.
  const session = (await other.call('GET', '/api/v1/auth/me')).body.session.id
  const client = await database.tenant.pool.connect()
  try {
    for (const [permission, count] of [
      ['stats:read', 1],
      ['projects:read', 0],
    ] as const) {
      await client.query('begin')
      await client.query(
        `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', $3, true)`,
        [session, other.organization_id, permission],
      )
      const { rows } = await client.query('select organization_id from organization_daily_stats')
      assert.deepEqual(rows, count === 0 ? [] : [{ organization_id: other.organization_id }])
      await client.query('rollback')
    }
    await assert.rejects(client.query('update organization_daily_stats set changes = 0'), { code: '42501' })
    await assert.rejects(client.query('select from daily_stats'), { code: '42501' })
  } finally {
    client.release()
  }
})

// Red when: the trigger `stats` of organizations is missing.
test('the sums of an organization go with its row', async () => {
  const { organization_id } = await signUp()
  await computeStats(system)
  const count = async () =>
    (await admin.query('select from organization_daily_stats where organization_id = $1', [organization_id])).rowCount
  assert.equal(await count(), 1)
  const organizations = tables('system', 'organizations')
  // As the erasure of the account does.
  await system
    .with({ organization_id })
    .run(execute(organizations.deleteFrom('organizations').where('id', '=', organization_id)))
  assert.equal(await count(), 0)
})

// Red when: a limit of readDays() is off by one, or a bad value reaches PostgreSQL.
test('each bad range and metric is a problem that names it', async () => {
  const ask = async (query: string) => errorOf(await operator.call('GET', `/api/v1/admin/stats?${query}`))
  assert.deepEqual(await ask('from=2025-01-01&to=2026-01-01'), [200, undefined], '366 days')
  assert.deepEqual(await ask('from=2025-01-01&to=2026-01-02'), [422, '?from'])
  assert.deepEqual(await ask('from=2016-01-01&to=2026-01-01'), [422, '?from'])
  assert.deepEqual(await ask('from=2026-01-02&to=2026-01-01'), [422, '?to'])
  assert.deepEqual(await ask('from=2999-01-01'), [422, '?from'])
  assert.deepEqual(await ask('to=2026-02-30'), [422, '?to'])
  assert.deepEqual(await ask('to=0000-01-01'), [422, '?to'])
  assert.deepEqual(await ask('from=1969-12-31&to=1970-01-01'), [422, '?from'])
  assert.deepEqual(await ask('to=1970-01-01'), [200, undefined])
  assert.deepEqual(await ask('from=9999-12-31&to=9999-12-31'), [200, undefined])
  assert.deepEqual(await ask('metrics=sign_ups,signs'), [422, '?metrics'])
  assert.deepEqual(await ask('metrics='), [422, '?metrics'])
  assert.deepEqual(await ask(`metrics=${randomUUID()}`), [422, '?metrics'])
  const late = readDays({}, Date.parse('2026-03-01T23:59:59.999Z'))
  assert.deepEqual([late.first, late.last], ['2026-01-31', '2026-03-01'])
  assert.equal((await call('GET', '/api/v1/admin/stats')).status, 401)
})
