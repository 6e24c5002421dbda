import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { admin, call, signUp, logIn, addMember, tokens } = await createTestApp()

test('a user creates a team, owns it, and works in it after switching', async () => {
  const person = await signUp()
  const founded = await person.call(
    'POST',
    '/api/v1/organizations',
    { name: 'Second Venture' },
    { 'idempotency-key': 'found-1' },
  )
  assert.deepEqual([founded.status, founded.body.kind, founded.body.role], [201, 'team', 'owner'])
  const again = await person.call(
    'POST',
    '/api/v1/organizations',
    { name: 'Second Venture' },
    { 'idempotency-key': 'found-1' },
  )
  assert.deepEqual(
    [again.status, again.body.id, again.headers['etag']],
    [201, founded.body.id, founded.headers['etag']],
  )
  const own = await person.call('GET', '/api/v1/organizations')
  assert.deepEqual(
    own.body.items.map((item: { kind: string }) => item.kind),
    ['personal', 'team'],
  )
  const there = await logIn(person, founded.body.id)
  assert.equal((await there.call('GET', `/api/v1/organizations/${founded.body.id}`)).status, 200)
  assert.equal(
    (await person.call('GET', `/api/v1/organizations/${founded.body.id}`)).status,
    404,
    'the token names another',
  )
})

test('an owner or administrator changes name and slug; a member does not', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  const path = `/api/v1/organizations/${owner.organization_id}`
  const read = await member.call('GET', path)
  const changed = await owner.call('PATCH', path, { name: 'Acme Holding' }, { 'if-match': read.headers['etag']! })
  assert.equal(changed.body.name, 'Acme Holding')
  assert.equal((await owner.call('PATCH', path, { name: 'x' }, { 'if-match': read.headers['etag']! })).status, 412)
  assert.equal((await owner.call('PUT', path, { name: 'Only a name' })).status, 422)
  assert.equal((await member.call('PATCH', path, { name: 'Mine' })).body.code, 'permission-missing')
  const other = await signUp('Taken')
  const { body } = await other.call('GET', `/api/v1/organizations/${other.organization_id}`)
  assert.equal((await owner.call('PATCH', path, { slug: body.slug })).body.code, 'organization-slug-taken')
})

test('deleting a team ends access for all members at once; a personal organization cannot be deleted', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  assert.equal((await member.call('DELETE', `/api/v1/organizations/${owner.organization_id}`)).status, 403)
  assert.equal((await owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}`)).status, 204)
  for (const person of [owner, member])
    assert.equal((await person.call('GET', '/api/v1/projects')).body.code, 'membership-ended')
  const person = await signUp()
  assert.equal(
    (await person.call('DELETE', `/api/v1/organizations/${person.organization_id}`)).body.code,
    'personal-organization',
  )
})

test('members are changed and removed, and members of a role or status are found', async () => {
  const owner = await signUp('Acme')
  const [ann, bob] = [await addMember(owner, 'viewer'), await addMember(owner, 'member')]
  const path = `/api/v1/organizations/${owner.organization_id}/members`
  assert.equal((await owner.call('GET', `${path}?include_total=true`)).body.total, 3)
  assert.equal((await owner.call('GET', `${path}?role=viewer`)).body.items.length, 1)

  const one = `${path}/${ann.user_id}`
  const read = await bob.call('GET', one)
  assert.deepEqual([read.status, read.body.status], [200, 'active'])
  const tag = { 'if-match': read.headers['etag']! }
  const changed = await owner.call('PATCH', one, { role: 'member', title: 'Guest' }, tag)
  assert.deepEqual([changed.status, changed.body.role, changed.body.title], [200, 'member', 'Guest'])
  assert.equal(changed.headers['etag'], (await owner.call('GET', one)).headers['etag'])
  assert.equal((await owner.call('PATCH', one, { role: 'viewer' }, tag)).status, 412)
  assert.equal((await owner.call('PUT', one, { role: 'member' })).body.title, null)

  await admin.query('update memberships set disabled_at = now() where user_id = $1 and organization_id = $2', [
    bob.user_id,
    owner.organization_id,
  ])
  const disabled = (await owner.call('GET', `${path}?status=disabled`)).body.items
  assert.deepEqual(
    disabled.map(({ user_id }: { user_id: string }) => user_id),
    [bob.user_id],
  )

  assert.equal((await owner.call('DELETE', one)).status, 204)
  assert.equal((await owner.call('GET', one)).status, 404)
  assert.equal((await owner.call('DELETE', one)).status, 404)
})

test('an administrator manages members but not owners', async () => {
  const owner = await signUp('Acme')
  const [administrator, member] = [await addMember(owner, 'admin'), await addMember(owner, 'member')]
  const path = `/api/v1/organizations/${owner.organization_id}/members`
  assert.equal((await administrator.call('PATCH', `${path}/${member.user_id}`, { role: 'viewer' })).status, 200)
  assert.equal(
    (await administrator.call('PATCH', `${path}/${member.user_id}`, { role: 'owner' })).body.code,
    'owner-required',
  )
  assert.equal(
    (await administrator.call('PATCH', `${path}/${owner.user_id}`, { role: 'viewer' })).body.code,
    'owner-required',
  )
  assert.equal((await administrator.call('DELETE', `${path}/${owner.user_id}`)).body.code, 'owner-required')
  assert.equal(
    (await administrator.call('POST', path, { email: 'third@example.com', role: 'owner' })).body.code,
    'owner-required',
  )
  assert.equal(
    (await administrator.call('PATCH', `${path}/${administrator.user_id}`, { role: 'viewer' })).body.role,
    'viewer',
    'lowers oneself',
  )
  assert.equal((await administrator.call('PATCH', `${path}/${member.user_id}`, { role: 'member' })).status, 403)
})

test('a change of owners requires a recent sign-in', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  const old = tokens.sign({ ...tokens.verify(owner.access_token), auth_time: Math.floor(Date.now() / 1000) - 601 })
  const path = `/api/v1/organizations/${owner.organization_id}/members/${member.user_id}`
  const refused = await call('PATCH', path, { role: 'owner' }, { authorization: `Bearer ${old}` })
  assert.equal(refused.body.code, 'step-up-required')
  assert.equal((await call('PATCH', path, { role: 'admin' }, { authorization: `Bearer ${old}` })).status, 200)
  assert.equal((await owner.call('PATCH', path, { role: 'owner' })).status, 200)
})

test('an organization keeps one owner', async () => {
  const owner = await signUp('Acme')
  const path = `/api/v1/organizations/${owner.organization_id}`
  assert.equal((await owner.call('POST', `${path}/leave`)).body.code, 'last-owner')
  assert.equal((await owner.call('DELETE', `${path}/members/${owner.user_id}`)).body.code, 'last-owner')
  assert.equal(
    (await owner.call('PATCH', `${path}/members/${owner.user_id}`, { role: 'admin' })).body.code,
    'last-owner',
  )
  const second = await addMember(owner, 'owner')
  assert.equal((await owner.call('POST', `${path}/leave`)).status, 204)
  assert.equal((await owner.call('GET', '/api/v1/projects')).body.code, 'membership-ended')
  assert.equal((await second.call('GET', '/api/v1/projects')).status, 200)
})

test('an owner transfers ownership and stays as an administrator', async () => {
  const owner = await signUp('Acme')
  const [member, stranger] = [await addMember(owner, 'member'), await signUp()]
  const path = `/api/v1/organizations/${owner.organization_id}`
  assert.equal((await member.call('POST', `${path}/transfer`, { user_id: member.user_id })).status, 403)
  assert.equal((await owner.call('POST', `${path}/transfer`, { user_id: stranger.user_id })).status, 422)
  assert.equal((await owner.call('POST', `${path}/transfer`, { user_id: owner.user_id })).status, 422)
  assert.equal((await owner.call('POST', `${path}/transfer`, { user_id: member.user_id })).status, 204)
  const { body } = await member.call('GET', `${path}/members`)
  assert.deepEqual(
    new Map(body.items.map((item: { user_id: string; role: string }) => [item.user_id, item.role])),
    new Map([
      [owner.user_id, 'admin'],
      [member.user_id, 'owner'],
    ]),
  )
})

test('a member who leaves loses access at once, and history keeps the membership', async () => {
  const owner = await signUp('Acme')
  const viewer = await addMember(owner, 'viewer')
  assert.equal((await viewer.call('POST', `/api/v1/organizations/${owner.organization_id}/leave`)).status, 204)
  assert.equal((await viewer.call('GET', '/api/v1/auth/me')).body.code, 'membership-ended')
  const { body } = await owner.call(
    'GET',
    `/api/v1/audit-logs?entity_type=memberships&entity_id=${viewer.user_id}&action=delete`,
  )
  assert.deepEqual([body.items.length, body.items[0].actor_id], [1, viewer.user_id])
})
