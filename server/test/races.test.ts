import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createTestApp } from './test-app.ts'
import { waits } from './meeting.ts'
import type { Answer, Person } from './test-app.ts'

const { admin, call, mailTo, signUp, verify, logIn, addMember } = await createTestApp({ DATABASE_POOL_SIZE: '30' })

const atOnce = (count: number, request: (n: number) => Promise<Answer>) =>
  Promise.all(Array.from({ length: count }, (_, n) => request(n)))

/** The number of responses with each status or code: {201: 1, 'email-taken': 19}. */
const tally = (answers: Answer[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { status, body } of answers) {
    const outcome = String(status < 400 ? status : body.code)
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

// Red when: platform/http/idempotency.ts does not lock the key, or stores the result outside the transaction.
test('of fifty identical requests under one Idempotency-Key one is done; the others get its response, or 409', async t => {
  const owner = await signUp('Twins')
  for (let round = 0; round < 3; round++) {
    const key = { 'idempotency-key': `twin-${round}` }
    const answers = await atOnce(50, () =>
      owner.call('POST', '/api/v1/projects', { name: `Twin ${round}`, slug: `twin-${round}` }, key),
    )
    t.diagnostic(JSON.stringify(tally(answers)))
    const done = answers.filter(({ status }) => status === 201)
    assert.ok(done.length >= 1)
    assert.deepEqual(
      new Set(Object.keys(tally(answers))).difference(new Set(['201', 'idempotency-key-in-use'])),
      new Set(),
    )
    assert.equal(new Set(done.map(({ text }) => text)).size, 1, 'the same answer, byte for byte')
    assert.equal(new Set(done.map(({ headers }) => `${headers['etag']} ${headers['location']}`)).size, 1)
    assert.ok(answers.every(({ status, headers }) => status === 201 || headers['retry-after'] === '1'))
    const again = await owner.call('POST', '/api/v1/projects', { name: `Twin ${round}`, slug: `twin-${round}` }, key)
    assert.equal(again.text, done[0]?.text)
    const other = await owner.call('POST', '/api/v1/projects', { name: 'Another body' }, key)
    assert.deepEqual([other.status, other.body.code], [422, 'idempotency-key-reused'])
  }
  assert.equal((await owner.call('GET', '/api/v1/projects?include_total=true')).body.total, 3)
})

test('an Idempotency-Key belongs to one user, one route and one organization', async () => {
  const owner = await signUp('Keys')
  const member = await addMember(owner, 'member')
  const key = { 'idempotency-key': 'the-same' }
  const answers = [
    await owner.call('POST', '/api/v1/projects', { name: 'One' }, key),
    await member.call('POST', '/api/v1/projects', { name: 'One' }, key),
    await owner.call('POST', '/api/v1/organizations', { name: 'One' }, key),
  ]
  assert.deepEqual(tally(answers), { 201: 3 })
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 3)
  const elsewhere = await logIn(owner, answers[2]?.body.id)
  assert.equal(
    (await elsewhere.call('POST', '/api/v1/projects', { name: 'One' }, key)).body.code,
    'idempotency-key-reused',
  )
})

// Red when: platform/http/idempotency.ts leaves the path out of the hash, or requireCurrent (organizations.ts) throws
// after its statement.
test('a refusal under an Idempotency-Key is not returned for another path', async () => {
  const owner = await signUp('Paths')
  const member = await addMember(owner, 'member')
  const leave = (id: string) =>
    member.call('POST', `/api/v1/organizations/${id}/leave`, undefined, { 'idempotency-key': 'leave' })
  assert.equal((await leave(crypto.randomUUID())).status, 404)
  assert.equal((await leave(owner.organization_id)).status, 204)
  assert.equal((await member.call('GET', '/api/v1/projects')).status, 401)
})

// Red when: logIn (identity/sign-in/sign-in.ts) locks the user for share only.
test('simultaneous sign-ins to different organizations do not end in a deadlock', async () => {
  const person = await signUp('First')
  const [second, third] = await Promise.all(
    ['Second', 'Third'].map(async name => (await person.call('POST', '/api/v1/organizations', { name })).body.id),
  )
  const client = await admin.connect()
  await client.query('begin')
  await client.query('select from users where id = $1 for update', [person.user_id])
  const entering = [second, third].map(id => logIn(person, id))
  assert.ok(await waits(admin, client, Promise.all(entering), 2))
  await client.query('commit')
  client.release()
  const entered = await Promise.all(entering)
  assert.deepEqual(
    entered.map(({ organization_id }) => organization_id),
    [second, third],
  )
})

// Red when: admit (platform/gate/access.ts) stores the results of routes with secrets too.
test('an Idempotency-Key keeps no token valid and no session live', async () => {
  const owner = await signUp('Secrets')
  const member = await addMember(owner, 'admin')
  const key = { 'idempotency-key': 'secret' }
  const { organization_id } = owner
  const switched = () => member.call('POST', '/api/v1/auth/switch-organization', { organization_id }, key)
  assert.equal((await switched()).status, 200)
  await owner.call('DELETE', `/api/v1/organizations/${organization_id}/members/${member.user_id}`)
  assert.equal((await switched()).status, 422)
  for (const path of ['logout', 'logout-all']) {
    const person = await logIn(owner)
    assert.equal((await person.call('POST', `/api/v1/auth/${path}`, undefined, key)).status, 204)
    assert.equal((await person.call('GET', '/api/v1/auth/me')).status, 401)
  }
})

// Red when: platform/database/conditional.ts reads the version without locking the row.
test('of twenty changes under the same entity tag one succeeds', async () => {
  const owner = await signUp('Tags')
  const member = await addMember(owner, 'member')
  const project = await owner.call('POST', '/api/v1/projects', { name: 'Tagged' })
  const resources: [path: string, change: (n: number) => object][] = [
    [`/api/v1/projects/${project.body.id}`, n => ({ name: `Winner ${n}` })],
    [`/api/v1/organizations/${owner.organization_id}`, n => ({ name: `Winner ${n}` })],
    [`/api/v1/organizations/${owner.organization_id}/members/${member.user_id}`, n => ({ title: `Winner ${n}` })],
    ['/api/v1/users/me', n => ({ full_name: `Winner ${n}` })],
  ]
  for (const [path, change] of resources) {
    for (let round = 0; round < 3; round++) {
      const tag = (await owner.call('GET', path)).headers['etag'] as string
      const answers = await atOnce(20, n => owner.call('PATCH', path, change(n), { 'if-match': tag }))
      assert.deepEqual(tally(answers), { 200: 1, 'entity-tag-stale': 19 }, path)
      const won = answers.find(({ status }) => status === 200)
      const read = await owner.call('GET', path)
      assert.equal(read.headers['etag'], won?.headers['etag'])
      assert.deepEqual(read.body, won?.body)
    }
  }
  const path = `/api/v1/projects/${project.body.id}`
  const tag = (await owner.call('GET', path)).headers['etag'] as string
  const deletions = await atOnce(20, n =>
    n % 2 === 0
      ? owner.call('DELETE', path, undefined, { 'if-match': tag })
      : owner.call('PATCH', path, { name: `Late ${n}` }, { 'if-match': tag }),
  )
  assert.equal(deletions.filter(({ status }) => status < 300).length, 1, JSON.stringify(tally(deletions)))
})

// Red when: `keep_an_owner` in directory/organizations/organizations.sql does not take its lock.
test('of two owners who leave at once, or remove each other, one stays', async t => {
  const outcomes: Record<string, number> = {}
  for (let round = 0; round < 16; round++) {
    const first = await signUp('Owners')
    const second = await addMember(first, 'owner')
    const path = `/api/v1/organizations/${first.organization_id}`
    const leave = (person: Person) => person.call('POST', `${path}/leave`)
    const remove = (person: Person, other: Person) => person.call('DELETE', `${path}/members/${other.user_id}`)
    const demote = (person: Person, other: Person) =>
      person.call('PATCH', `${path}/members/${other.user_id}`, { role: 'viewer' })
    const ways = [
      () => [leave(first), leave(second)],
      () => [remove(first, second), remove(second, first)],
      () => [demote(first, second), demote(second, first)],
      () => [demote(first, second), leave(first)],
    ]
    const answers = await Promise.all(ways[round % ways.length]?.() ?? [])
    for (const [outcome, count] of Object.entries(tally(answers))) outcomes[outcome] = (outcomes[outcome] ?? 0) + count
    const { rows } = await admin.query(
      `select count(*) as owners from memberships where organization_id = $1 and role = 'owner' and deleted_at is null and disabled_at is null`,
      [first.organization_id],
    )
    assert.deepEqual(rows, [{ owners: 1 }], JSON.stringify(answers.map(({ text }) => text)))
    assert.equal(
      answers.filter(({ status }) => status < 300).length,
      1,
      `round ${round}: ${answers.map(({ text }) => text).join(' ')}`,
    )
    const refusal = answers.find(({ status }) => status >= 400)
    assert.ok(
      [
        'last-owner',
        'owner-required',
        'busy',
        'session-ended',
        'membership-ended',
        'permission-missing',
        'not-found',
      ].includes(refusal?.body.code),
      refusal?.text ?? 'none was refused',
    )
  }
  t.diagnostic(JSON.stringify(outcomes))
})

// Red when: platform/slugs.ts gives up after the first conflict.
test('a slug derived from a name never conflicts, however many requests need the same one at once', async () => {
  const owner = await signUp('Slugs')
  const projects = await atOnce(20, () => owner.call('POST', '/api/v1/projects', { name: 'The Same Name' }))
  assert.deepEqual(tally(projects), { 201: 20 })
  assert.equal(new Set(projects.map(({ body }) => body.slug)).size, 20)
  const organizations = await atOnce(20, () =>
    owner.call('POST', '/api/v1/organizations', { name: `Same ${owner.organization_id}` }),
  )
  assert.deepEqual(tally(organizations), { 201: 20 })
  assert.equal(new Set(organizations.map(({ body }) => body.slug)).size, 20)
  const asked = await atOnce(20, () => owner.call('POST', '/api/v1/projects', { name: 'Asked', slug: 'asked' }))
  assert.deepEqual(tally(asked), { 201: 1, 'project-slug-taken': 19 })
})

// Red when: `users_email_key` is no unique constraint, or identity/sign-in/sign-in.ts does not map its violation.
test('of twenty who sign up with one address at once one succeeds', async () => {
  const email = `once-${Date.now()}@example.com`
  const answers = await atOnce(20, () =>
    call('POST', '/api/v1/auth/signup', { email, password: 'Correct-horse-7', organization_name: 'Once' }),
  )
  assert.deepEqual(tally(answers), { 201: 1, 'email-taken': 19 })
  const { rows } = await admin.query(
    `select (select count(*) from users where email = $1) as users,
    (select count(*) from memberships join users on users.id = user_id where email = $1) as memberships`,
    [email],
  )
  assert.deepEqual(rows, [{ users: 1, memberships: 1 }])
})

// Red when: createInvitation inserts without `on conflict`, or keep_mail_quota() is left out.
test('of twenty who invite the same address at once five succeed, and one invitation is open', async () => {
  const owner = await signUp('Adding')
  await verify(owner)
  const path = `/api/v1/organizations/${owner.organization_id}`
  const email = `many-${Date.now()}@example.com`
  const answers = await atOnce(20, () => owner.call('POST', `${path}/members`, { email, role: 'member' }))
  assert.deepEqual(tally(answers), { 202: 5, 'too-many-invitations': 15 })
  assert.equal((await owner.call('GET', `${path}/invitations`)).body.items.length, 1)
})

// Red when: mail_invitation() counts before it holds the lock.
test('of twelve teams of one owner that invite an address at once five do', async () => {
  const owner = await signUp('Adding')
  await verify(owner)
  const teams: Person[] = []
  for (let team = 0; team < 12; team++) {
    const { body } = await owner.call('POST', '/api/v1/organizations', { name: `Team ${team}` })
    teams.push(await logIn(owner, body.id))
  }
  const email = `teams-${Date.now()}@example.com`
  const answers = await Promise.all(
    teams.map(team =>
      team.call('POST', `/api/v1/organizations/${team.organization_id}/invitations`, { email, role: 'member' }),
    ),
  )
  assert.deepEqual(tally(answers), { 202: 5, 'too-many-invitations': 7 })
})

// Red when: deleteAccount does not look for memberships again once it holds the user's key; join() asks for no live account; or guard_membership()
// restores a membership without locking the account.
test('whatever begins a membership while the account is deleted leaves no membership of a deleted account', async () => {
  const owner = await signUp('Teams')
  const path = `/api/v1/organizations/${owner.organization_id}`
  const ways: Record<string, () => Promise<[Person, () => Promise<Answer>]>> = {
    restored: async () => {
      const person = await addMember(owner, 'owner')
      await owner.call('DELETE', `${path}/members/${person.user_id}`)
      return [await logIn(person), () => owner.call('POST', `${path}/members/${person.user_id}/restore`)]
    },
    invited: async () => {
      const person = await signUp()
      await owner.call('POST', `${path}/invitations`, { email: person.email, role: 'owner' })
      const { token } = (await mailTo(person.email)).at(-1)!
      return [person, () => person.call('POST', '/api/v1/invitations/accept', { token })]
    },
    founded: async () => {
      const person = await signUp()
      return [person, () => person.call('POST', '/api/v1/organizations', { name: 'Founded meanwhile' })]
    },
  }
  await verify(owner)
  const people: string[] = []
  for (const [way, prepare] of Object.entries(ways)) {
    const rounds = await Promise.all(Array.from({ length: 8 }, prepare))
    const answers = await Promise.all(
      rounds.map(async ([person, begin], round) => {
        // One of them a little later; at last after the deletion.
        const [late, early] = round < 5 ? [0, round] : [20 * (round - 4), 0]
        const deletion = delay(early).then(() => person.call('DELETE', '/api/v1/users/me'))
        return Promise.all([(round === 7 ? deletion : delay(late)).then(begin), deletion])
      }),
    )
    people.push(...rounds.map(([{ user_id }]) => user_id))
    const deleted = answers.filter(([, deletion]) => deletion.status === 204).length
    assert.ok(deleted > 0, `${way}: ${JSON.stringify(answers.map(pair => tally(pair)))}`)
  }
  const { rows } = await admin.query(
    `select m.* from memberships m join users u on u.id = m.user_id
      where m.deleted_at is null and u.deleted_at is not null and u.id = any ($1)`,
    [people],
  )
  assert.deepEqual(rows, [])
})

// Red when: keep_an_owner() counts an owner whose account is deleted or disabled.
test('an organization keeps an owner whose account can be used', async () => {
  const owner = await signUp('Teams')
  const second = await addMember(owner, 'owner')
  for (const state of ['disabled_at', 'deleted_at']) {
    await admin.query(`update users set ${state} = now() where id = $1`, [second.user_id])
    const left = await owner.call('POST', `/api/v1/organizations/${owner.organization_id}/leave`)
    assert.equal(left.body.code, 'last-owner')
    await admin.query(`update users set ${state} = null where id = $1`, [second.user_id])
  }
  assert.equal((await owner.call('POST', `/api/v1/organizations/${owner.organization_id}/leave`)).status, 204)
})

// Red when: refuse_held_address() is left out, or asked before the row is written: the sign-up waits for the change of address.
test('who signs up with an address while its account gives it up does not get it', async () => {
  const owner = await signUp()
  await verify(owner)
  const client = await admin.connect()
  try {
    await client.query('begin')
    await client.query(`update users set email = 'new-' || email where id = $1`, [owner.user_id])
    await client.query(
      `insert into one_time_tokens (purpose, user_id, email, details, expires_at) values ('undo', $1, $2,
        jsonb_build_object('former', jsonb_build_object('email', $2::text, 'email_verified_at', now())), now() + interval '1 day')`,
      [owner.user_id, owner.email],
    )
    const signedUp = call('POST', '/api/v1/auth/signup', { email: owner.email, password: owner.password })
    assert.ok(await waits(admin, client, signedUp))
    await client.query('commit')
    assert.equal((await signedUp).body.code, 'email-taken')
  } finally {
    client.release(true)
  }
})
