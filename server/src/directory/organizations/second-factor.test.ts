import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, enrolApp, stepNow } from '../../../test/browsers/authenticator-app.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import { waits } from '../../../test/meeting.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

const app = await createTestApp()
const { admin, call, signUp, logIn, addMember, tokens } = app
const outcomeOf = ({ status, body }: Answer) => [status, body?.code ?? 'ok']
const demand = (person: Person, second_factor_required: boolean) =>
  person.call('PATCH', `/api/v1/organizations/${person.organization_id}`, { second_factor_required })

/** A team whose owner has a second factor, and demands one. */
async function demandingTeam() {
  const owner = await signUp('Acme')
  const { next } = await enrolApp(app, owner)
  const member = await addMember(owner, 'member')
  const answer = await demand(owner, true)
  assert.deepEqual([answer.status, answer.body.second_factor_required], [200, true])
  return { owner, member, next }
}

/** Brings back what enrolling has ended: how a session of one factor beside a second factor behaves, if there were one. */
const revive = (user_id: string) =>
  admin.query('update sessions set revoked_at = null, revoked_reason = null where user_id = $1', [user_id])

// Red when: platform/gate/gate.sql loses the trigger second_factor_rule, or either of its checks.
test('only an owner with a verified second factor can require one', async () => {
  const owner = await signUp('Acme')
  const [administrator, member] = [await addMember(owner, 'admin'), await addMember(owner, 'member')]
  assert.deepEqual(outcomeOf(await demand(owner, true)), [403, 'second-factor-required'])
  await enrolApp(app, administrator)
  assert.deepEqual(outcomeOf(await demand(administrator, true)), [403, 'owner-required'])
  assert.deepEqual(outcomeOf(await demand(member, true)), [403, 'permission-missing'])
  assert.deepEqual(outcomeOf(await demand(administrator, false)), [200, 'ok'], 'it changes nothing')

  // Another session of the same owner has verified it, but not this one.
  const elsewhere = await logIn(owner, owner.organization_id)
  await enrolApp(app, elsewhere)
  await revive(owner.user_id)
  assert.deepEqual(outcomeOf(await demand(owner, true)), [403, 'second-factor-required'])
  assert.deepEqual(outcomeOf(await demand(elsewhere, true)), [200, 'ok'])
  const history = await elsewhere.call('GET', '/api/v1/audit-logs?entity_type=organizations&action=update')
  assert.deepEqual(history.body.items[0].after, { second_factor_required: true })
  assert.equal(history.body.items[0].actor_id, owner.user_id)
})

// Red when: the trigger second_factor_rule runs before the trigger revocation, which locks the role.
test('an owner who concurrently loses the role or the factor cannot require one', async () => {
  const founder = await signUp('Acme')
  for (const [loss, code] of [
    [`update memberships set role = 'admin' where organization_id = $1 and user_id = $2`, 'owner-required'],
    [
      'update sessions set second_factor_at = null where $1::uuid is not null and user_id = $2',
      'second-factor-required',
    ],
  ] as const) {
    const owner = await addMember(founder, 'owner')
    await enrolApp(app, owner)
    const client = await admin.connect()
    await client.query('begin')
    await client.query('select from organizations where id = $1 for update', [owner.organization_id])
    const demanding = demand(owner, true)
    assert.ok(await waits(admin, client, demanding))
    await admin.query(loss, [owner.organization_id, owner.user_id])
    await client.query('commit')
    client.release()
    assert.deepEqual(outcomeOf(await demanding), [403, code])
  }
})

// Red when: the PUT handler resets an omitted value.
test('PUT keeps an omitted second_factor_required, and changes it only for an owner', async () => {
  const owner = await signUp('Acme')
  await enrolApp(app, owner)
  const administrator = await addMember(owner, 'admin')
  await enrolApp(app, administrator)
  await demand(owner, true)
  const path = `/api/v1/organizations/${owner.organization_id}`
  const { slug } = (await owner.call('GET', path)).body
  const renamed = await administrator.call('PUT', path, { name: 'Renamed', slug })
  assert.deepEqual([renamed.status, renamed.body.name, renamed.body.second_factor_required], [200, 'Renamed', true])
  const whole = { name: 'Renamed', slug, second_factor_required: false }
  assert.deepEqual(outcomeOf(await administrator.call('PUT', path, whole)), [403, 'owner-required'])
  const lifted = await owner.call('PUT', path, whole)
  assert.deepEqual([lifted.status, lifted.body.second_factor_required], [200, false])
})

// Red when: the gate or gate_state ignores second_factor_required.
test('members without a second factor get an error that says how to enrol, see nothing until then, and continue with the same token', async () => {
  const { owner, member } = await demandingTeam()
  const home = `/api/v1/organizations/${owner.organization_id}`
  const project = (await owner.call('POST', '/api/v1/projects', { name: 'Secret' })).body
  const requests: [string, string, object?][] = [
    ['GET', home],
    ['GET', `${home}/members`],
    ['GET', `${home}/members/${owner.user_id}`],
    ['GET', '/api/v1/projects'],
    ['GET', `/api/v1/projects/${project.id}`],
    ['POST', '/api/v1/projects', { name: 'Mine' }],
    ['DELETE', `/api/v1/projects/${project.id}`],
  ]
  for (const [method, path, body] of requests) {
    const answer = await member.call(method, path, body)
    assert.deepEqual(outcomeOf(answer), [403, 'second-factor-required'], `${method} ${path}`)
    assert.match(answer.body.detail, /POST \/api\/v1\/auth\/mfa\/totp/)
    assert.ok(!answer.text.includes('Secret'))
  }
  const me = await member.call('GET', '/api/v1/auth/me')
  assert.deepEqual(
    [me.status, me.body.organization.second_factor_required, me.body.role, me.body.permissions],
    [200, true, 'member', []],
  )
  const listed = (await member.call('GET', '/api/v1/organizations')).body.items
  assert.deepEqual(
    listed.find(({ id }: { id: string }) => id === owner.organization_id).second_factor_required,
    true,
    'who belongs to it sees that it is there',
  )
  const mfa = (await member.call('GET', '/api/v1/auth/mfa')).body
  assert.deepEqual(mfa.required_by, [{ id: owner.organization_id, name: 'Acme' }])

  await enrolApp(app, member)
  for (const [method, path, body] of requests.slice(0, 6))
    assert.ok((await member.call(method, path, body)).status < 300, `${method} ${path}`)
  assert.ok((await member.call('GET', '/api/v1/auth/me')).body.permissions.includes('projects:write'))
})

// Red when: is_way_out() or a policy `leaving` omits a permission.
test('a required second factor does not prevent leaving, transferring, deleting the organization or deleting the account', async () => {
  const ways: Record<string, (owner: Person, other: Person) => Promise<Answer>> = {
    leave: (_owner, other) => other.call('POST', `/api/v1/organizations/${other.organization_id}/leave`),
    transfer: (owner, { user_id }) =>
      owner.call('POST', `/api/v1/organizations/${owner.organization_id}/transfer`, { user_id }),
    close: owner => owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}`),
    delete: (_owner, other) => other.call('DELETE', '/api/v1/users/me'),
  }
  for (const [name, goes] of Object.entries(ways)) {
    const { owner, member } = await demandingTeam()
    await owner.call('POST', '/api/v1/projects', { name: 'Secret' })
    // An attack: make a user without a second factor the owner of a team that requires one, and leave.
    const trapped = await addMember(owner, 'owner')
    assert.equal((await owner.call('POST', `/api/v1/organizations/${owner.organization_id}/leave`)).status, 204)
    for (const path of ['/api/v1/projects', `/api/v1/organizations/${owner.organization_id}/members`])
      assert.deepEqual(outcomeOf(await trapped.call('GET', path)), [403, 'second-factor-required'])
    const answer = await goes(trapped, member)
    assert.deepEqual([answer.status, answer.text], [204, ''], `${name}: ${answer.text}`)
    if (name === 'close') assert.equal((await trapped.call('DELETE', '/api/v1/users/me')).status, 204)
  }
})

// Red when: is_way_out() does not check for another owner, or counts one whose account is not live.
test('an owner who can leave cannot transfer or delete the organization without the required second factor', async () => {
  const { owner, member } = await demandingTeam()
  const path = `/api/v1/organizations/${owner.organization_id}`
  const second = await addMember(owner, 'owner')
  const transfer = () => second.call('POST', `${path}/transfer`, { user_id: member.user_id })
  for (const answer of [await transfer(), await second.call('DELETE', path)])
    assert.deepEqual(outcomeOf(answer), [403, 'second-factor-required'])
  await app.admin.query('update users set disabled_at = now() where id = $1', [owner.user_id])
  assert.equal((await transfer()).status, 204, 'no other owner with a live account')
  await app.admin.query('update users set disabled_at = null where id = $1', [owner.user_id])
  const third = await addMember(owner, 'owner')
  assert.equal((await third.call('POST', `${path}/leave`)).status, 204)
})

// Red when: organization_table() or the policy `colleagues` allows reading when the gate has no `reads`.
test('without the required second factor, no statement of a leaving operation reads protected rows', async () => {
  const { owner, member } = await demandingTeam()
  await owner.call('POST', '/api/v1/projects', { name: 'Secret' })
  const { sid } = tokens.verify(member.access_token)
  const client = await app.database.tenant.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', 'organization:leave', true)`,
      [sid, member.organization_id],
    )
    const { rows: tables } = await client.query<{ name: string }>(
      `select c.relname as name from pg_class c where c.relnamespace = 'freehold'::regnamespace and c.relkind in ('r', 'p')
        and not c.relispartition and has_any_column_privilege(c.oid, 'select') and c.relname in
          (select table_name from information_schema.columns where table_schema = 'freehold' and column_name = 'organization_id')`,
    )
    const seen: Record<string, number> = {}
    for (const { name } of tables)
      seen[name] = (await client.query(`select organization_id from ${name}`)).rowCount ?? 0
    assert.ok(tables.length > 6)
    // The session and its own keys belong to the user; of the organization, only the user's own membership is visible.
    const { memberships, sessions: _own, ...others } = seen
    assert.equal(memberships, 1)
    assert.deepEqual(
      Object.entries(others).filter(([, rows]) => rows > 0),
      [],
    )
    assert.deepEqual((await client.query('select id from users')).rows, [{ id: member.user_id }])
  } finally {
    await client.query('rollback')
    client.release()
  }
})

test('no way to get a token gives a session without a second factor access to the organization', async () => {
  const { owner, member } = await demandingTeam()
  const organization_id = owner.organization_id
  const refreshed = await call('POST', '/api/v1/auth/refresh', { refresh_token: member.refresh_token, organization_id })
  const switched = await member.call('POST', '/api/v1/auth/switch-organization', { organization_id })
  const anew = await logIn(member, organization_id)
  const forged = tokens.sign({ ...tokens.verify(member.access_token), jti: 'forged', role: 'owner' })
  for (const token of [refreshed.body.access_token, switched.body.access_token, anew.access_token, forged]) {
    const authorization = `Bearer ${token}`
    assert.equal(tokens.verify(token).organization_id, organization_id)
    const answer = await call('GET', '/api/v1/projects', undefined, { authorization })
    assert.deepEqual(outcomeOf(answer), [403, 'second-factor-required'])
  }
  // Other organizations do not require it.
  const own = await member.call('POST', '/api/v1/organizations', { name: 'Own' })
  const there = await member.call('POST', '/api/v1/auth/switch-organization', { organization_id: own.body.id })
  const home = await call('GET', '/api/v1/projects', undefined, { authorization: `Bearer ${there.body.access_token}` })
  assert.equal(home.status, 200)
})

test('a sign-in with the second factor, a step-up by it and a trusted device open the organization', async () => {
  const { owner, next } = await demandingTeam()
  const { email, organization_id } = owner
  const log = (more: object = {}) =>
    call('POST', '/api/v1/auth/login', { email, password: PASSWORD, organization_id, ...more })
  const read = async (access_token: string) =>
    (await call('GET', '/api/v1/projects', undefined, { authorization: `Bearer ${access_token}` })).status

  const { mfa_token } = (await log()).body
  const verified = await call('POST', '/api/v1/auth/mfa/verify', { mfa_token, code: await next(), trust_device: true })
  assert.equal(await read(verified.body.access_token), 200)
  const trusted = await log({ device_token: verified.body.device_token })
  assert.equal(await read(trusted.body.access_token), 200)

  const member = await addMember(owner, 'member')
  const elsewhere = await logIn(member, organization_id)
  const theirs = await enrolApp(app, elsewhere)
  await revive(member.user_id)
  assert.equal(await read(elsewhere.access_token), 200)
  assert.equal(await read(member.access_token), 403, 'that session has proved nothing')
  const stepped = await member.call('POST', '/api/v1/auth/step-up', { code: await theirs.next() })
  assert.equal(await read(stepped.body.access_token), 200)
  assert.equal(await read(member.access_token), 200, 'it is the session that counts, not the token')
})

// Red when: completeRemoval does not reset second_factor_at.
test('removing the last second factor ends access at once, in every session, until a new one is enrolled', async () => {
  const { owner, next } = await demandingTeam()
  const { mfa_token } = (await call('POST', '/api/v1/auth/login', { email: owner.email, password: PASSWORD })).body
  const elsewhere = await call('POST', '/api/v1/auth/mfa/verify', { mfa_token, code: await next() })
  const authorization = `Bearer ${elsewhere.body.access_token}`
  assert.equal((await call('GET', '/api/v1/projects', undefined, { authorization })).status, 200)
  const proof = { code: await next() }
  assert.equal((await owner.call('DELETE', '/api/v1/auth/mfa/totp', { proof })).status, 204)
  for (const answer of [
    await owner.call('GET', '/api/v1/projects'),
    await call('GET', '/api/v1/projects', undefined, { authorization }),
    await demand(owner, false),
  ])
    assert.deepEqual(outcomeOf(answer), [403, 'second-factor-required'])
  await enrolApp(app, owner)
  assert.equal((await owner.call('GET', '/api/v1/projects')).status, 200)
})

test('a personal organization can require one too', async () => {
  const person = await signUp()
  await enrolApp(app, person)
  assert.equal((await demand(person, true)).status, 200)
  await admin.query('update sessions set second_factor_at = null where user_id = $1', [person.user_id])
  assert.deepEqual(outcomeOf(await person.call('GET', '/api/v1/projects')), [403, 'second-factor-required'])
})

test('a cursor is refused once a second factor is required', async () => {
  const owner = await signUp('Acme')
  await enrolApp(app, owner)
  const member = await addMember(owner, 'member')
  for (const name of ['One', 'Two', 'Three']) await owner.call('POST', '/api/v1/projects', { name })
  const page = (await member.call('GET', '/api/v1/projects?limit=1')).body
  await demand(owner, true)
  const next = await member.call('GET', `/api/v1/projects?limit=1&cursor=${page.next_cursor}`)
  assert.deepEqual(outcomeOf(next), [403, 'second-factor-required'])
})

// Red when: gate_state gives second_factor_missing to a non-member.
test('a non-member does not learn whether an organization requires a second factor', async () => {
  const [{ owner }, plain, stranger] = [await demandingTeam(), await signUp('Plain'), await signUp()]
  const answers = await Promise.all(
    [owner, plain].map(({ organization_id }) => {
      const claims = {
        ...tokens.verify(stranger.access_token),
        jti: 'stranger',
        organization_id,
        tenant_id: organization_id,
        role: 'owner',
      } as const
      return call('GET', '/api/v1/projects', undefined, { authorization: `Bearer ${tokens.sign(claims)}` })
    }),
  )
  for (const answer of answers) assert.deepEqual(outcomeOf(answer), [401, 'membership-ended'])
  const client = await admin.connect()
  await client.query(
    `select set_config('app.session_id', $1, false), set_config('app.organization_id', $2, false), set_config('app.permission', 'admin:audit:read', false)`,
    [tokens.verify(stranger.access_token).sid, owner.organization_id],
  )
  const { rows } = await client.query('select second_factor_missing from gate_state')
  client.release(true)
  assert.deepEqual(rows, [{ second_factor_missing: false }])
})

test('two concurrent changes of the requirement and a confirmation leave a requirement that the owner meets', async () => {
  const owner = await signUp('Acme')
  const { secret } = (await owner.call('POST', '/api/v1/auth/mfa/totp')).body
  const [confirmed, ...demanded] = await Promise.all([
    owner.call('POST', '/api/v1/auth/mfa/totp/confirm', {
      code: codeOf(secret, stepNow()),
      proof: { password: PASSWORD },
    }),
    demand(owner, true),
    demand(owner, true),
  ])
  assert.equal(confirmed.status, 200)
  for (const answer of demanded) assert.ok([200, 403].includes(answer.status), answer.text)
  assert.equal((await owner.call('GET', '/api/v1/projects')).status, 200)
})
