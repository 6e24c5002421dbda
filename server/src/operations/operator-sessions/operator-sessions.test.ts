import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { test } from 'node:test'
import { meet } from '../../../test/meeting.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'
import { noteSessionsOver } from '../../directory/sessions/sessions.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { listAllSessions } from './operator-sessions.ts'

const app = await createTestApp()
const { admin, call, signUp, logIn, database } = app

/** A superuser of this file, whose sessions the tests do not touch. */
const operator = await signUp()
await admin.query('update users set superuser = true where id = $1', [operator.user_id])
const list = async (query: string) => (await operator.call('GET', `/api/v1/admin/sessions?limit=100&${query}`)).body
const idsOf = (body: { items: { id: string }[] }) => body.items.map(({ id }) => id)

const acme = await signUp('Acme of sessions')
await call(
  'POST',
  '/api/v1/auth/login',
  { email: acme.email, password: acme.password, organization_id: acme.organization_id },
  { 'user-agent': 'Freehold-test/1 (Laptop; 100% Linux)' },
)
const { rows } = await admin.query<{ id: string; user_agent: string }>(
  'select id, user_agent from sessions where user_id = $1 order by id',
  [acme.user_id],
)
const [first, second] = rows.map(({ id }) => id) as [string, string]

test('an operator lists sessions with the user and the organization of each', async () => {
  const { items, total } = await list(`user_id=${acme.user_id}&include_total=true`)
  assert.equal(total, 2)
  assert.deepEqual(
    items.map(({ id }: { id: string }) => id),
    [second, first],
    'the newest first',
  )
  const { rows: names } = await admin.query('select name, slug from organizations where id = $1', [
    acme.organization_id,
  ])
  assert.deepEqual(
    [items[0].user, items[0].organization, items[0].active, items[0].methods],
    [
      { id: acme.user_id, email: acme.email, full_name: null },
      { id: acme.organization_id, ...names[0] },
      true,
      ['password'],
    ],
  )
  assert.deepEqual((await operator.call('GET', `/api/v1/admin/sessions/${second}`)).body, items[0])
})

// Red when: a filter is left out of sessionPages.
test('each filter of the sessions narrows the list', async () => {
  const of = `user_id=${acme.user_id}`
  await admin.query(`update sessions set ip = '2001:db8::7', last_seen_at = now() - interval '3 days' where id = $1`, [
    first,
  ])
  for (const [query, wanted] of [
    [`organization_id=${acme.organization_id}`, [second, first]],
    [`${of}&ip=2001:DB8::7`, [first]],
    ['ip=2001:db8::7', [first]],
    ['ip=2001:db8:0:0::0007', [first]],
    [`${of}&device=laptop`, [second]],
    [`${of}&device=linux%20FREEHOLD`, [second]],
    [`${of}&device=100%25`, [second]],
    [`${of}&device=1_0`, []],
    [`${of}&device=phone`, []],
    [`${of}&sort=created_at`, [first, second]],
    [`${of}&sort=last_seen_at`, [first, second]],
    [`${of}&sort=-last_seen_at`, [second, first]],
    [`${of}&sort=last_seen_at&to=${new Date(Date.now() - 86_400_000).toISOString()}`, [first]],
    [`${of}&sort=last_seen_at&from=${new Date(Date.now() - 86_400_000).toISOString()}`, [second]],
    [`${of}&from=2020-01-01T00:00:00Z&to=2130-01-01T00:00:00Z`, [second, first]],
    [`${of}&to=2020-01-01T00:00:00Z`, []],
    [`${of}&active=true`, [second, first]],
    [`${of}&active=false`, []],
  ] as const)
    assert.deepEqual(idsOf(await list(query)), wanted, query)
})

test('pages of sessions follow each other in both orders', async () => {
  for (const sort of ['created_at', '-created_at', 'last_seen_at', '-last_seen_at']) {
    const path = `/api/v1/admin/sessions?user_id=${acme.user_id}&sort=${sort}&limit=1`
    const { body: one } = await operator.call('GET', path)
    const { body: two } = await operator.call('GET', `${path}&cursor=${one.next_cursor}`)
    assert.deepEqual([...idsOf(one), ...idsOf(two)].toSorted(), [first, second], sort)
    assert.equal(two.next_cursor, null)
  }
})

test('bad filters of sessions are refused at their place', async () => {
  for (const [query, pointer] of [
    [`user_id=${randomUUIDv7()}`, '?user_id'],
    [`organization_id=${randomUUIDv7()}`, '?organization_id'],
    ['user_id=x', '?user_id'],
    ['from=2026-06-30T23:59:60Z', '?from'],
    ['from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', '?to'],
    ['device=%20', '?device'],
    ['device=a%20b%20c%20d%20e%20f%20g%20h%20i', '?device'],
    ['sort=email', '?sort'],
    ['ip=203.0.113.999', '?ip'],
    ['ip=laptop', '?ip'],
  ] as const) {
    const { status, body } = await operator.call('GET', `/api/v1/admin/sessions?${query}`)
    assert.deepEqual([status, body.code, body.errors?.[0].pointer], [422, 'invalid-fields', pointer], query)
  }
  assert.deepEqual((await list(`user_id=${acme.user_id}&ip=192.0.2.1`)).items, [], 'known, but without a session')
})

// Red when: revoking() leaves out the update, or revokeSessions lets the operator's own session through.
test('an operator revokes one session, at once, but not the one of the request', async () => {
  const person = await signUp()
  const other = await logIn(person)
  const [session] = idsOf(await list(`user_id=${person.user_id}`))
  assert.equal((await other.call('GET', '/api/v1/auth/me')).status, 200)
  assert.equal((await operator.call('DELETE', `/api/v1/admin/sessions/${session}`)).status, 204)
  assert.equal((await other.call('GET', '/api/v1/auth/me')).body.code, 'session-ended')
  assert.equal((await person.call('GET', '/api/v1/auth/me')).status, 200)
  assert.equal((await operator.call('DELETE', `/api/v1/admin/sessions/${session}`)).status, 204, 'over already')
  assert.equal((await operator.call('DELETE', `/api/v1/admin/sessions/${randomUUIDv7()}`)).status, 404)
  const { body: shown } = await operator.call('GET', `/api/v1/admin/sessions/${session}`)
  assert.deepEqual([shown.active, shown.revoked_reason], [false, 'operator'])
  assert.deepEqual(idsOf(await list(`user_id=${person.user_id}&active=false`)), [session])

  const [own] = idsOf(await list(`user_id=${operator.user_id}`))
  const refused = await operator.call('DELETE', `/api/v1/admin/sessions/${own}`)
  assert.deepEqual([refused.status, refused.body.code], [409, 'own-session'])
  assert.equal((await operator.call('GET', '/api/v1/auth/me')).status, 200)
})

test('an operator revokes many sessions, each with a result', async () => {
  const person = await signUp()
  await logIn(person)
  const [one, two] = idsOf(await list(`user_id=${person.user_id}`)) as [string, string]
  const [own] = idsOf(await list(`user_id=${operator.user_id}`)) as [string]
  const unknown = randomUUIDv7()
  const send = (body: object, headers?: Record<string, string>) =>
    operator.call('POST', '/api/v1/admin/sessions/revoke', body, headers)

  const whole = await send({ session_ids: [one, unknown], all_or_nothing: true })
  assert.deepEqual([whole.status, whole.body.code], [409, 'bulk-refused'])
  assert.deepEqual(
    whole.body.results.map(({ status }: { status: string }) => status),
    ['skipped', 'not-found'],
  )
  assert.equal((await person.call('GET', '/api/v1/auth/me')).status, 200, 'nothing was changed')

  const ids = [one, unknown, own, one.toUpperCase(), two]
  const key = { 'idempotency-key': 'many-sessions' }
  const { status, body } = await send({ session_ids: ids }, key)
  assert.equal(status, 200)
  assert.deepEqual(
    body.results.map((result: { id: string; status: string; problem?: { code: string } }) => [
      result.id,
      result.status,
      result.problem?.code,
    ]),
    [
      [one, 'done', undefined],
      [unknown, 'not-found', undefined],
      [own, 'refused', 'own-session'],
      [two, 'done', undefined],
    ],
  )
  assert.equal((await person.call('GET', '/api/v1/auth/me')).status, 401)
  assert.deepEqual((await send({ session_ids: ids }, key)).body, body, 'a repetition gets the same answer')
  assert.deepEqual(
    (await send({ session_ids: [one] })).body.results.map(({ status: done }: { status: string }) => done),
    ['unchanged'],
  )
})

test('all sessions of an account, and those in an organization, are revoked', async () => {
  const globex = await signUp('Globex of sessions')
  const member = await app.addMember(globex, 'member')
  const elsewhere = await logIn(globex, globex.organization_id)
  const path = `/api/v1/admin/users/${globex.user_id}/sessions`
  const { body } = await operator.call('DELETE', path)
  assert.deepEqual(body, { revoked: 2, has_more: false })
  assert.equal((await elsewhere.call('GET', '/api/v1/auth/me')).status, 401)
  assert.deepEqual((await operator.call('DELETE', path)).body, { revoked: 0, has_more: false })
  assert.equal((await operator.call('DELETE', `/api/v1/admin/users/${randomUUIDv7()}/sessions`)).status, 404)
  const own = await operator.call('DELETE', `/api/v1/admin/users/${operator.user_id}/sessions`)
  assert.deepEqual([own.status, own.body.code], [409, 'own-account'])

  const again = await logIn(member, member.organization_id)
  const organization = `/api/v1/admin/organizations/${globex.organization_id}/sessions`
  assert.equal((await again.call('GET', '/api/v1/projects')).status, 200)
  assert.equal((await operator.call('DELETE', organization)).body.revoked, 2)
  assert.equal((await again.call('GET', '/api/v1/projects')).status, 401)
  assert.equal((await operator.call('DELETE', `/api/v1/admin/organizations/${randomUUIDv7()}/sessions`)).status, 404)
  const { rows: entries } = await admin.query(
    `select operation, entity_type, entity_id, organization_id from operator_log where organization_id = $1`,
    [globex.organization_id],
  )
  assert.deepEqual(entries, [
    {
      operation: 'revokeSessionsOfOrganization',
      entity_type: 'organizations',
      entity_id: globex.organization_id,
      organization_id: globex.organization_id,
    },
  ])
})

// Red when: the filter is `user_agent ilike all (…)` without coalesce(): one row is expected.
test('sessions of a device are read in the order of the list, and not searched for', async () => {
  const { user_id } = await signUp()
  await admin.query(
    `insert into sessions (user_id, user_agent, expires_at) select $1, 'Firefox', now() + interval '1 day' from generate_series(1, 1000)`,
    [user_id],
  )
  await admin.query('analyze sessions')
  const page = { limit: 20, after: undefined, includeTotal: false, seal: () => '' }
  const { sql, parameters } = listAllSessions({ device: 'Firefox', sort: '-created_at' }, page)
  const { rows } = await database.system.pool.query<{ 'QUERY PLAN': string }>(`explain ${sql}`, [...parameters])
  const plan = rows.map(row => row['QUERY PLAN']).join('\n')
  assert.match(plan, /Index Scan Backward using sessions_pkey/)
  assert.doesNotMatch(plan, /Sort|Seq Scan on sessions/)
})

// Red when: listAllSessions() does not ask for over_noted, noteBatchOver() has another condition than the list or forgets the last
// id, or the index of those that are not over is missing.
test('active sessions are found among those that are not over yet, in every order', async () => {
  const { user_id } = await signUp()
  const insert = (count: number, columns: string) =>
    admin.query(
      `insert into sessions (user_id, user_agent, last_seen_at, expires_at, revoked_at) select $1, 'Opera', now() - n * interval '1 minute', ${columns} from generate_series(1, ${count}) n`,
      [user_id],
    )
  await insert(1500, `now() - interval '1 second', null`)
  await insert(600, `now() + interval '1 day', now()`)
  await insert(3, `now() + interval '1 day', null`)
  const sorts = ['created_at', '-created_at', 'last_seen_at', '-last_seen_at'] as const
  const found = () => Promise.all(sorts.map(async sort => idsOf(await list(`device=Opera&active=true&sort=${sort}`))))
  const before = await found()
  assert.equal(before[0]?.length, 3)
  const system = systemFor(database, 'test')
  assert.equal(await noteSessionsOver(system, AbortSignal.abort()), 0)
  assert.ok((await noteSessionsOver(system)) >= 2100)
  assert.equal(await noteSessionsOver(system), 0)
  assert.deepEqual(await found(), before)
  const { rows } = await admin.query(
    `select over_noted, count(*)::int, bool_and(revoked_at is not null or expires_at <= now()) as is_over from sessions where user_id = $1 group by 1 order by 1`,
    [user_id],
  )
  assert.deepEqual(rows, [
    { over_noted: false, count: 4, is_over: false },
    { over_noted: true, count: 2100, is_over: true },
  ])

  await admin.query('analyze sessions')
  const page = { limit: 20, after: undefined, includeTotal: false, seal: () => '' }
  for (const sort of sorts) {
    const { sql, parameters } = listAllSessions({ active: true, sort }, page)
    const { rows: lines } = await database.system.pool.query<{ 'QUERY PLAN': string }>(`explain ${sql}`, [
      ...parameters,
    ])
    const plan = lines.map(row => row['QUERY PLAN']).join('\n')
    assert.match(plan, /using sessions_not_over/, sort)
    assert.doesNotMatch(plan, /Sort|Seq Scan on sessions/, sort)
  }
})

// Red when: a column that a revocation writes is indexed, or part of the condition of an index.
test('a revocation rewrites its row in place', async () => {
  const { user_id } = await signUp()
  const client = await admin.connect()
  try {
    await client.query('begin')
    await client.query(`update sessions set revoked_at = now(), revoked_reason = 'test' where user_id = $1`, [user_id])
    const { rows } = await client.query(
      `select n_tup_upd::int as updated, n_tup_hot_upd::int as in_place from pg_stat_xact_user_tables where relid = 'sessions'::regclass`,
    )
    assert.deepEqual(rows, [{ updated: 1, in_place: 1 }])
  } finally {
    await client.query('rollback')
    client.release()
  }
})

// Red when: maxItems is left out of idsOf.
test('1,000 sessions are revoked in one request, 1,001 are refused', async () => {
  const person = await signUp()
  const { rows: made } = await admin.query<{ id: string }>(
    `insert into sessions (user_id, expires_at) select $1, now() + interval '1 day' from generate_series(1, 1000) returning id`,
    [person.user_id],
  )
  const session_ids = made.map(({ id }) => id)
  const refused = await operator.call('POST', '/api/v1/admin/sessions/revoke', {
    session_ids: [...session_ids, randomUUIDv7()],
  })
  assert.deepEqual([refused.status, refused.body.errors[0].pointer], [422, '/session_ids'])
  const { status, body } = await operator.call('POST', '/api/v1/admin/sessions/revoke', { session_ids })
  assert.equal(status, 200)
  assert.ok(body.results.every(({ status: done }: { status: string }) => done === 'done'))
})

// Red when: the sessions are not locked by their ids, or hold_users() takes the keys out of order.
test("operators who revoke each other's and the same sessions at once do not deadlock", async () => {
  const { rows } = await admin.query<{ user_id: string; ids: string[] }>(
    `with made as (insert into users (email) select $1 || n || '@example.com' from generate_series(1, 100) as n returning id),
      opened as (insert into sessions (user_id, expires_at) select id, now() + interval '1 day' from made, generate_series(1, 3) returning id, user_id)
    select user_id, array_agg(id) as ids from opened group by user_id order by user_id`,
    [`racing-${randomUUIDv7()}`],
  )
  const held = rows.filter((_row, index) => index % 10 === 5)
  const one = rows.map(({ ids }) => ids[0]!)
  const others = await Promise.all([1, 2].map(() => signUp()))
  for (const { user_id } of others) await admin.query('update users set superuser = true where id = $1', [user_id])
  const send = (by: Person, session_ids: readonly string[]) =>
    by.call('POST', '/api/v1/admin/sessions/revoke', { session_ids })
  const some = [
    'select from sessions where id = any ($1) order by id for update',
    held.map(({ ids }) => ids[0]),
  ] as const
  const same = await meet(admin, some, 2, () =>
    Promise.all([send(others[0]!, one), send(others[1]!, one.toReversed())]),
  )
  assert.deepEqual(
    same.map(({ status }) => status),
    [200, 200],
  )
  // Different sessions of the same users, and those of each other.
  const { sid } = app.tokens.verify(others[0]!.access_token)
  const { sid: other_sid } = app.tokens.verify(others[1]!.access_token)
  const keys = `select pg_advisory_xact_lock(lock_key('revocation', id)) from unnest($1::text[]) as id`
  const each = await meet(admin, [keys, held.map(({ user_id }) => user_id)], 2, () =>
    Promise.all([
      send(others[0]!, [other_sid, ...rows.map(({ ids }) => ids[1]!)]),
      send(others[1]!, [sid, ...rows.map(({ ids }) => ids[2]!)]),
    ]),
  )
  assert.deepEqual(each.map(({ body }) => body.code ?? 'done').toSorted(), ['done', 'session-ended'])
  for (const { user_id } of others) await admin.query('update users set superuser = false where id = $1', [user_id])
})
