import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'

const { call, signUp, verify, logIn, addMember, admin, app, database } = await createTestApp()

interface Row extends Record<string, unknown> {
  id: string
}
type Export = Record<'user', Row> &
  Record<
    | 'memberships'
    | 'invitations'
    | 'sessions'
    | 'devices'
    | 'identities'
    | 'passkeys'
    | 'links'
    | 'security_events'
    | 'history',
    Row[]
  >

const exportOf = async (person: { call: typeof call }) => {
  const answer = await person.call('GET', '/api/v1/users/me/export')
  assert.equal(answer.status, 200, answer.text)
  return answer.body as Export
}

// Red when: a section that a feature declares reads without `self`, or a column that holds a secret is added.
test('the export contains all data of the user, no secrets, and no data of other users', async () => {
  const owner = await signUp('Marvin Ltd')
  await verify(owner)
  const person = await addMember(owner, 'admin')
  const stranger = await signUp()
  await person.call('PATCH', '/api/v1/users/me', { username: `me${Date.now()}`, full_name: 'Me Myself' })
  await person.call('POST', '/api/v1/projects', { name: 'Mine' })
  await owner.call('POST', '/api/v1/projects', { name: 'Theirs' })
  await owner.call('POST', `/api/v1/organizations/${owner.organization_id}/invitations`, {
    email: stranger.email,
    role: 'viewer',
  })
  await admin.query(
    `insert into passkeys (user_id, credential_id, public_key, name) select id, decode(md5(random()::text), 'hex'), 'public-key', 'My key' from users where id = any ($1)`,
    [[person.user_id, stranger.user_id]],
  )
  await admin.query(
    `insert into identities (user_id, provider, issuer, subject) select id, 'google', 'https://g', id::text from users where id = any ($1)`,
    [[person.user_id, stranger.user_id]],
  )
  // Another user changed the account: the IP address of that user is not exported.
  await admin.query(
    `insert into security_events (type, user_id, actor_id, ip, user_agent) values ('account-changed', $1, $2, '198.51.100.7', 'operator')`,
    [person.user_id, owner.user_id],
  )
  const answer = await person.call('GET', '/api/v1/users/me/export')
  assert.equal(answer.headers['content-disposition'], 'attachment; filename="account.json"')
  const found = answer.body as Export
  assert.deepEqual(
    [found.user.id, found.user['email'], found.user['full_name'], found.user['has_password']],
    [person.user_id, person.email, 'Me Myself', true],
  )
  assert.deepEqual(found.memberships.map(({ name, role }) => [name, role]).toSorted(), [
    ['Marvin Ltd', 'admin'],
    ['Personal', 'owner'],
  ])
  assert.ok(found.sessions.length >= 2 && found.devices.length >= 1 && found.links.length >= 1)
  assert.deepEqual([found.passkeys.length, found.passkeys[0]!['name'], found.identities.length], [1, 'My key', 1])
  assert.ok(found.security_events.some(({ type }) => type === 'account-created'))
  assert.ok(found.history.length >= 2)
  assert.ok(found.history.every(({ actor_id }) => actor_id === person.user_id))
  const secrets = await admin.query<{ password_hash: string }>(`select password_hash from users where id = $1`, [
    person.user_id,
  ])
  for (const word of [
    secrets.rows[0]!.password_hash,
    'public-key',
    person.refresh_token,
    owner.email,
    stranger.user_id,
    stranger.email,
    '198.51.100.7',
    'Theirs',
  ])
    assert.ok(!answer.text.includes(word), word)
  const events = await exportOf(person)
  assert.ok(
    events.security_events.some(({ type }) => type === 'account-exported'),
    'that it was asked for is on record',
  )
})

test('of an organization that the user has left, or whose history is not readable, the export shows only the membership', async () => {
  const owner = await signUp('Secret name')
  const viewer = await addMember(owner, 'member')
  const before = await exportOf(viewer)
  assert.ok(before.memberships.some(({ name }) => name === 'Secret name'))
  assert.ok(before.history.every(({ organization_id }) => organization_id !== owner.organization_id))
  await owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}/members/${viewer.user_id}`)
  const after = await (await logIn(viewer)).call('GET', '/api/v1/users/me/export')
  assert.ok(!after.text.includes('Secret name'))
  const ended = (after.body as Export).memberships.find(
    ({ organization_id }) => organization_id === owner.organization_id,
  )
  assert.ok(ended?.['ended_at'])
})

test('an invitation is shown only to a user with the verified address', async () => {
  const owner = await signUp('Inviting')
  await verify(owner)
  const person = await signUp()
  const invite = { email: person.email, role: 'viewer' }
  await owner.call('POST', `/api/v1/organizations/${owner.organization_id}/invitations`, invite)
  assert.deepEqual((await exportOf(person)).invitations, [])
  await admin.query(`update users set email_verified_at = now() where id = $1`, [person.user_id])
  assert.equal((await exportOf(person)).invitations.length, 1)
})

// Red when: the batches overlap, or stop after the first.
test('a long document is read in batches, and contains each row once', async () => {
  const person = await signUp()
  await admin.query(`insert into security_events (type, user_id) select 'many', $1 from generate_series(1, 1700)`, [
    person.user_id,
  ])
  const { security_events } = await exportOf(person)
  const many = security_events.filter(({ type }) => type === 'many')
  assert.deepEqual([many.length, new Set(many.map(({ id }) => id)).size], [1700, 1700])
})

// Red when: the sections are read without the session in their scope.
test('the document ends where the session is revoked', async () => {
  const person = await signUp()
  await admin.query(`insert into security_events (type, user_id) select 'many', $1 from generate_series(1, 3000)`, [
    person.user_id,
  ])
  const run = database.system.run.bind(database.system)
  let statements = 0
  database.system.run = async (scope, statement) => {
    if (++statements === 8)
      await admin.query(`update sessions set revoked_at = now() where user_id = $1`, [person.user_id])
    return run(scope, statement)
  }
  try {
    const cut = app.inject({
      url: '/api/v1/users/me/export',
      headers: { authorization: `Bearer ${person.access_token}` },
    })
    await assert.rejects(cut.then(({ body }) => JSON.parse(body) as unknown))
  } finally {
    database.system.run = run
  }
  assert.equal((await person.call('GET', '/api/v1/users/me/export')).body.code, 'session-ended')
})

test('the export requires a recent sign-in', async () => {
  const person = await signUp()
  await admin.query(`update sessions set authenticated_at = now() - interval '11 minutes' where user_id = $1`, [
    person.user_id,
  ])
  const { body } = await call('POST', '/api/v1/auth/refresh', { refresh_token: person.refresh_token })
  const headers = { authorization: `Bearer ${body.access_token}` }
  assert.equal((await call('GET', '/api/v1/users/me/export', undefined, headers)).body.code, 'step-up-required')
  const proved = await call('POST', '/api/v1/auth/step-up', { password: PASSWORD }, headers)
  const fresh = { authorization: `Bearer ${proved.body.access_token}` }
  assert.equal((await call('GET', '/api/v1/users/me/export', undefined, fresh)).status, 200)
})
