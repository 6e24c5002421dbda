import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { meet, waits } from '../../../test/meeting.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'
import { listOrganizations } from './operator-organizations.ts'

// One operator, and a team for each test.

const { admin, call, database, mailTo, signUp, logIn, addMember, tokens, verify } = await createTestApp()
const operator = await signUp()
await admin.query('update users set superuser = true where id = $1', [operator.user_id])

const LIST = '/api/v1/admin/organizations'
const outcomeOf = ({ status, body }: Answer) => [status, body?.code ?? 'ok']
const reason = 'The invoice of October is unpaid.'
const suspend = (id: string) => operator.call('POST', `${LIST}/${id}/suspend`, { reason })
const reactivate = (id: string) => operator.call('POST', `${LIST}/${id}/reactivate`)
const idsOf = ({ body }: Answer): string[] => body.items.map(({ id }: { id: string }) => id)
const errorOf = ({ status, body }: Answer) => [status, body.errors?.[0].pointer]

async function suspendedTeam() {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  const project = (await owner.call('POST', '/api/v1/projects', { name: 'Boat' })).body
  const answer = await suspend(owner.organization_id)
  assert.equal(answer.status, 200, answer.text)
  return { owner, member, project, suspended_at: answer.body.suspended_at as string }
}

// Red when: the view gate ignores suspended_at; gate_state does not tell it; reactivation resets anything else.
test('a suspended organization answers its members with a problem of its own, at once, and loses nothing', async () => {
  const { owner, member, project, suspended_at } = await suspendedTeam()
  const home = `/api/v1/organizations/${owner.organization_id}`
  for (const person of [owner, member])
    for (const [method, path, body] of [
      ['GET', '/api/v1/projects'],
      ['GET', `/api/v1/projects/${project.id}`],
      ['PATCH', `/api/v1/projects/${project.id}`, { name: 'Ship' }],
      ['POST', '/api/v1/projects', { name: 'Raft' }],
      ['GET', home],
      ['GET', `${home}/members`],
    ] as const) {
      const answer = await person.call(method, path, body)
      assert.deepEqual(outcomeOf(answer), [403, 'organization-suspended'], `${method} ${path}`)
      assert.equal(answer.body.suspended_at, suspended_at)
    }
  for (const [method, path] of [
    ['DELETE', home],
    ['GET', '/api/v1/audit-logs'],
    ['GET', '/api/v1/org/tree'],
  ] as const)
    assert.deepEqual(outcomeOf(await owner.call(method, path)), [403, 'organization-suspended'], path)
  assert.deepEqual(outcomeOf(await owner.call('PATCH', home, { name: 'Free' })), [403, 'organization-suspended'])

  const again = await reactivate(owner.organization_id)
  assert.deepEqual([again.status, again.body.suspended_at, again.body.suspended_reason], [200, null, null])
  assert.equal((await member.call('GET', `/api/v1/projects/${project.id}`)).body.name, 'Boat')
  assert.equal((await owner.call('PATCH', `/api/v1/projects/${project.id}`, { name: 'Ship' })).status, 200)
})

// Red when: the gate does not let `organization:leave` pass, or the view own_organizations hides the organization.
test('its members keep their accounts: they see it, switch away and back, export their data, leave and sign out', async () => {
  const { owner, member, suspended_at } = await suspendedTeam()
  const me = await member.call('GET', '/api/v1/auth/me?explain=projects:read')
  assert.deepEqual(
    [me.status, me.body.organization.suspended_at, me.body.permissions, me.body.explanation.reason],
    [200, suspended_at, [], 'organization-suspended'],
  )
  const leaving = await member.call('GET', '/api/v1/auth/me?explain=organization:leave')
  assert.equal(leaving.body.explanation.reason, 'allowed-while-suspended')
  assert.equal((await member.call('GET', '/api/v1/users/me')).status, 200)
  const own = (await member.call('GET', '/api/v1/organizations')).body.items
  const home = own.find(({ kind }: { kind: string }) => kind === 'personal').id
  assert.equal(own.find(({ id }: { id: string }) => id === owner.organization_id).suspended_at, suspended_at)
  const switchTo = (organization_id: string) =>
    member.call('POST', '/api/v1/auth/switch-organization', { organization_id })
  const elsewhere = await switchTo(home)
  assert.equal(elsewhere.status, 200)
  const headers = { authorization: `Bearer ${elsewhere.body.access_token}` }
  assert.equal((await call('GET', '/api/v1/projects', undefined, headers)).status, 200)
  assert.equal((await switchTo(owner.organization_id)).body.organization.suspended_at, suspended_at)
  const exported = await member.call('GET', '/api/v1/users/me/export')
  assert.equal(exported.status, 200)
  assert.ok(exported.body.memberships.some((row: { name: string }) => row.name === 'Acme'))
  assert.equal((await member.call('POST', `/api/v1/organizations/${owner.organization_id}/leave`)).status, 204)
  assert.equal((await member.call('POST', '/api/v1/auth/logout')).status, 204)
})

// Red when: chooseOrganization() orders suspended organizations like others, or `current` comes after them.
test('sign-in prefers another organization, and a refresh stays where it is', async () => {
  const { owner, member, suspended_at } = await suspendedTeam()
  const elsewhere = await logIn(member)
  assert.notEqual(elsewhere.organization_id, owner.organization_id)
  assert.equal((await elsewhere.call('GET', '/api/v1/projects')).status, 200)
  const asked = await logIn(member, owner.organization_id)
  assert.deepEqual(outcomeOf(await asked.call('GET', '/api/v1/projects')), [403, 'organization-suspended'])
  const { body } = await call('POST', '/api/v1/auth/refresh', { refresh_token: asked.refresh_token })
  assert.deepEqual([body.organization.id, body.organization.suspended_at], [owner.organization_id, suspended_at])

  // Without another one, the sign-in still succeeds.
  await admin.query(
    `update organizations set suspended_at = now(), suspended_reason = 'x' where id in (select organization_id from memberships where user_id = $1)`,
    [member.user_id],
  )
  const last = await logIn(member)
  assert.deepEqual(outcomeOf(await last.call('GET', '/api/v1/projects')), [403, 'organization-suspended'])
})

// Red when: lock_place() does not refuse; live_invitations shows the invitation; findNames() sends the email.
test('no one joins a suspended organization, and its invitations are kept', async () => {
  const owner = await signUp('Acme')
  await verify(owner)
  const guest = await signUp()
  await verify(guest)
  const path = `/api/v1/organizations/${owner.organization_id}/invitations`
  assert.equal((await owner.call('POST', path, { email: guest.email, role: 'member' })).status, 202)
  const [mail] = (await mailTo(guest.email)).slice(-1)
  const stranger = `nobody-${randomUUID()}@example.com`
  assert.equal((await owner.call('POST', path, { email: stranger, role: 'member' })).status, 202)
  await suspend(owner.organization_id)
  assert.deepEqual(await mailTo(stranger), [], 'an email that waits is not sent')

  const byLink = await guest.call('POST', '/api/v1/invitations/accept', { token: mail!.token })
  assert.deepEqual(outcomeOf(byLink), [403, 'organization-suspended'])
  assert.match(byLink.body.suspended_at, /^\d{4}-.*Z$/)
  const { rows } = await admin.query('select id from invitations where email = $1', [guest.email])
  const accept = () => guest.call('POST', `/api/v1/users/me/invitations/${rows[0].id}/accept`)
  const byId = await accept()
  assert.deepEqual(outcomeOf(byId), [403, 'organization-suspended'])
  assert.equal(byId.body.suspended_at, byLink.body.suspended_at)
  assert.deepEqual((await guest.call('GET', '/api/v1/users/me/invitations')).body.items, [])
  await reactivate(owner.organization_id)
  assert.equal((await accept()).status, 200)
})

/** A member's transaction that has made a company, and is not committed yet. */
async function beginChange({ access_token, organization_id }: Person, code: string) {
  const { sid } = tokens.verify(access_token)
  const client = await database.tenant.pool.connect()
  await client.query('begin')
  await client.query(
    `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', 'structure:write', true), set_config('app.context', '{}', true)`,
    [sid, organization_id],
  )
  await client.query('insert into companies (organization_id, code, name) values ($1, $2, $2)', [organization_id, code])
  return client
}

// Red when: gate_is_open() ignores suspended_at.
test('a change in flight when the organization is suspended is not committed', async () => {
  const owner = await signUp('Acme')
  const client = await beginChange(owner, 'LATE')
  try {
    assert.equal((await suspend(owner.organization_id)).status, 200)
    await assert.rejects(client.query('commit'), /the gate closed before the commit/)
  } finally {
    client.release()
  }
  const { rows } = await admin.query('select from companies where organization_id = $1', [owner.organization_id])
  assert.equal(rows.length, 0)
})

// Red when: the trigger `revocation` of organizations leaves out suspended_at.
test('a suspension waits for a change that is being committed', async () => {
  const owner = await signUp('Acme')
  const client = await beginChange(owner, 'EARLY')
  try {
    await client.query('set constraints all immediate') // which the commit does first
    const suspending = suspend(owner.organization_id)
    assert.ok(await waits(admin, client, suspending))
    await client.query('commit')
    assert.equal((await suspending).status, 200)
  } finally {
    client.release()
  }
})

// Red when: guard_organization() lets another permission suspend or reactivate.
test('raw SQL of a member can neither suspend nor reactivate', async () => {
  const owner = await signUp('Acme')
  const session = (await owner.call('GET', '/api/v1/auth/me')).body.session.id
  const attempt = async (permission: string, sql: string) => {
    const client = await database.tenant.pool.connect()
    try {
      await client.query('begin')
      await client.query(
        `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', $3, true), set_config('app.context', '{}', true)`,
        [session, owner.organization_id, permission],
      )
      return (await client.query(sql)).rowCount
    } finally {
      await client.query('rollback')
      client.release()
    }
  }
  const suspended = `update organizations set suspended_at = now(), suspended_reason = 'x'`
  for (const permission of ['organization:write', 'organization:delete'])
    await assert.rejects(attempt(permission, suspended), { code: '42501' })
  assert.equal(await attempt('admin:organizations:write', suspended), 0)
  await suspend(owner.organization_id)
  for (const permission of ['organization:write', 'organization:delete', 'organization:leave'])
    assert.equal(await attempt(permission, 'update organizations set suspended_at = null, suspended_reason = null'), 0)
})

// Red when: tell_owners() tells others than owners, or twice.
test('the owners are told by email, with the reason, and the history has both acts', async () => {
  const { owner, member } = await suspendedTeam()
  const mails = await mailTo(owner.email)
  const suspended = mails.at(-1)!
  assert.equal(suspended.subject, 'Acme is suspended')
  assert.match(suspended.text, /The invoice of October is unpaid\./)
  assert.doesNotMatch(suspended.text, new RegExp(operator.email))
  await reactivate(owner.organization_id)
  assert.deepEqual(
    (await mailTo(owner.email)).map(({ subject }) => subject),
    ['Acme is active again'],
  )
  assert.ok((await mailTo(member.email)).every(({ subject }) => !/suspended|active again/.test(subject)))
  const { body } = await owner.call('GET', `/api/v1/audit-logs?actor=${operator.user_id}&limit=100`)
  assert.deepEqual(
    body.items.map(({ action, after }: { action: string; after: object }) => [action, after]),
    [
      ['operate', { operation: 'reactivateOrganization' }],
      ['update', { suspended_at: null, suspended_reason: null }],
      ['operate', { operation: 'suspendOrganization', details: { reason } }],
      ['update', { suspended_at: body.items[3].after.suspended_at, suspended_reason: reason }],
    ],
  )
  assert.notEqual(body.items[3].after.suspended_at, null)
})

// Red when: setSuspension() does not lock the row, or the second one changes the reason.
test('of two operators at once one suspends, and what cannot be done has a problem of its own', async () => {
  const owner = await signUp('Acme')
  const id = owner.organization_id
  assert.deepEqual(outcomeOf(await reactivate(id)), [409, 'organization-not-suspended'])
  const both = await meet(admin, ['select from organizations where id = $1 for update', id], 3, () =>
    Promise.all([suspend(id), suspend(id), suspend(id)]),
  )
  assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 409, 409])
  assert.deepEqual(outcomeOf(await suspend(id)), [409, 'organization-already-suspended'])
  const { rows } = await admin.query(
    `select from security_events where user_id = $1 and type = 'organization-suspended'`,
    [owner.user_id],
  )
  assert.equal(rows.length, 1)
  assert.deepEqual(outcomeOf(await suspend(randomUUID())), [404, 'not-found'])
  assert.deepEqual(errorOf(await operator.call('POST', `${LIST}/${id}/suspend`, {})), [422, '/reason'])
  assert.deepEqual(errorOf(await operator.call('POST', `${LIST}/${id}/suspend`, { reason: ' ' })), [422, '/reason'])
  const gone = await signUp('Gone')
  await gone.call('DELETE', `/api/v1/organizations/${gone.organization_id}`)
  for (const answer of [
    await suspend(gone.organization_id),
    await operator.call('GET', `${LIST}/${gone.organization_id}/members`),
  ])
    assert.deepEqual(outcomeOf(answer), [404, 'not-found'])
  assert.ok((await operator.call('GET', `${LIST}/${gone.organization_id}`)).body.deleted_at)
  assert.deepEqual(outcomeOf(await operator.call('GET', `${LIST}/${randomUUID()}`)), [404, 'not-found'])
})

// Red when: a filter is ignored or reversed; words_wanted() quotes wrongly; the order is that of the ids.
test('operators find organizations by words, kind, state and time, in pages', async () => {
  const word = `w${randomUUID().slice(0, 8)}`
  const owners: Person[] = []
  for (const name of [`${word} Àlpha-Beta`, `${word} O'Brien \\ Söhne`, `${word} Gamma`, `x${word}`])
    owners.push(await signUp(name))
  const [alpha, brien, gamma] = owners.map(({ organization_id }) => organization_id)
  const find = async (query: string) => idsOf(await operator.call('GET', `${LIST}?${query}`))
  assert.deepEqual(await find(`search=${word}`), [gamma, brien, alpha])
  assert.deepEqual(await find(`search=${word}&sort=created_at`), [alpha, brien, gamma])
  for (const [search, found] of [
    [`${word} alph`, [alpha]],
    ['BETA', [alpha]],
    [`${word}-gam`, [gamma]], // of the slug
    [`${word} o'br`, [brien]],
    [`${word} \\`, [brien]],
    [`${word} söh`, [brien]],
    [`${word} lpha`, []],
    [`${word} ' & ! : * ( <->`, []],
  ] as const)
    assert.deepEqual(
      (await find(`search=${encodeURIComponent(search)}`)).filter(id => owners.some(o => o.organization_id === id)),
      found,
      search,
    )
  await suspend(alpha!)
  await owners[1]!.call('DELETE', `/api/v1/organizations/${brien}`)
  const among = (query: string) => find(`search=${word}&${query}`)
  assert.deepEqual(await among('suspended=true'), [alpha])
  assert.deepEqual(await among('suspended=false'), [gamma, brien])
  assert.deepEqual(await among('deleted=true'), [brien])
  assert.deepEqual(await among('deleted=false'), [gamma, alpha])
  assert.deepEqual(await among('kind=personal'), [])
  const { body } = await operator.call('GET', `${LIST}/${gamma}`)
  assert.equal(body.member_count, 1)
  const next = new Date(Date.parse(body.created_at) + 1).toISOString()
  assert.deepEqual(await among(`from=${body.created_at}`), [gamma])
  assert.deepEqual(await among(`to=${next}`), [gamma, brien, alpha])
  assert.deepEqual(await among('to=0000-01-01T00:00:00Z'), [])
  assert.deepEqual(await among('from=9999-12-31T23:59:59-23:59'), [])
  assert.deepEqual(errorOf(await operator.call('GET', `${LIST}?from=2016-12-31T23:59:60Z`)), [422, '?from'])
  assert.deepEqual(errorOf(await operator.call('GET', `${LIST}?search=a+b+c+d+e+f+g+h+i`)), [422, '?search'])
  const first = await operator.call('GET', `${LIST}?search=${word}&limit=2&include_total=true`)
  assert.equal(first.body.total, 3)
  assert.deepEqual(await among(`limit=2&cursor=${first.body.next_cursor}`), [alpha])

  const kinds = await operator.call('GET', `${LIST}?kind=personal&limit=100`)
  assert.ok(kinds.body.items.every(({ kind }: { kind: string }) => kind === 'personal'))
  const times = kinds.body.items.map(({ created_at }: { created_at: string }) => created_at)
  assert.deepEqual(times, times.toSorted().toReversed(), 'ids of personal organizations have no order')
})

test('operators see the members of any organization, also of a suspended one', async () => {
  const { owner, member } = await suspendedTeam()
  const list = (query = '') => operator.call('GET', `${LIST}/${owner.organization_id}/members${query}`)
  assert.deepEqual(
    (await list()).body.items.map(({ user_id }: { user_id: string }) => user_id),
    [owner.user_id, member.user_id],
  )
  const found = await list(`?search=${encodeURIComponent(member.email)}`)
  assert.deepEqual(
    found.body.items.map(({ user_id }: { user_id: string }) => user_id),
    [member.user_id],
  )
})

// Red when: an index is missing, the condition of a state is not part of the SQL, or the search is no sub-select.
test('the lists of operators use the indexes', async () => {
  const client = await database.system.pool.connect()
  try {
    await client.query('begin')
    await client.query('set local enable_seqscan = off')
    await client.query('set local enable_sort = off')
    for (const [condition, index] of [
      ['order by created_at desc, id desc limit 21', 'organizations_created_at'],
      ['where suspended_at is not null order by created_at desc, id desc limit 21', 'organizations_suspended'],
      ['where deleted_at is not null order by created_at desc, id desc limit 21', 'organizations_deleted'],
    ] as const) {
      const { rows } = await client.query(`explain (costs off) select id from organizations ${condition}`)
      assert.match(JSON.stringify(rows), new RegExp(`${index}\\b`), condition)
    }
    // In the order of the list PostgreSQL would make the words of one organization after the other.
    const page = { limit: 20, after: undefined, includeTotal: false, seal: () => '' }
    for (const sort of ['created_at', '-created_at'] as const) {
      const { sql, parameters } = listOrganizations({ search: 'acme', sort }, page)
      const { rows } = await client.query(`explain (costs off) ${sql}`, [...parameters])
      assert.match(JSON.stringify(rows), /organizations_words\b/, sort)
    }
  } finally {
    await client.query('rollback')
    client.release()
  }
})
