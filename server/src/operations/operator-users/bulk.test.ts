import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { test } from 'node:test'
import { meet, waits } from '../../../test/meeting.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'

const app = await createTestApp()
const { admin, signUp } = app
const operator = await signUp()
await admin.query('update users set superuser = true where id = $1', [operator.user_id])

const send = (body: object, headers?: Record<string, string>, by = operator) =>
  by.call('POST', '/api/v1/admin/users/bulk', body, headers)
const statusesOf = (body: { results: { status: string; problem?: { code: string } }[] }) =>
  body.results.map(({ status, problem }) => problem?.code ?? status)
const tenth = (ids: readonly string[]) => ids.filter((_id, index) => index % 10 === 5)
const stateOf = async (people: readonly Person[]) =>
  (
    await admin.query<{ disabled: boolean }>(
      'select disabled_at is not null as disabled from users where id = any ($1) order by id',
      [people.map(({ user_id }) => user_id)],
    )
  ).rows.map(({ disabled }) => disabled)

// Red when: one of the actions changes nothing, or something else.
test('each action is done to all accounts that it concerns, and says what became of each', async () => {
  const people = [await signUp(), await signUp()]
  const unknown = randomUUIDv7()
  const ids = [...people.map(({ user_id }) => user_id), unknown, operator.user_id]
  const rest = ['not-found', 'own-account']
  const { user_id } = people[0]!
  for (const [action, before, wanted] of [
    ['end-sessions', '', ['done', 'done']],
    ['end-sessions', '', ['unchanged', 'unchanged']],
    ['disable', 'update users set disabled_at = now() where id = $1', ['unchanged', 'done']],
    ['enable', '', ['done', 'done']],
    ['enable', '', ['unchanged', 'unchanged']],
    ['restore', '', ['unchanged', 'unchanged']],
    ['restore', 'update users set deleted_at = now() where id = $1', ['done', 'unchanged']],
    ['unlock', '', ['unchanged', 'unchanged']],
    [
      'unlock',
      `insert into throttles (key, failures, locked_until) select 'account ' || id, 5, now() + interval '1 hour' from users where id = $1`,
      ['done', 'unchanged'],
    ],
    [
      'require-password-change',
      'update users set password_hash = null where id = $1',
      ['account-without-password', 'done'],
    ],
    ['require-password-change', '', ['account-without-password', 'unchanged']],
  ] as const) {
    if (before !== '') await admin.query(before, [user_id])
    const { status, body } = await send({ action, ids })
    assert.equal(status, 200)
    assert.deepEqual(statusesOf(body), [...wanted, ...rest], action)
    assert.deepEqual(
      body.results.map(({ id }: { id: string }) => id),
      ids,
    )
  }
})

test('all or nothing changes nothing if one item is refused, and says which', async () => {
  const people = [await signUp(), await signUp()]
  const ids = people.map(({ user_id }) => user_id)
  const refused = await send({ action: 'disable', ids: [...ids, operator.user_id], all_or_nothing: true })
  assert.deepEqual([refused.status, refused.body.code], [409, 'bulk-refused'])
  assert.deepEqual(statusesOf(refused.body), ['skipped', 'skipped', 'own-account'])
  assert.deepEqual(await stateOf(people), [false, false])
  const done = await send({ action: 'disable', ids, all_or_nothing: true })
  assert.deepEqual(statusesOf(done.body), ['done', 'done'])
  assert.deepEqual(await stateOf(people), [true, true])
})

test('the same id named twice has one result, and a repetition with the key gets the same answer', async () => {
  const { user_id } = await signUp()
  const key = { 'idempotency-key': 'disable-once' }
  const body = { action: 'disable', ids: [user_id, user_id.toUpperCase(), user_id] }
  const first = await send(body, key)
  assert.deepEqual(statusesOf(first.body), ['done'])
  const again = await send(body, key)
  assert.deepEqual(again.body, first.body)
  assert.equal(again.headers['idempotent-replayed'], 'true')
  assert.deepEqual(statusesOf((await send(body)).body), ['unchanged'], 'without the key')
  const { rows } = await admin.query(
    `select details from operator_log where operation = 'actOnUsers' and details -> 'ids' ? $1 order by id`,
    [user_id],
  )
  assert.deepEqual(rows[0].details, { action: 'disable', ids: [user_id] })
})

// Red when: the accounts are not locked in one order.
test('1,000 accounts are disabled at once, 1,001 and none are refused', async () => {
  const prefix = `bulk-${randomUUIDv7()}`
  const { rows } = await admin.query<{ id: string }>(
    `with made as (insert into users (email) select $1 || n || '@example.com' from generate_series(1, 1000) as n returning id),
      opened as (insert into sessions (user_id, expires_at) select id, now() + interval '1 day' from made)
    select id from made`,
    [prefix],
  )
  const ids = rows.map(({ id }) => id)
  for (const given of [[...ids, randomUUIDv7()], []]) {
    const { status, body } = await send({ action: 'disable', ids: given })
    assert.deepEqual([status, body.errors[0].pointer], [422, '/ids'])
  }
  // Two at once, in opposite orders: the second waits for the first and finds nothing to do.
  const second = await signUp()
  await admin.query('update users set superuser = true where id = $1', [second.user_id])
  const answers = await meet(
    admin,
    ['select from users where id = any ($1) order by id for update', tenth(ids)],
    2,
    () =>
      Promise.all([send({ action: 'disable', ids }), send({ action: 'disable', ids: ids.toReversed() }, {}, second)]),
  )
  const counts = answers.map(({ status, body }) => {
    assert.equal(status, 200, JSON.stringify(body).slice(0, 500))
    return statusesOf(body).filter(word => word === 'done').length
  })
  assert.deepEqual(
    counts.toSorted((a, b) => a - b),
    [0, 1000],
  )
  const { rows: live } = await admin.query(
    'select count(*)::int as count from sessions where user_id = any ($1) and revoked_at is null',
    [ids],
  )
  assert.equal(live[0].count, 0)
  await admin.query('update users set superuser = false where id = $1', [second.user_id])
})

// Red only without all of these: the two rules about the last superuser, and the gate at the change, at the entry in the
// operators' log and at the commit.
test('two operators who disable each other in bulk at once leave one', async () => {
  const pair = [await signUp(), await signUp()] as const
  const ids = pair.map(({ user_id }) => user_id)
  const { rows: others } = await admin.query<{ id: string }>(
    `with chosen as (update users set superuser = true where id = any ($1))
    update users set superuser = false where superuser and id <> all ($1) returning id`,
    [ids],
  )
  try {
    const answers = await Promise.all([
      send({ action: 'disable', ids: [ids[1]] }, {}, pair[0]),
      send({ action: 'disable', ids: [ids[0]] }, {}, pair[1]),
    ])
    assert.equal(answers.filter(({ status, body }) => status === 200 && statusesOf(body)[0] === 'done').length, 1)
    assert.deepEqual((await stateOf(pair)).toSorted(), [false, true])
  } finally {
    await admin.query('update users set superuser = id = any ($1) where id = any ($1) or id = any ($2)', [
      others.map(({ id }) => id),
      ids,
    ])
  }
})

// Red when: operator_log has no trigger `still_open`, and log_operation() does not ask `operator`.
test('an operator who loses the role or the session in the middle of a bulk action has changed nothing', async () => {
  for (const [closing, code] of [
    ['update users set superuser = false where id = $1', 'permission-missing'],
    ['update sessions set revoked_at = now() where user_id = $1', 'session-ended'],
  ] as const) {
    const [second, person] = [await signUp(), await signUp()]
    const key = `account ${person.user_id}`
    await admin.query('update users set superuser = true where id = $1', [second.user_id])
    await admin.query(`insert into throttles (key, failures, locked_until) values ($1, 5, now() + interval '1 hour')`, [
      key,
    ])
    const client = await admin.connect()
    try {
      await client.query('begin')
      await client.query('select from throttles where key = $1 for update', [key])
      const answering = send({ action: 'unlock', ids: [person.user_id] }, {}, second)
      assert.ok(await waits(admin, client, answering))
      await admin.query(closing, [second.user_id])
      await client.query('commit')
      assert.equal((await answering).body.code, code)
    } finally {
      client.release()
    }
    const { rows } = await admin.query('select locked_until > now() as is_locked from throttles where key = $1', [key])
    assert.deepEqual(rows, [{ is_locked: true }])
  }
})
