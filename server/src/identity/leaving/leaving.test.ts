import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'

// Enough connections of the system login for several concurrent deletions.
const app = await createTestApp({ DATABASE_POOL_SIZE: '24' })
const { call, signUp, join, logIn, addMember, admin, mailTo } = app

const leave = (person: Person) => person.call('DELETE', '/api/v1/users/me')
const logInAgain = ({ email }: Person) => call('POST', '/api/v1/auth/login', { email, password: PASSWORD })
const restore = (token: string) => call('POST', '/api/v1/auth/restore-account', { token })
const restoreToken = async ({ email }: Person) => (await mailTo(email)).findLast(({ token }) => token !== '')!.token
const events = async ({ user_id }: Person) =>
  (
    await admin.query<{ type: string }>(`select type from security_events where user_id = $1 order by id`, [user_id])
  ).rows.map(({ type }) => type)
const age = ({ user_id }: Person) =>
  admin.query(`update sessions set authenticated_at = now() - interval '11 minutes' where user_id = $1`, [user_id])

// Red when: leaving.ts omits revokeSessions, revokeDevices or the token; or a sign-in reads `users`, not `live_users`.
test('a deleted account loses access at once, everywhere, and its sign-in is refused like a wrong password', async () => {
  const person = await signUp()
  const other = await logIn(person)
  const answer = await leave(person)
  assert.deepEqual([answer.status, answer.text], [204, ''])
  for (const { access_token, refresh_token } of [person, other]) {
    const headers = { authorization: `Bearer ${access_token}` }
    assert.equal((await call('GET', '/api/v1/auth/me', undefined, headers)).body.code, 'session-ended')
    assert.equal((await call('POST', '/api/v1/auth/refresh', { refresh_token })).body.code, 'invalid-refresh-token')
  }
  const [refused, wrong] = [
    await logInAgain(person),
    await call('POST', '/api/v1/auth/login', { email: person.email, password: 'Wrong-horse-7' }),
  ]
  assert.equal(refused.body.code, 'invalid-credentials')
  assert.deepEqual({ ...refused.body, request_id: '' }, { ...wrong.body, request_id: '' })
  const { rows } = await admin.query(
    `select (select count(*)::int from devices where user_id = $1 and revoked_at is null) as devices,
      (select count(*)::int from sessions where user_id = $1 and revoked_at is null) as sessions`,
    [person.user_id],
  )
  assert.deepEqual(rows, [{ devices: 0, sessions: 0 }])
  assert.ok((await events(person)).includes('account-deleted'))
  const [mail] = (await mailTo(person.email)).slice(-1)
  assert.match(mail!.subject, /about to be deleted/)
  assert.match(mail!.link, /\/account\/restore-account\?token=/)
})

test('the address and the username stay taken while the account can be restored', async () => {
  const person = await signUp()
  const username = `leaver${Date.now()}`
  await person.call('PATCH', '/api/v1/users/me', { username })
  await leave(person)
  const again = { email: person.email.toUpperCase(), password: PASSWORD }
  assert.equal((await call('POST', '/api/v1/auth/signup', again)).body.code, 'email-taken')
  const stranger = await signUp()
  assert.equal((await stranger.call('PATCH', '/api/v1/users/me', { username })).body.code, 'username-taken')
})

// Red when: the route does not require `stepUp`.
test('deleting the account requires a recent sign-in, and honours If-Match', async () => {
  const person = await signUp()
  const { headers } = await person.call('GET', '/api/v1/users/me')
  await person.call('PATCH', '/api/v1/users/me', { given_name: 'Ada' })
  const stale = await person.call('DELETE', '/api/v1/users/me', undefined, { 'if-match': headers['etag']! })
  assert.equal(stale.body.code, 'entity-tag-stale')
  await age(person)
  const refreshed = await call('POST', '/api/v1/auth/refresh', { refresh_token: person.refresh_token })
  const late = { authorization: `Bearer ${refreshed.body.access_token}` }
  assert.equal((await call('DELETE', '/api/v1/users/me', undefined, late)).body.code, 'step-up-required')
  assert.equal((await call('GET', '/api/v1/users/me', undefined, late)).status, 200)
})

// Red when: closeIfAlone does not check for other members; or endMembership maps no constraint.
test('an account cannot be deleted while it is the last owner of a team; a team without other members is deleted', async () => {
  const owner = await signUp('Shared')
  const member = await addMember(owner, 'member')
  const refused = await leave(owner)
  assert.deepEqual([refused.status, refused.body.code], [409, 'last-owner'])
  assert.equal((await owner.call('GET', '/api/v1/users/me')).status, 200, 'nothing has happened')
  assert.equal((await owner.call('GET', '/api/v1/projects')).status, 200)

  await owner.call('PATCH', `/api/v1/organizations/${owner.organization_id}/members/${member.user_id}`, {
    role: 'owner',
  })
  assert.equal((await leave(owner)).status, 204)
  const successor = await logIn(member, owner.organization_id)
  const members = await successor.call('GET', `/api/v1/organizations/${owner.organization_id}/members`)
  assert.deepEqual(
    members.body.items.map(({ user_id, status }: { user_id: string; status: string }) => [user_id, status]),
    [
      [owner.user_id, 'account-deleted'],
      [member.user_id, 'active'],
    ],
  )

  const alone = await signUp('Alone')
  assert.equal((await leave(alone)).status, 204)
  const { rows } = await admin.query(`select deleted_at is not null as closed from organizations where id = $1`, [
    alone.organization_id,
  ])
  assert.deepEqual(rows, [{ closed: true }])
})

// Red when: restoreAccount restores more or fewer rows than those with the time of the deletion.
test('the link in the email restores the account and what the deletion ended, and nothing that ended before', async () => {
  const person = await signUp('Own team')
  const founder = await signUp('Stays')
  const former = await signUp('Left before')
  for (const owner of [founder, former]) await join(owner, person, 'admin')
  await former.call('DELETE', `/api/v1/organizations/${former.organization_id}/members/${person.user_id}`)
  const project = await person.call('POST', '/api/v1/projects', { name: 'Kept' })
  await leave(person)

  const token = await restoreToken(person)
  for (const bad of [token.slice(0, -1), `${token}A`, token.replace(/^./, letter => (letter === 'A' ? 'B' : 'A'))])
    assert.equal((await restore(bad)).body.code, 'invalid-token')
  assert.equal((await restore(token)).status, 204)
  assert.equal((await restore(token)).body.code, 'invalid-token', 'once')

  const back = await logIn(person)
  const { body } = await back.call('GET', '/api/v1/organizations')
  assert.deepEqual(body.items.map(({ name, role }: { name: string; role: string }) => [name, role]).toSorted(), [
    ['Own team', 'owner'],
    ['Stays', 'admin'],
  ])
  const inTeam = await logIn(person, person.organization_id)
  assert.equal((await inTeam.call('GET', `/api/v1/projects/${project.body.id}`)).body.name, 'Kept')
  assert.equal((await person.call('GET', '/api/v1/users/me')).status, 401, 'no session comes back')
  assert.ok((await events(person)).includes('account-restored'))
})

test('a slug that was taken meanwhile stays with its new organization', async () => {
  const person = await signUp()
  const slug = `taken-${Date.now()}`
  const team = await person.call('POST', '/api/v1/organizations', { name: 'Team', slug })
  await leave(person)
  const other = await signUp()
  assert.equal((await other.call('POST', '/api/v1/organizations', { name: 'Other', slug })).status, 201)
  assert.equal((await restore(await restoreToken(person))).status, 204)
  const back = await logIn(person, team.body.id)
  const { body } = await back.call('GET', `/api/v1/organizations/${team.body.id}`)
  assert.match(body.slug, new RegExp(`^${slug}-[0-9a-f]{8}$`))
})

test('a disabled account stays disabled when it is restored', async () => {
  const person = await signUp()
  await leave(person)
  await admin.query(`update users set disabled_at = now() where id = $1`, [person.user_id])
  const token = await restoreToken(person)
  assert.equal((await restore(token)).status, 204)
  assert.equal((await logInAgain(person)).body.code, 'invalid-credentials')
})

// Red when: deleteAccount does not lock the account first.
test('of two concurrent deletions, one succeeds, and one email is sent', async () => {
  const person = await signUp('Twice')
  const second = await logIn(person)
  const answers = await Promise.all([leave(person), leave(second), leave(person)])
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [204, 401, 401])
  assert.equal((await mailTo(person.email)).filter(({ subject }) => /deleted/.test(subject)).length, 1)
})

test('two owners who leave concurrently leave an owner behind, or leave one after the other', async () => {
  for (let round = 0; round < 5; round++) {
    const one = await signUp('Both')
    const other = await addMember(one, 'member')
    await one.call('PATCH', `/api/v1/organizations/${one.organization_id}/members/${other.user_id}`, { role: 'owner' })
    const third = await addMember(one, 'viewer')
    const two = await logIn(other, one.organization_id)
    const answers = await Promise.all([leave(one), leave(two)])
    assert.deepEqual(answers.map(({ status, body }) => body.code ?? status).toSorted(), [204, 'last-owner'])
    const { rows } = await admin.query(
      `select count(*)::int as owners from memberships where organization_id = $1 and role = 'owner' and deleted_at is null`,
      [one.organization_id],
    )
    assert.deepEqual(rows, [{ owners: 1 }])
    assert.equal((await third.call('GET', '/api/v1/projects')).status, 200)
  }
})

test('a concurrent deletion and change of owners never leave a team without an owner', async () => {
  for (let round = 0; round < 5; round++) {
    const one = await signUp('Handed')
    const other = await addMember(one, 'member')
    const [left, handed] = await Promise.all([
      leave(one),
      one.call('POST', `/api/v1/organizations/${one.organization_id}/transfer`, { user_id: other.user_id }),
    ])
    const { rows } = await admin.query(
      `select (select count(*)::int from memberships where organization_id = $1 and role = 'owner' and deleted_at is null) as owners`,
      [one.organization_id],
    )
    assert.equal(rows[0].owners, 1, `${left.status} ${handed.status}`)
  }
})
