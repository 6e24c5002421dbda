import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import { revokeOwnSessions } from './sessions.ts'

const { call, signUp, logIn, admin, database, tokens } = await createTestApp()

test('users list and revoke their own sessions, and no others', async () => {
  const [person, stranger] = [await signUp(), await signUp()]
  const laptop = await call(
    'POST',
    '/api/v1/auth/login',
    { email: person.email, password: person.password },
    { 'user-agent': 'laptop' },
  )
  const { body } = await person.call('GET', '/api/v1/users/sessions?include_total=true')
  assert.equal(body.total, 2)
  assert.deepEqual(
    body.items.map((session: { current: boolean }) => session.current),
    [false, true],
  )
  assert.equal(body.items[0].user_agent, 'laptop')

  const path = `/api/v1/users/sessions/${body.items[0].id}`
  assert.equal((await stranger.call('DELETE', path)).status, 404)
  assert.equal((await person.call('DELETE', path)).status, 204)
  assert.equal((await person.call('DELETE', path)).status, 404)
  const headers = { authorization: `Bearer ${laptop.body.access_token}` }
  assert.equal((await call('GET', '/api/v1/auth/me', undefined, headers)).status, 401)
  assert.equal((await person.call('GET', '/api/v1/users/sessions?include_total=true')).body.total, 1)
})

test('a session expires after a week without use, and after ninety days in any case', async () => {
  const person = await signUp()
  await admin.query(`update sessions set created_at = now() - interval '89 days' where user_id = $1`, [person.user_id])
  const refreshed = await call('POST', '/api/v1/auth/refresh', { refresh_token: person.refresh_token })
  assert.equal(refreshed.status, 200)
  const { rows } = await admin.query(
    `select expires_at < now() + interval '1 day 1 minute' as bounded from sessions where user_id = $1`,
    [person.user_id],
  )
  assert.equal(rows[0].bounded, true)
  await admin.query(`update sessions set expires_at = now() - interval '1 second' where user_id = $1`, [person.user_id])
  assert.equal((await person.call('GET', '/api/v1/auth/me')).body.code, 'session-ended')
  assert.equal(
    (await call('POST', '/api/v1/auth/refresh', { refresh_token: refreshed.body.refresh_token })).status,
    401,
  )
})

test('every start and end of a session is a security event', async () => {
  const person = await signUp()
  await (await logIn(person)).call('POST', '/api/v1/auth/logout')
  const { rows } = await admin.query(
    `select type, details from security_events where user_id = $1 and type like 'session%' order by id`,
    [person.user_id],
  )
  assert.deepEqual(
    rows.map(({ type, details }) => [type, details?.reason]),
    [
      ['session-created', undefined],
      ['session-created', undefined],
      ['session-revoked', 'logout'],
    ],
  )
})

// Red when: revokeOwnSessions does not look at what its last statement has revoked.
test('signing out everywhere does not succeed if an operator has just revoked the session and others stay', async () => {
  const person = await signUp()
  const other = await logIn(person)
  const { sid: session_id } = tokens.verify(person.access_token)
  const scope = { session_id, origin: { request_id: 'test', ip: '', user_agent: '' } }
  const signOut = database.tenant.transaction(scope, ({ origin, run, finish }) =>
    revokeOwnSessions(
      {
        origin,
        run,
        finish: async last => {
          await admin.query('update sessions set revoked_at = now() where id = $1', [session_id])
          return finish(last)
        },
      },
      person.user_id,
      'logout-all',
    ),
  )
  await assert.rejects(signOut, { code: 'session-ended' })
  assert.equal((await other.call('GET', '/api/v1/auth/me')).status, 200)
})
