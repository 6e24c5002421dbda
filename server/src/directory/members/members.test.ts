import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

const { admin, call, database, signUp, join, addMember, logIn, mailTo, tokens, verify } = await createTestApp()

const outcomeOf = ({ status, body }: Answer) => body?.code ?? status
const members = ({ organization_id }: Person) => `/api/v1/organizations/${organization_id}/members`
const memberOf = (team: Person, { user_id }: Person) => `${members(team)}/${user_id}`
const deleteAccount = (person: Person) => person.call('DELETE', '/api/v1/users/me')
const restoreAccount = async ({ email }: Person) => {
  const token = (await mailTo(email)).findLast(mail => mail.token !== '')!.token
  return call('POST', '/api/v1/auth/restore-account', { token })
}
const statusesIn = async (reader: Person, team: Person, query = '') =>
  (await reader.call('GET', `${members(team)}${query}`)).body.items.map(
    ({ user_id, status }: { user_id: string; status: string }) => [user_id, status],
  )

// Red when: listedMembers, removeMember or guard_membership() ignores memberships that ended with their account.
test('a member with a deleted account stays visible to administrators, and is not restored with the account once removed', async () => {
  const owner = await signUp('Acme')
  const [leaver, staying, viewer] = [
    await addMember(owner, 'admin'),
    await addMember(owner, 'admin'),
    await addMember(owner, 'viewer'),
  ]
  for (const person of [leaver, staying]) assert.equal((await deleteAccount(person)).status, 204)
  assert.deepEqual(await statusesIn(owner, owner, '?status=account-deleted'), [
    [leaver.user_id, 'account-deleted'],
    [staying.user_id, 'account-deleted'],
  ])
  assert.equal((await statusesIn(viewer, owner)).length, 2, 'a viewer sees members')
  assert.deepEqual(await statusesIn(viewer, owner, '?status=account-deleted'), [])
  assert.equal((await viewer.call('GET', memberOf(owner, leaver))).status, 404)

  const { headers } = await owner.call('GET', memberOf(owner, leaver))
  assert.equal(
    outcomeOf(await owner.call('PATCH', memberOf(owner, leaver), { role: 'viewer' })),
    'member-account-deleted',
  )
  assert.equal(outcomeOf(await owner.call('POST', `${memberOf(owner, leaver)}/restore`)), 'member-not-restorable')
  const tag = { 'if-match': headers['etag']! }
  assert.equal((await owner.call('DELETE', memberOf(owner, leaver), undefined, tag)).status, 204)
  assert.equal((await owner.call('DELETE', memberOf(owner, leaver))).status, 404)

  for (const [person, status] of [
    [leaver, 404],
    [staying, 200],
  ] as const) {
    assert.equal((await restoreAccount(person)).status, 204)
    assert.equal((await owner.call('GET', memberOf(owner, person))).status, status)
    const back = await logIn(person)
    const teams = (await back.call('GET', '/api/v1/organizations')).body.items
    assert.equal(
      teams.some(({ id }: { id: string }) => id === owner.organization_id),
      status === 200,
    )
  }
})

// Red when: renewMembership() does not compare the time of the deletion.
test('a concurrent removal and restoration of the account leave no member', async () => {
  for (let round = 0; round < 6; round++) {
    const owner = await signUp('Acme')
    const leaver = await addMember(owner, 'admin')
    await deleteAccount(leaver)
    const [removed, restored] = await Promise.all([
      owner.call('DELETE', memberOf(owner, leaver)),
      restoreAccount(leaver),
    ])
    assert.deepEqual([removed.status, restored.status], [204, 204])
    assert.equal((await owner.call('GET', memberOf(owner, leaver))).status, 404)
  }
})

// Red when: restoreMember() or guard_membership() does not check who ended the membership and when, or
// tell_restored_member() is omitted.
test('an administrator can restore a removed member for 30 days, and the member is notified', async () => {
  const owner = await signUp('Acme')
  const [administrator, member, left] = [
    await addMember(owner, 'admin'),
    await addMember(owner, 'viewer'),
    await addMember(owner, 'member'),
  ]
  await owner.call('PATCH', memberOf(owner, member), { title: 'Guest' })
  await administrator.call('DELETE', memberOf(owner, member))
  assert.equal(outcomeOf(await member.call('GET', '/api/v1/projects')), 'membership-ended')
  assert.deepEqual(await statusesIn(administrator, owner, '?status=removed'), [[member.user_id, 'removed']])
  await mailTo(member.email)

  const restored = await administrator.call('POST', `${memberOf(owner, member)}/restore`)
  assert.deepEqual([restored.status, restored.body.status, restored.body.title], [200, 'active', 'Guest'])
  assert.equal((await member.call('GET', '/api/v1/projects')).status, 200)
  const [mail, ...more] = await mailTo(member.email)
  assert.equal(more.length, 0)
  assert.match(mail!.subject, /You are a member of Acme again/)
  assert.doesNotMatch(mail!.text, /127\.0\.0\.1/, 'where the administrator is')
  assert.equal(outcomeOf(await administrator.call('POST', `${memberOf(owner, member)}/restore`)), 'already-member')

  // A member who left needs an invitation, and so does a removed member after 30 days.
  await left.call('POST', `/api/v1/organizations/${owner.organization_id}/leave`)
  assert.equal(outcomeOf(await owner.call('POST', `${memberOf(owner, left)}/restore`)), 'member-not-restorable')
  await owner.call('DELETE', memberOf(owner, member))
  await admin.query(
    `begin; set local session_replication_role = replica;
    update memberships set removed_at = now() - interval '31 days' where user_id = '${member.user_id}'; commit`,
  )
  assert.equal(outcomeOf(await owner.call('POST', `${memberOf(owner, member)}/restore`)), 'member-not-restorable')
  assert.deepEqual(await statusesIn(owner, owner, '?status=removed'), [])
  const stranger = await signUp()
  assert.equal(outcomeOf(await owner.call('POST', `${memberOf(owner, stranger)}/restore`)), 'not-found')

  // Only an owner restores a former owner.
  const second = await addMember(owner, 'owner')
  await owner.call('DELETE', memberOf(owner, second))
  assert.equal(outcomeOf(await administrator.call('POST', `${memberOf(owner, second)}/restore`)), 'owner-required')
  assert.equal((await owner.call('POST', `${memberOf(owner, second)}/restore`)).status, 200)
})

// Red when: tell_restored_member() does not count.
test('a member who is restored again and again is told five times an hour', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  for (let time = 0; time < 7; time++) {
    assert.equal((await owner.call('DELETE', memberOf(owner, member))).status, 204)
    assert.equal((await owner.call('POST', `${memberOf(owner, member)}/restore`)).status, 200)
  }
  assert.equal((await mailTo(member.email)).length, 5)
})

// Red when: guard_membership() allows with `members:write` what restoreMember() and removeMember() refuse.
test('no statement restores a member who left, and none creates a member', async () => {
  const owner = await signUp('Acme')
  const [left, stranger] = [await addMember(owner, 'member'), await signUp()]
  await left.call('POST', `/api/v1/organizations/${owner.organization_id}/leave`)
  const here = `organization_id = '${owner.organization_id}' and user_id = '${left.user_id}'`
  for (const [statement, code] of [
    [`update memberships set deleted_at = null where ${here}`, 'memberships_restorable'],
    [
      `update memberships set removed_at = now() where ${here}; update memberships set deleted_at = null where ${here}`,
      'memberships_restorable',
    ],
    [`update memberships set deleted_at = clock_timestamp() where ${here}`, 'memberships_restorable'],
    [
      `insert into memberships (organization_id, user_id, role) values ('${owner.organization_id}', '${stranger.user_id}', 'viewer')`,
      '42501',
    ],
  ] as const) {
    const client = await database.tenant.pool.connect()
    try {
      await client.query('begin')
      await client.query(
        `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', 'members:write', true)`,
        [tokens.verify(owner.access_token).sid, owner.organization_id],
      )
      await assert.rejects(client.query(statement), (error: { constraint?: string; code?: string }) => {
        assert.equal(error.constraint ?? error.code, code, statement)
        return true
      })
    } finally {
      await client.query('rollback')
      client.release()
    }
  }
})

const openInvitations = async (owner: Person) =>
  (await owner.call('GET', `/api/v1/organizations/${owner.organization_id}/invitations`)).body.items.map(
    ({ email }: { email: string }) => email,
  )

// Red when: the trigger `invitations_update` or `invitations_insert` is removed, or checks only the current address.
test('when a membership begins or ends, no invitation for any address of the user stays open', async () => {
  const owner = await signUp('Acme')
  await verify(owner)
  const path = `/api/v1/organizations/${owner.organization_id}`
  const former = (tag: string) => `former-${tag}-${process.pid}-${Date.now()}@example.com`
  const ways: Record<string, (person: Person) => Promise<Answer>> = {
    removed: person => owner.call('DELETE', memberOf(owner, person)),
    left: person => person.call('POST', `${path}/leave`),
    deleted: deleteAccount,
  }
  for (const [name, end] of Object.entries(ways)) {
    const person = await addMember(owner, 'member')
    const { email } = person
    await admin.query('update users set email = $2 where id = $1', [person.user_id, former(name)])
    // The invitation of another user stays.
    const other = former(`other-${name}`)
    for (const invited of [email, other])
      assert.equal((await owner.call('POST', `${path}/members`, { email: invited, role: 'member' })).status, 202)
    assert.deepEqual((await openInvitations(owner)).toSorted(), [email, other].toSorted())
    assert.equal((await end(person)).status, 204)
    assert.deepEqual(await openInvitations(owner), [other], name)
    await admin.query('update invitations set revoked_at = now() where email = $1', [other])
  }
  // Joining uses up open invitations for other addresses of the same user.
  const person = await signUp()
  await verify(person)
  await admin.query('update users set email = $2 where id = $1', [person.user_id, former('joined')])
  await owner.call('POST', `${path}/members`, { email: person.email, role: 'admin' })
  await join(owner, person, 'viewer')
  assert.deepEqual(await openInvitations(owner), [])
})
