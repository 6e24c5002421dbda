import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { test } from 'node:test'
import { waits } from '../../../test/meeting.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// One organization, its administrator, and two operators: the second one has been a superuser for eight days.

const { admin, call, database, signUp, addMember, logIn, tokens, mailTo } = await createTestApp()

/** Past the trigger that keeps since when, and by whom, an account is a superuser. */
async function makeSuperuser(person: Person, days: number, through: readonly string[] = []): Promise<Person> {
  const client = await admin.connect()
  try {
    await client.query('begin; set local session_replication_role = replica')
    await client.query(
      `update users set superuser = true, superuser_since = now() - make_interval(days => $2), superuser_through = $3 where id = $1`,
      [person.user_id, days, through],
    )
    await client.query('commit')
  } finally {
    client.release()
  }
  return person
}

const owner = await signUp('Acme')
const administrator = await addMember(owner, 'admin')
const member = await addMember(owner, 'member')
const operator = await makeSuperuser(await signUp(), 0)
const second = await makeSuperuser(await signUp(), 8)
const base = `/api/v1/organizations/${owner.organization_id}/support`
const asking = { reason: 'Ticket 4711: the project list stays empty.' }

const expect = (answer: Answer, status: number, code?: string): Answer => {
  assert.equal(answer.status, status, answer.text)
  if (code !== undefined) assert.equal(answer.body.code, code)
  return answer
}
const ask = async (body: object = asking, by = operator): Promise<string> =>
  expect(await by.call('POST', `/api/v1/admin/organizations/${owner.organization_id}/support`, body), 201).body.id
const approve = async (id: string, body: object = {}) =>
  expect(await administrator.call('POST', `${base}/${id}/approve`, body), 200).body
const tokenFor = async (id: string): Promise<string> =>
  expect(await operator.call('POST', `/api/v1/admin/support/${id}/token`), 200).body.access_token
type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
const callWith =
  (token: string): Call =>
  (method, path, body, headers = {}) =>
    call(method, path, body, { authorization: `Bearer ${token}`, ...headers })
/** A new access with this role, open. */
async function open(role: 'viewer' | 'member' = 'viewer'): Promise<{ id: string; call: Call }> {
  const id = await ask({ ...asking, role })
  await approve(id)
  return { id, call: callWith(await tokenFor(id)) }
}
const historyOf = async (id: string) =>
  (
    await admin.query(
      `select action, entity_type, actor_id, operator_id, after ->> 'path' as path from audit_log where organization_id = $1 and actor_id = $2 order by sequence`,
      [owner.organization_id, id],
    )
  ).rows

test('an administrator grants what an operator asks for, and a token of the operator reads as a viewer', async () => {
  const id = await ask()
  const asked = expect(await administrator.call('GET', `${base}/${id}`), 200).body
  assert.deepEqual(
    [asked.status, asked.role, asked.minutes, asked.reason, asked.operator_id, asked.emergency, asked.expires_at],
    ['requested', 'viewer', 60, asking.reason, operator.user_id, false, null],
  )
  expect(await operator.call('POST', `/api/v1/admin/support/${id}/token`), 409, 'support-access-not-open')
  const granted = await approve(id, { minutes: 480 })
  assert.deepEqual([granted.status, granted.granted_by], ['open', administrator.user_id])
  assert.equal(Date.parse(granted.expires_at) - Date.parse(granted.opens_at), 8 * 3600_000)

  const { body } = expect(await operator.call('POST', `/api/v1/admin/support/${id}/token`), 200)
  assert.equal(body.expires_in, 900)
  assert.equal(body.refresh_token, undefined)
  const claims = tokens.verify(body.access_token)
  assert.deepEqual(
    [claims.sub, claims.user_id, claims.act, claims.role, claims.organization_id],
    [id, id, { sub: operator.user_id }, 'viewer', owner.organization_id],
  )
  const support = callWith(body.access_token)
  await owner.call('POST', '/api/v1/projects', { name: 'Apollo' })
  assert.equal((await support('GET', '/api/v1/projects')).body.items[0].name, 'Apollo')
  expect(await support('POST', '/api/v1/projects', { name: 'No' }), 403, 'support-access-limited')
})

test('each request is one entry of the audit log, also one that only reads or is refused', async () => {
  const { id, call: support } = await open()
  const { body: project } = await owner.call('POST', '/api/v1/projects', { name: 'Gemini' })
  expect(await support('GET', '/api/v1/projects?limit=5'), 200)
  expect(await support('GET', `/api/v1/projects/${project.id}`), 200)
  expect(await support('GET', `/api/v1/projects/${randomUUIDv7()}`), 404)
  expect(await support('GET', `/api/v1/organizations/${owner.organization_id}`), 200)
  expect(await support('PATCH', `/api/v1/projects/${project.id}`, { name: 'No' }), 403)
  expect(await support('GET', '/api/v1/auth/me'), 403, 'support-access-limited')
  const entries = await historyOf(id)
  assert.deepEqual(
    entries.map(({ action }) => action),
    ['listProjects', 'getProject', 'getProject', 'getOrganization', 'updateProject', 'getMe'],
  )
  assert.equal(entries[1].path, `/api/v1/projects/${project.id}`)
  assert.ok(entries.every(entry => entry.entity_type === 'support' && entry.operator_id === operator.user_id))
  const { body } = await administrator.call('GET', `/api/v1/audit-logs?actor=${id}&action=listProjects`)
  assert.deepEqual([body.items.length, body.items[0].operator_id], [1, operator.user_id])
})

test('with the role member it changes projects, in the name of the support access and of no member', async () => {
  const { id, call: support } = await open('member')
  const made = expect(await support('POST', '/api/v1/projects', { name: 'Mercury' }), 201).body
  assert.equal(made.created_by, null)
  expect(await support('DELETE', `/api/v1/projects/${made.id}`), 204)
  const entries = (await historyOf(id)).filter(({ entity_type }) => entity_type === 'projects')
  assert.deepEqual(
    entries.map(({ action, actor_id, operator_id }) => [action, actor_id, operator_id]),
    [
      ['insert', id, operator.user_id],
      ['delete', id, operator.user_id],
    ],
  )
})

test('an Idempotency-Key works under support access, apart from the keys of the operator', async () => {
  const { call: support } = await open('member')
  const key = { 'idempotency-key': 'one' }
  const first = expect(await support('POST', '/api/v1/projects', { name: 'Vostok' }, key), 201)
  const again = expect(await support('POST', '/api/v1/projects', { name: 'Vostok' }, key), 201)
  assert.deepEqual([again.body.id, again.headers['idempotent-replayed']], [first.body.id, 'true'])
  const own = await logIn(operator)
  const theirs = expect(await own.call('POST', '/api/v1/projects', { name: 'Vostok' }, key), 201)
  assert.notEqual(theirs.body.id, first.body.id)
})

test('it reaches no account, member, role, invitation, export or administration, whatever its role', async () => {
  const { call: support } = await open('member')
  const place = `/api/v1/organizations/${owner.organization_id}`
  for (const [method, path, body] of [
    ['GET', '/api/v1/auth/me'],
    ['POST', '/api/v1/auth/switch-organization', { organization_id: owner.organization_id }],
    ['POST', '/api/v1/auth/step-up', { password: operator.password }],
    ['GET', '/api/v1/users/me'],
    ['GET', '/api/v1/users/sessions'],
    ['GET', '/api/v1/organizations'],
    ['GET', '/api/v1/users'],
    ['GET', `${place}/members`],
    ['GET', `${place}/roles`],
    ['GET', `${place}/invitations`],
    ['GET', base],
    ['POST', `${place}/leave`],
    ['POST', `${place}/transfer`, { user_id: member.user_id }],
    ['DELETE', place],
    ['GET', '/api/v1/audit-logs'],
    ['GET', '/api/v1/admin/support'],
  ] as const)
    expect(await support(method, path, body), 403, 'support-access-limited')
  // Who works where is about members, whatever the permission to read the structure says.
  const { body: company } = await owner.call('POST', '/api/v1/org/companies', { code: 'ACME', name: 'Acme' })
  expect(await support('GET', `/api/v1/org/companies/${company.id}`), 200)
  expect(await support('GET', `/api/v1/org/people/${member.user_id}/departments`), 404)
})

test('signing out with the token of a support access ends nothing', async () => {
  const { call: support } = await open()
  expect(await support('POST', '/api/v1/auth/logout'), 401, 'not-signed-in')
  expect(await operator.call('GET', '/api/v1/users/me'), 200)
})

test('either side ends it at once', async () => {
  for (const end of [
    (id: string) => administrator.call('DELETE', `${base}/${id}`),
    (id: string) => operator.call('DELETE', `/api/v1/admin/support/${id}`),
  ]) {
    const { id, call: support } = await open('member')
    expect(await support('GET', '/api/v1/projects'), 200)
    expect(await end(id), 204)
    for (const path of ['/api/v1/projects', '/api/v1/auth/me'])
      expect(await support('GET', path), 401, 'support-access-ended')
    assert.match((await support('GET', '/api/v1/projects')).headers['www-authenticate'] ?? '', /^Bearer/)
    expect(await end(id), 409, 'support-access-decided')
    expect(await operator.call('POST', `/api/v1/admin/support/${id}/token`), 409, 'support-access-not-open')
  }
})

test('it ends with the session of the operator, with the role of superuser, and with its time', async () => {
  const { id, call: support } = await open()
  const change = async (sql: string, ...values: unknown[]) => {
    const client = await admin.connect()
    await client.query('begin; set local session_replication_role = replica')
    await client.query(sql, values)
    await client.query('commit').finally(() => client.release())
  }
  const { sid } = tokens.verify(operator.access_token)
  for (const [closing, opening, of] of [
    [
      'update sessions set revoked_at = now() where id = $1',
      'update sessions set revoked_at = null where id = $1',
      sid,
    ],
    [
      'update users set superuser = false where id = $1',
      'update users set superuser = true where id = $1',
      operator.user_id,
    ],
    [
      'update users set disabled_at = now() where id = $1',
      'update users set disabled_at = null where id = $1',
      operator.user_id,
    ],
    [
      'update organizations set deleted_at = now() where id = $1',
      'update organizations set deleted_at = null where id = $1',
      owner.organization_id,
    ],
    [
      `update support_grants set expires_at = now() - interval '1 second' where id = $1`,
      `update support_grants set expires_at = now() + interval '1 hour' where id = $1`,
      id,
    ],
  ] as const) {
    await change(closing, of)
    expect(await support('GET', '/api/v1/projects'), 401, 'support-access-ended')
    await change(opening, of)
    expect(await support('GET', '/api/v1/projects'), 200)
  }
})

test('a token for another session, access or organization opens nothing', async () => {
  const { id } = await open()
  const claims = tokens.verify(await tokenFor(id))
  const other = await signUp('Globex')
  for (const changes of [
    { sid: tokens.verify(second.access_token).sid, act: { sub: second.user_id } },
    { sub: randomUUIDv7() },
    { organization_id: other.organization_id, tenant_id: other.organization_id },
  ])
    expect(
      await callWith(tokens.sign({ ...claims, ...changes }))('GET', '/api/v1/projects'),
      401,
      'support-access-ended',
    )
  expect(await second.call('POST', `/api/v1/admin/support/${id}/token`), 409, 'support-access-not-open')
})

test('what it writes does not commit once it was ended', async () => {
  const { id, call: support } = await open('member')
  const client = await admin.connect()
  try {
    // The insert waits for this lock; meanwhile the access is ended.
    await client.query('begin')
    await client.query('lock table projects in share mode')
    const writing = support('POST', '/api/v1/projects', { name: 'Too late' })
    assert.ok(await waits(admin, client, writing))
    expect(await administrator.call('DELETE', `${base}/${id}`), 204)
    await client.query('commit')
    expect(await writing, 401, 'support-access-ended')
  } finally {
    client.release()
  }
  const { rowCount } = await admin.query(`select from projects where name = 'Too late'`)
  assert.equal(rowCount, 0)
})

// Red when: the trigger `revocation` is dropped, so that nothing waits and the check at the commit sees the old row.
test('ending it waits for what it is committing', async () => {
  const { id } = await open('member')
  const client = await database.tenant.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', 'projects:write', true),
        set_config('app.support_id', $3, true), set_config('app.context', '{}', true)`,
      [tokens.verify(operator.access_token).sid, owner.organization_id, id],
    )
    await client.query(`insert into projects (organization_id, name, slug) values ($1, 'Early', $2)`, [
      owner.organization_id,
      id,
    ])
    await client.query('set constraints all immediate') // which the commit does first
    const ending = administrator.call('DELETE', `${base}/${id}`)
    assert.ok(await waits(admin, client, ending))
    await client.query('commit')
    expect(await ending, 204)
  } finally {
    client.release()
  }
})

test('access that ends while it writes leaves neither a late row nor an error of the service', async () => {
  await Promise.all(
    [1, 2, 3, 4].map(async number => {
      const { id, call: support } = await open('member')
      const writings = [1, 2, 3, 4].map(nth =>
        support('POST', '/api/v1/projects', { name: `Racing ${number} ${nth} ${id}` }),
      )
      const ending =
        number % 2 === 0
          ? administrator.call('DELETE', `${base}/${id}`)
          : operator.call('DELETE', `/api/v1/admin/support/${id}`)
      const [answers, ended] = await Promise.all([Promise.all(writings), ending])
      expect(ended, 204)
      for (const answer of answers)
        assert.ok(answer.status === 201 || answer.body.code === 'support-access-ended', answer.text)
      const { rows } = await admin.query('select id from projects where name like $1', [`Racing ${number} % ${id}`])
      const made = answers.flatMap(({ status, body }) => (status === 201 ? [body.id] : []))
      assert.deepEqual(rows.map(row => row.id).toSorted(), made.toSorted())
    }),
  )
})

test('a second operator opens it in an emergency, and the owners are told a quarter of an hour before', async () => {
  const id = await ask()
  expect(await operator.call('POST', `/api/v1/admin/support/${id}/approve`, {}), 409, 'own-support-access')
  const week = await makeSuperuser(await signUp(), 6)
  const protege = await makeSuperuser(await signUp(), 8, [operator.user_id])
  const second_hand = await makeSuperuser(await signUp(), 8, [randomUUIDv7(), operator.user_id])
  for (const person of [week, protege, second_hand])
    expect(await person.call('POST', `/api/v1/admin/support/${id}/approve`, {}), 403, 'second-operator-required')
  const granted = expect(await second.call('POST', `/api/v1/admin/support/${id}/approve`, { minutes: 30 }), 200).body
  assert.deepEqual([granted.status, granted.emergency, granted.granted_by], ['scheduled', true, second.user_id])
  assert.equal(Date.parse(granted.opens_at) - Date.parse(granted.granted_at), 15 * 60_000)
  assert.equal(Date.parse(granted.expires_at) - Date.parse(granted.opens_at), 30 * 60_000)
  expect(await operator.call('POST', `/api/v1/admin/support/${id}/token`), 409, 'support-access-not-open')
  expect(await owner.call('DELETE', `${base}/${id}`), 204)
})

// Red when: note_superuser() keeps only the last one who gave the role, or forgets who lost it since.
test('who became an operator through the first one, directly or not, is no second operator', async () => {
  const [root, middle, last] = [await makeSuperuser(await signUp(), 8), await signUp(), await signUp()]
  const set = async (by: Person, person: Person, superuser: boolean) =>
    expect(await by.call('PATCH', `/api/v1/admin/users/${person.user_id}`, { superuser }), 200)
  await set(root, middle, true)
  await set(middle, last, true)
  await set(root, middle, false)
  const { rows } = await admin.query('select superuser_through from users where id = $1', [last.user_id])
  assert.deepEqual(rows[0].superuser_through, [middle.user_id, root.user_id])
  const id = await ask(asking, root)
  await makeSuperuser(last, 8, rows[0].superuser_through)
  expect(await last.call('POST', `/api/v1/admin/support/${id}/approve`, {}), 403, 'second-operator-required')

  // Nor does an operator of long standing grant it to one who was made for it.
  const puppet = await signUp()
  await set(root, puppet, true)
  const asked = await ask(asking, puppet)
  expect(await root.call('POST', `/api/v1/admin/support/${asked}/approve`, {}), 403, 'second-operator-required')
  await makeSuperuser(puppet, 8, [root.user_id])
  expect(await root.call('POST', `/api/v1/admin/support/${asked}/approve`, {}), 200)
})

test('the owners are told by email when it is asked for, granted and ended', async () => {
  await mailTo(owner.email)
  const id = await ask({ reason: 'See https://evil.example for details' })
  await approve(id)
  expect(await administrator.call('DELETE', `${base}/${id}`), 204)
  const urgent = await ask()
  expect(await second.call('POST', `/api/v1/admin/support/${urgent}/approve`, {}), 200)
  const mails = await mailTo(owner.email)
  assert.deepEqual(
    mails.map(({ subject }) => subject),
    [
      'Support access to Acme was requested',
      'Support access to Acme was granted',
      'Support access to Acme has ended',
      'Support access to Acme was requested',
      'Emergency support access to Acme opens soon',
    ],
  )
  // No email client makes a link of it.
  assert.match(mails[0]!.text, /See https:\u2060\/\u2060\/\u2060evil\.\u2060example for details/)
})

test('an administrator who is an operator too does not grant the own request', async () => {
  const both = await makeSuperuser(await addMember(owner, 'admin'), 30)
  const id = await ask(asking, both)
  expect(await both.call('POST', `${base}/${id}/approve`, {}), 409, 'own-support-access')
  expect(await both.call('POST', `/api/v1/admin/support/${id}/approve`, {}), 409, 'own-support-access')
  // As the support access, the operator has the role that was granted and not the one of the own membership.
  await approve(id)
  const { body } = await both.call('POST', `/api/v1/admin/support/${id}/token`)
  expect(await callWith(body.access_token)('POST', '/api/v1/projects', { name: 'No' }), 403, 'support-access-limited')
})

/** An organization of its own, with what its owner and operators do to it. */
async function createSuspendable() {
  const initech = await signUp('Initech')
  const path = `/api/v1/admin/organizations/${initech.organization_id}`
  const own = `/api/v1/organizations/${initech.organization_id}/support`
  return {
    request: async (): Promise<string> => expect(await operator.call('POST', `${path}/support`, asking), 201).body.id,
    grant: async (id: string) => expect(await initech.call('POST', `${own}/${id}/approve`), 200),
    grantInEmergency: async (id: string) =>
      expect(await second.call('POST', `/api/v1/admin/support/${id}/approve`), 200),
    endByOwner: (id: string) => initech.call('DELETE', `${own}/${id}`),
    endByOperator: async (id: string) => expect(await operator.call('DELETE', `/api/v1/admin/support/${id}`), 204),
    suspend: async () => expect(await operator.call('POST', `${path}/suspend`, { reason: 'Unpaid.' }), 200),
    reactivate: () => operator.call('POST', `${path}/reactivate`),
  }
}

// Red when: getOpenSupport() or gate_state does not read suspended_at.
test('a suspension closes the organization for support access, too', async () => {
  const { request, grant, suspend, reactivate } = await createSuspendable()
  const id = await request()
  await grant(id)
  const support = callWith(await tokenFor(id))
  await suspend()
  expect(await support('GET', '/api/v1/projects'), 403, 'organization-suspended')
  expect(await operator.call('POST', `/api/v1/admin/support/${id}/token`), 403, 'organization-suspended')
  expect(await reactivate(), 200)
  expect(await support('GET', '/api/v1/projects'), 200)
  await tokenFor(id)
})

// Red when: reactivateOrganization does not ask hasUncontestedAccess(), or that one does not compare the times.
test('a suspension does not take the time from the owners in which they can end an emergency access', async () => {
  const { request, grant, grantInEmergency, endByOwner, endByOperator, suspend, reactivate } = await createSuspendable()
  const pass = (id: string) => admin.query('update support_grants set opens_at = now() where id = $1', [id])
  const scheduled = await request()
  await grantInEmergency(scheduled)
  await suspend()
  expect(await endByOwner(scheduled), 403, 'organization-suspended')
  const later = await request()
  await grantInEmergency(later)
  for (const id of [scheduled, later]) {
    await pass(id)
    expect(await reactivate(), 409, 'support-access-uncontested')
    await endByOperator(id)
  }
  expect(await reactivate(), 200)
  expect(await reactivate(), 409, 'organization-not-suspended')

  // One that they could have ended, or that an administrator has granted, is no reason.
  const contested = await request()
  await grantInEmergency(contested)
  await pass(contested)
  await grant(await request())
  await suspend()
  expect(await reactivate(), 200)
  expect(await endByOwner(contested), 204)
})

test('a request is decided once, and not after a week', async () => {
  const id = await ask()
  expect(await administrator.call('POST', `${base}/${id}/deny`), 204)
  assert.equal((await administrator.call('GET', `${base}/${id}`)).body.status, 'denied')
  const withdrawn = await ask()
  expect(await operator.call('DELETE', `/api/v1/admin/support/${withdrawn}`), 204)
  assert.equal((await operator.call('GET', `/api/v1/admin/support/${withdrawn}`)).body.status, 'withdrawn')
  const old = await ask()
  await admin.query(`update support_grants set created_at = now() - interval '8 days' where id = $1`, [old])
  assert.equal((await administrator.call('GET', `${base}/${old}`)).body.status, 'expired')
  const { id: granted } = await open()
  for (const decided of [id, withdrawn, old, granted]) {
    expect(await administrator.call('POST', `${base}/${decided}/approve`, {}), 409, 'support-access-decided')
    expect(await administrator.call('POST', `${base}/${decided}/deny`), 409, 'support-access-decided')
    expect(await second.call('POST', `/api/v1/admin/support/${decided}/approve`, {}), 409, 'support-access-decided')
  }
  const twice = await ask()
  const answers = await Promise.all([1, 2].map(() => administrator.call('POST', `${base}/${twice}/approve`, {})))
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409])
})

test('bad input gets a problem that names it', async () => {
  const path = `/api/v1/admin/organizations/${owner.organization_id}/support`
  for (const [body, pointer] of [
    [{ ...asking, minutes: 481 }, '/minutes'],
    [{ ...asking, minutes: 0 }, '/minutes'],
    [{ ...asking, role: 'admin' }, '/role'],
    [{ reason: ' ' }, '/reason'],
    [{}, '/reason'],
  ] as const) {
    const answer = expect(await operator.call('POST', path, body), 422, 'invalid-fields')
    assert.equal(answer.body.errors[0].pointer, pointer)
  }
  const id = await ask()
  for (const who of [administrator, second]) {
    const at = who === second ? '/api/v1/admin/support' : base
    expect(await who.call('POST', `${at}/${id}/approve`, { minutes: 481 }), 422)
  }
  const unknown = expect(await operator.call('GET', `/api/v1/admin/support?organization_id=${randomUUIDv7()}`), 422)
  assert.equal(unknown.body.errors[0].pointer, '?organization_id')
  expect(await operator.call('POST', `/api/v1/admin/organizations/${randomUUIDv7()}/support`, asking), 404)
  expect(await operator.call('GET', `/api/v1/admin/support/${randomUUIDv7()}`), 404)
  for (const [method, at] of [
    ['GET', `/api/v1/admin/support/${id}`],
    ['GET', `/api/v1/admin/support/${randomUUIDv7()}`],
    ['POST', `/api/v1/admin/support/${id}/token`],
    ['DELETE', `/api/v1/admin/support/${id}`],
  ] as const)
    expect(await administrator.call(method, at), 403, 'permission-missing')
  const globex = await signUp('Globex')
  for (const at of [id, randomUUIDv7()])
    expect(await globex.call('GET', `/api/v1/organizations/${globex.organization_id}/support/${at}`), 404)
  expect(await member.call('GET', base), 403, 'permission-missing')
})

test('operators list all support access, an organization its own', async () => {
  const id = await ask()
  const { body } = await second.call(
    'GET',
    `/api/v1/admin/support?organization_id=${owner.organization_id}&status=requested`,
  )
  assert.ok(body.items.some((item: { id: string }) => item.id === id))
  assert.ok(body.items.every((item: { status: string }) => item.status === 'requested'))
  const own = await administrator.call('GET', `${base}?status=requested&limit=1`)
  assert.equal(own.body.items[0].id, id)
  const none = await second.call('GET', `/api/v1/admin/support?operator_id=${second.user_id}`)
  assert.deepEqual(none.body.items, [])
})

test('the request and every step are in the history of the organization', async () => {
  const { id } = await open()
  expect(await administrator.call('DELETE', `${base}/${id}`), 204)
  const { rows } = await admin.query(
    `select action, actor_id, after ->> 'operation' as operation from audit_log where organization_id = $1 and entity_id = $2 order by sequence`,
    [owner.organization_id, id],
  )
  assert.deepEqual(
    rows.map(({ action, actor_id, operation }) => [action, actor_id, operation]),
    [
      ['insert', operator.user_id, null],
      ['operate', operator.user_id, 'requestSupportAccess'],
      ['update', administrator.user_id, null],
      ['operate', operator.user_id, 'createSupportToken'],
      ['update', administrator.user_id, null],
    ],
  )
})
