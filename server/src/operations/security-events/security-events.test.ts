import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { admin, call, signUp, logIn, database, services } = await createTestApp()
const operator = await signUp()
await admin.query('update users set superuser = true where id = $1', [operator.user_id])
const person = await signUp()
await call('POST', '/api/v1/auth/login', { email: person.email, password: 'Wrong-horse-7' })
await operator.call('PATCH', `/api/v1/admin/users/${person.user_id}`, { disabled: true })
await operator.call('PATCH', `/api/v1/admin/users/${person.user_id}`, { disabled: false })
const returned = await logIn(person)

interface Event {
  id: string
  type: string
}
const list = async (query: string) => {
  const { status, body } = await operator.call('GET', `/api/v1/admin/security-events?limit=100&${query}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body.items as (Event & { user_id: string | null; actor_id: string | null; ip: string | null })[]
}
const typesOf = (events: readonly Event[]) => events.map(({ type }) => type)

// Red when: a filter is left out of eventPages.
test('an operator lists security events, by account, cause, type, address and time', async () => {
  const of = `user_id=${person.user_id}`
  const all = typesOf(await list(of))
  for (const type of ['login-failed', 'account-disabled', 'account-enabled', 'session-revoked', 'session-created'])
    assert.ok(all.includes(type), type)
  assert.deepEqual(typesOf(await list(`${of}&sort=created_at`)), all.toReversed())
  const [disabled] = await list(`${of}&type=account-disabled`)
  assert.deepEqual([disabled!.type, disabled!.actor_id], ['account-disabled', operator.user_id])
  assert.deepEqual(typesOf(await list(`${of}&type=login-failed&actor_id=${operator.user_id}`)), [])
  assert.ok(typesOf(await list(`${of}&actor_id=${operator.user_id}`)).every(type => type !== 'login-failed'))
  assert.equal((await list(`${of}&ip=${disabled!.ip}`)).length > 0, true)
  assert.deepEqual(await list(`${of}&ip=192.0.2.99`), [])
  assert.deepEqual(await list(`${of}&ip=::ffff:${disabled!.ip}`), await list(`${of}&ip=${disabled!.ip}`))
  assert.deepEqual(await list(`${of}&to=2020-01-01T00:00:00Z`), [])
  assert.deepEqual(typesOf(await list(`${of}&from=2020-01-01T00:00:00Z`)), all)
  assert.ok((await list('type=login-failed')).every(({ type }) => type === 'login-failed'))
})

test('an unknown account in a filter is refused at its place, an unknown address is not', async () => {
  for (const name of ['user_id', 'actor_id']) {
    const { status, body } = await operator.call('GET', `/api/v1/admin/security-events?${name}=${randomUUIDv7()}`)
    assert.deepEqual([status, body.errors[0].pointer], [422, `?${name}`])
  }
  assert.deepEqual(await list('type=never-heard-of'), [])
})

// Red when: a type is left out of the guide, or renamed.
test('the guide names every type, because an unknown one finds nothing', async () => {
  const guide = await readFile(new URL('../../../../docs/guides/operators.md', import.meta.url), 'utf8')
  const bySql = ['session-created', 'session-revoked', 'account-created', 'account-changed']
  for (const type of [...services.declared.events.keys(), ...bySql]) assert.match(guide, RegExp(`\`${type}\``))
})

// Red when: own_security_events shows the address of another user, or the events of another account.
test('users see what happened to their own account, but not who or where another one was', async () => {
  const { body } = await returned.call('GET', '/api/v1/users/me/security-events?limit=100&include_total=true')
  assert.equal(body.total, body.items.length)
  const shown = new Map<string, { actor: string; ip: string | null; user_agent: string | null }>(
    body.items.map((event: Event) => [event.type, event]),
  )
  const { actor, ip, user_agent } = shown.get('account-disabled')!
  assert.deepEqual([actor, ip, user_agent], ['other', null, null])
  assert.equal(shown.get('login-failed')!.actor, 'unknown')
  assert.ok(shown.get('login-failed')!.ip)
  assert.ok(!JSON.stringify(body).includes(operator.user_id))
  assert.deepEqual(
    typesOf((await returned.call('GET', '/api/v1/users/me/security-events?type=login-failed')).body.items),
    ['login-failed'],
  )
  const stranger = await signUp()
  const theirs = await stranger.call('GET', '/api/v1/users/me/security-events')
  assert.deepEqual(typesOf(theirs.body.items).toSorted(), ['account-created', 'session-created'])
  const { next_cursor } = (await returned.call('GET', '/api/v1/users/me/security-events?limit=1')).body
  const foreign = await stranger.call('GET', `/api/v1/users/me/security-events?limit=1&cursor=${next_cursor}`)
  assert.equal(foreign.body.code, 'invalid-cursor')
})

// Red when: the tenant login may read the table itself.
test('raw SQL of a user reads no security event but through the view', async () => {
  const client = await database.tenant.pool.connect()
  try {
    await client.query('begin')
    const { rows } = await admin.query('select id from sessions where user_id = $1 and revoked_at is null', [
      returned.user_id,
    ])
    await client.query(`select set_config('app.session_id', $1, true)`, [rows[0].id])
    const { rowCount } = await client.query('select from own_security_events')
    assert.ok(rowCount! > 3)
    await assert.rejects(client.query('select ip from security_events'), /permission denied/)
  } finally {
    await client.query('rollback')
    client.release()
  }
})

// Red when: record_event() takes the user in the context, as a statement can set it, for the one who caused the event.
test('raw SQL of a user records no event in the name of another one', async () => {
  const person = await signUp()
  await logIn(person)
  const { rows } = await admin.query<{ id: string }>('select id from sessions where user_id = $1 order by id', [
    person.user_id,
  ])
  const [first, second] = rows.map(({ id }) => id)
  const client = await database.tenant.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.context', jsonb_build_object('user_id', $2::uuid)::text, true)`,
      [first, operator.user_id],
    )
    await client.query(`update sessions set revoked_at = now(), revoked_reason = 'x' where id = $1`, [second])
    await client.query('commit')
  } finally {
    client.release()
  }
  const { rows: events } = await admin.query(
    `select actor_id from security_events where session_id = $1 and type = 'session-revoked'`,
    [second],
  )
  assert.deepEqual(events, [{ actor_id: person.user_id }])
})
