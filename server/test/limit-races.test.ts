import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { onTestDatabase, request, startServiceProcess } from './programs/service-process.ts'
import { createTestApp } from './test-app.ts'

// Two processes of the service at once: a limit is never exceeded, and whatever is left of it can be used.

const { admin, signUp, tokens, verify } = await createTestApp()
const services = await Promise.all([startServiceProcess(onTestDatabase()), startServiceProcess(onTestDatabase())])
after(() => Promise.all(services.map(service => service.end('SIGTERM'))))

const REQUESTS = 200
const LIMIT = 10

const newOwner = async () => {
  const owner = await signUp('Race')
  await verify(owner)
  return owner
}
const allow = (organization_id: string, maxima: object) =>
  admin.query('insert into allowances (organization_id, id, maxima) values ($1, new_id(), $2)', [
    organization_id,
    maxima,
  ])
const usedOf = async (organization_id: string, key: string) => {
  const { rows } = await admin.query('select used::int from limit_usage where organization_id = $1 and key = $2', [
    organization_id,
    key,
  ])
  return rows[0]?.used
}
const countDeadlocks = async (): Promise<number> => {
  const { rows } = await admin.query('select deadlocks::int from pg_stat_database where datname = current_database()')
  return rows[0].deadlocks
}
/** One request for each token, every second one to the other process, and how often each response came. */
async function atOnce(calls: { token: string; path: string; body?: object }[]): Promise<Record<string, number>> {
  const answers = await Promise.all(
    calls.map(({ token, path, body }, n) =>
      request(services[n % 2]!.url, 'POST', path, body, { authorization: `Bearer ${token}` }),
    ),
  )
  const counts: Record<string, number> = {}
  for (const { status, body: { code, limit, used } = {} } of answers) {
    const outcome = status < 400 ? String(status) : `${code} ${limit} ${used}`
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

/** Users with an invitation and a session, written in bulk: their sign-ups would take most of the time. */
async function inviteMany(owner: { organization_id: string; user_id: string }, count: number) {
  const { rows } = await admin.query<{ user_id: string; session_id: string; invitation_id: string; email: string }>(
    `with people as (insert into users (email, email_verified_at)
        select 'racer-' || new_id() || '@example.com', now() from generate_series(1, $3::int) returning id, email),
      signed_in as (insert into sessions (user_id, expires_at) select id, now() + interval '1 hour' from people returning id, user_id),
      invited as (insert into invitations (organization_id, email, role, invited_by, mail_at) select $1, email, 'member', $2, null from people returning id, email)
    select p.id as user_id, s.id as session_id, i.id as invitation_id, p.email from people p join signed_in s on s.user_id = p.id join invited i on i.email = p.email`,
    [owner.organization_id, owner.user_id, count],
  )
  return rows.map(({ user_id, session_id, invitation_id, email }) => ({
    path: `/api/v1/users/me/invitations/${invitation_id}/accept`,
    token: tokens.sign({
      sub: user_id,
      user_id,
      sid: session_id,
      email,
      jti: randomUUID(),
      auth_time: Math.floor(Date.now() / 1000),
    }),
  }))
}

// Red when: count_use() reads the count before it updates it, or does not lock while nothing is counted yet.
test('of two hundred who join at once, exactly as many as there are seats are members', async t => {
  const owner = await newOwner()
  const calls = await inviteMany(owner, REQUESTS)
  const before = await countDeadlocks()
  await allow(owner.organization_id, { seats: LIMIT })
  const counts = await atOnce(calls)
  t.diagnostic(JSON.stringify(counts))
  assert.deepEqual(counts, { 200: LIMIT - 1, [`seats-exhausted ${LIMIT} ${LIMIT}`]: REQUESTS - LIMIT + 1 })
  const { rows } = await admin.query(
    `select (select count(*)::int from memberships where organization_id = $1 and deleted_at is null) as members,
      (select count(*)::int from invitations where organization_id = $1 and accepted_at is null and revoked_at is null) as open`,
    [owner.organization_id],
  )
  assert.deepEqual(rows, [{ members: LIMIT, open: REQUESTS - LIMIT + 1 }])
  assert.equal(await usedOf(owner.organization_id, 'seats'), LIMIT)
  assert.equal(await countDeadlocks(), before)
})

// Red when: count_use() reads the count before it updates it.
for (const [quota, bodyOf] of [
  ['projects', n => ({ name: 'Boat', slug: `boat-${n}` })],
  ['workspaces', n => ({ name: 'Boat', workspace_path: `/boats/${n}` })],
] as [string, (n: number) => object][])
  test(`of two hundred ${quota} that are created at once, exactly as many as the quota allows exist`, async t => {
    const { access_token, organization_id } = await newOwner()
    await allow(organization_id, { [quota]: LIMIT })
    const counts = await atOnce(
      Array.from({ length: REQUESTS }, (_, n) => ({
        token: access_token,
        path: `/api/v1/${quota}`,
        body: bodyOf(n),
      })),
    )
    t.diagnostic(JSON.stringify(counts))
    assert.deepEqual(counts, { 201: LIMIT, [`quota-exhausted ${LIMIT} ${LIMIT}`]: REQUESTS - LIMIT })
    const { rows } = await admin.query(`select count(*)::int as used from ${quota} where organization_id = $1`, [
      organization_id,
    ])
    assert.equal(rows[0].used, LIMIT)
    assert.equal(await usedOf(organization_id, quota), LIMIT)
  })

test('for projects it also holds when the limit comes in the middle', async t => {
  const owner = await newOwner()
  const calls = Array.from({ length: REQUESTS }, (_, n) => ({
    token: owner.access_token,
    path: '/api/v1/projects',
    body: { name: 'Boat', slug: `boat-${n}` },
  }))
  const before = await countDeadlocks()
  const [counts] = await Promise.all([atOnce(calls), allow(owner.organization_id, { projects: LIMIT })])
  t.diagnostic(JSON.stringify(counts))
  const { rows } = await admin.query('select count(*)::int as projects from projects where organization_id = $1', [
    owner.organization_id,
  ])
  // What was created before the limit came is counted, and nothing above it was added later.
  const { projects } = rows[0]
  assert.ok(projects >= LIMIT)
  assert.deepEqual(counts, { 201: projects, [`quota-exhausted ${LIMIT} ${projects}`]: REQUESTS - projects })
  assert.equal(await usedOf(owner.organization_id, 'projects'), projects)
  assert.equal(await countDeadlocks(), before)
})
