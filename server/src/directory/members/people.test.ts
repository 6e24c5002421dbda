import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

const { admin, database, signUp, join, addMember, logIn, mailTo, tokens, verify } = await createTestApp()

const outcomeOf = ({ status, body }: Answer) => body?.code ?? status
const path = ({ user_id }: Person) => `/api/v1/users/${user_id}`
const list = async (reader: Person, query = ''): Promise<Answer['body']> => {
  const { status, body, text } = await reader.call('GET', `/api/v1/users${query}`)
  assert.equal(status, 200, text)
  return body
}
const idsIn = async (reader: Person, query = ''): Promise<string[]> =>
  (await list(reader, query)).items.map(({ id }: { id: string }) => id)
const find = (reader: Person, search: string, more = '') =>
  idsIn(reader, `?limit=100&search=${encodeURIComponent(search)}${more}`)
const rename = async (person: Person, names: object) => {
  const { status, text } = await person.call('PATCH', '/api/v1/users/me', names)
  assert.equal(status, 200, text)
}
const statements = async (person: Person, permission: string, statement: string) => {
  const client = await database.tenant.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', $3, true)`,
      [tokens.verify(person.access_token).sid, person.organization_id, permission],
    )
    return await client.query(statement)
  } finally {
    await client.query('rollback')
    client.release()
  }
}

test('people are the members of the organization of the token, and are invited, changed, removed and restored', async () => {
  const owner = await signUp('Acme')
  await verify(owner)
  const member = await addMember(owner, 'member')
  await rename(member, { given_name: 'Ada', family_name: 'Lovelace' })
  const got = await owner.call('GET', path(member))
  assert.deepEqual(
    { ...got.body, created_at: '', updated_at: '' },
    {
      id: member.user_id,
      email: member.email,
      username: null,
      given_name: 'Ada',
      family_name: 'Lovelace',
      full_name: null,
      guest: false,
      role: 'member',
      role_id: null,
      role_name: null,
      title: null,
      company: null,
      status: 'active',
      created_at: '',
      updated_at: '',
    },
  )
  const invited = await owner.call('POST', '/api/v1/users', { email: `new-${member.email}`, role: 'viewer' })
  assert.deepEqual([invited.status, invited.body.email], [202, `new-${member.email}`])
  assert.equal((await mailTo(`new-${member.email}`)).length, 1)

  const tag = { 'if-match': got.headers['etag']! }
  const changed = await owner.call('PATCH', path(member), { title: 'Countess', company: 'Engines' }, tag)
  assert.deepEqual([changed.status, changed.body.title, changed.body.company], [200, 'Countess', 'Engines'])
  assert.equal((await owner.call('PATCH', path(member), { title: 'Lost' }, tag)).status, 412)
  const put = await owner.call('PUT', path(member), { role: 'viewer' })
  assert.deepEqual([put.body.role, put.body.title, put.body.status], ['viewer', null, 'active'])
  assert.deepEqual(await idsIn(owner, '?role=viewer'), [member.user_id])

  assert.equal((await owner.call('DELETE', path(member))).status, 204)
  assert.deepEqual(await idsIn(owner), [owner.user_id])
  assert.deepEqual(await idsIn(owner, '?status=removed&sort=-name'), [member.user_id])
  assert.deepEqual(await find(owner, 'lovelace', '&status=removed'), [member.user_id])
  assert.deepEqual(await find(owner, 'lovelace'), [])
  const restored = await owner.call('POST', `${path(member)}/restore`)
  assert.deepEqual([restored.status, restored.body.id, restored.body.status], [200, member.user_id, 'active'])
  assert.deepEqual(await find(owner, 'lovelace'), [member.user_id])
})

test('an administrator cannot change the account of a member', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  for (const field of ['email', 'username', 'given_name', 'family_name', 'full_name', 'password', 'superuser', 'id'])
    for (const [method, body] of [
      ['PATCH', { [field]: 'x@example.com' }],
      ['PUT', { role: 'member', [field]: 'x@example.com' }],
    ] as const) {
      const { status, body: problem } = await owner.call(method, path(member), body)
      assert.deepEqual([status, problem.errors[0].pointer], [422, `/${field}`])
    }
})

test('the same person has a role, a title and a status of its own in each organization', async () => {
  const [acme, globex, initech] = [await signUp('Acme'), await signUp('Globex'), await signUp('Initech')]
  const person = await addMember(acme, 'member')
  await join(globex, person, 'admin')
  await join(initech, person, 'viewer')
  await acme.call('PATCH', path(person), { title: 'Only in Acme' })
  await globex.call('PATCH', path(person), { status: 'disabled' })
  await rename(person, { full_name: 'Everywhere Person' })
  for (const [owner, role, title, status] of [
    [acme, 'member', 'Only in Acme', 'active'],
    [globex, 'admin', null, 'disabled'],
    [initech, 'viewer', null, 'active'],
  ] as const) {
    const [item, ...more] = (await list(owner, '?search=everywhere')).items
    assert.deepEqual(
      [item.id, item.role, item.title, item.status, more.length],
      [person.user_id, role, title, status, 0],
    )
  }
  await initech.call('DELETE', path(person))
  assert.deepEqual(await find(initech, 'everywhere'), [])
  assert.deepEqual(await find(acme, 'everywhere'), [person.user_id])
})

// Red when: changeMember() does not set disabled_at.
test('a disabled member is refused from the next request on, and keeps the account and the other organizations', async () => {
  const [owner, other] = [await signUp('Acme'), await signUp('Globex')]
  const member = await addMember(owner, 'admin')
  await join(other, member, 'member')
  const account = async () =>
    (await admin.query('select to_jsonb(u) as u from users u where id = $1', [member.user_id])).rows[0].u
  const before = await account()
  await mailTo(member.email)

  const disabled = await owner.call('PATCH', path(member), { status: 'disabled' })
  assert.deepEqual([disabled.status, disabled.body.status], [200, 'disabled'])
  for (const [method, url] of [
    ['GET', '/api/v1/projects'],
    ['GET', '/api/v1/users'],
    ['GET', `/api/v1/organizations/${owner.organization_id}/members`],
    ['POST', '/api/v1/projects'],
  ] as const)
    assert.equal(
      outcomeOf(await member.call(method, url, method === 'POST' ? { name: 'x' } : undefined)),
      'membership-ended',
    )
  assert.equal((await member.call('GET', '/api/v1/users/me')).status, 200)
  assert.deepEqual(await account(), before)
  assert.equal((await mailTo(member.email)).length, 0, 'no email: nothing happened to the account')
  const elsewhere = await logIn(member)
  assert.equal(elsewhere.organization_id, other.organization_id)
  assert.equal((await elsewhere.call('GET', '/api/v1/projects')).status, 200)
  assert.deepEqual(await idsIn(owner, '?status=disabled'), [member.user_id])
  assert.equal((await owner.call('PATCH', path(member), { title: 'Still' })).body.status, 'disabled')
  assert.equal((await owner.call('PUT', path(member), { role: 'admin' })).body.status, 'disabled', 'PUT keeps it')

  assert.equal((await owner.call('PUT', path(member), { role: 'admin', status: 'active' })).body.status, 'active')
  assert.equal((await member.call('GET', '/api/v1/projects')).status, 200)
})

// Red when: guard_membership() does not compare disabled_at for owners or for the own membership.
test('no one disables oneself or the last owner, and only an owner disables or enables an owner', async () => {
  const owner = await signUp('Acme')
  const administrator = await addMember(owner, 'admin')
  const second = await addMember(owner, 'owner')
  const disable = { status: 'disabled' }
  assert.equal(outcomeOf(await administrator.call('PATCH', path(administrator), disable)), 'own-membership')
  assert.equal(outcomeOf(await owner.call('PATCH', path(owner), disable)), 'own-membership')
  assert.equal(outcomeOf(await administrator.call('PATCH', path(second), disable)), 'owner-required')
  assert.equal((await owner.call('PATCH', path(second), disable)).status, 200)
  assert.equal(outcomeOf(await administrator.call('PATCH', path(second), { status: 'active' })), 'owner-required')
  assert.equal(
    outcomeOf(await administrator.call('PATCH', path(second), { role: 'member', status: 'active' })),
    'owner-required',
  )
  for (const [person, statement, constraint] of [
    [
      administrator,
      `update memberships set disabled_at = now() where user_id = '${administrator.user_id}'`,
      'memberships_disabled_by_another',
    ],
    [
      administrator,
      `update memberships set disabled_at = null where user_id = '${second.user_id}'`,
      'memberships_owner_by_owner',
    ],
    [
      administrator,
      `update memberships set disabled_at = now() where user_id = '${owner.user_id}'`,
      'memberships_owner_by_owner',
    ],
    [
      owner,
      `update memberships set disabled_at = now() where user_id = '${owner.user_id}'`,
      'memberships_disabled_by_another',
    ],
  ] as const)
    await assert.rejects(statements(person, 'members:write', statement), { constraint })
  await assert.rejects(
    statements(
      owner,
      'organization:transfer',
      `update memberships set disabled_at = now() where user_id = '${administrator.user_id}'`,
    ),
    { code: '42501' },
  )
})

// Red when: keep_an_owner_update does not compare disabled_at.
test('two owners who disable each other at once leave one of them', async () => {
  for (let round = 0; round < 6; round++) {
    const one = await signUp('Acme')
    const two = await addMember(one, 'owner')
    const answers = await Promise.all([
      one.call('PATCH', path(two), { status: 'disabled' }),
      two.call('PATCH', path(one), { status: 'disabled' }),
    ])
    assert.deepEqual(
      answers.map(({ status }) => status === 200).toSorted(),
      [false, true],
      JSON.stringify(answers.map(outcomeOf)),
    )
    const { rows } = await admin.query(
      `select 1 from memberships where organization_id = $1 and role = 'owner' and disabled_at is null`,
      [one.organization_id],
    )
    assert.equal(rows.length, 1)
  }
})

// Red when: the trigger `words` ignores erased_at, or words hold what the audit log must not.
test('a deleted account is found by administrators until it is erased, and the audit log holds no name', async () => {
  const owner = await signUp('Acme')
  const [leaver, viewer] = [await addMember(owner, 'member'), await addMember(owner, 'viewer')]
  await rename(leaver, { full_name: 'Gonesoon Person' })
  assert.equal((await leaver.call('DELETE', '/api/v1/users/me')).status, 204)
  assert.deepEqual(await find(owner, 'gonesoon'), [leaver.user_id])
  assert.deepEqual(await idsIn(owner, '?sort=name&status=account-deleted'), [leaver.user_id])
  assert.deepEqual(await find(viewer, 'gonesoon'), [])
  await admin.query(
    `update users set erased_at = now(), full_name = null, email = gen_random_uuid() || '@erased.invalid' where id = $1`,
    [leaver.user_id],
  )
  assert.deepEqual(await find(owner, 'gonesoon'), [])
  const words = await admin.query('select 1 from member_words where user_id = $1', [leaver.user_id])
  assert.equal(words.rows.length, 0)
  const { body } = await owner.call('GET', '/api/v1/audit-logs?limit=100')
  assert.doesNotMatch(JSON.stringify(body), /gonesoon|member_words/i)
})
