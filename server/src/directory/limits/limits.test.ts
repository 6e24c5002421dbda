import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { waits } from '../../../test/meeting.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// Seats and quotas, counted in the transactions that use them. Allowances are written here as licenses write them.

const { admin, addMember, call, join, mailTo, signUp, verify } = await createTestApp()
const pathOf = (owner: Person) => `/api/v1/organizations/${owner.organization_id}`
const refusalOf = ({ status, body: { code, limit_key, limit, used } }: Answer) => ({
  status,
  code,
  limit_key,
  limit,
  used,
})
const seatsExhausted = (limit: number, used: number) => ({
  status: 409,
  code: 'seats-exhausted',
  limit_key: undefined,
  limit,
  used,
})
const quotaExhausted = (limit_key: string, limit: number, used: number) => ({
  status: 409,
  code: 'quota-exhausted',
  limit_key,
  limit,
  used,
})

async function allow(owner: Person, maxima: object, more: Record<string, string> = {}): Promise<string> {
  const id = randomUUID()
  const { starts_at = 'now', expires_at = null, on_expiry = 'restrict' } = more
  await admin.query(
    'insert into allowances (organization_id, id, maxima, starts_at, expires_at, on_expiry) values ($1, $2, $3, $4, $5, $6)',
    [owner.organization_id, id, maxima, starts_at, expires_at, on_expiry],
  )
  return id
}
const setDefault = (maxima: object) =>
  admin.query(
    'insert into default_allowance (maxima) values ($1) on conflict (only_one) do update set maxima = excluded.maxima',
    [maxima],
  )
const usedBy = async (owner: Person): Promise<Record<string, number>> => {
  const { rows } = await admin.query('select key, used from limit_usage where organization_id = $1', [
    owner.organization_id,
  ])
  return Object.fromEntries(rows.map(({ key, used }) => [key, Number(used)]))
}

async function invite(owner: Person, more: object = {}) {
  const email = `invited-${randomUUID()}@example.com`
  assert.equal(
    (await owner.call('POST', `${pathOf(owner)}/invitations`, { email, role: 'viewer', ...more })).status,
    202,
  )
  const { token } = (await mailTo(email)).at(-1)!
  return () => call('POST', '/api/v1/invitations/accept', { token, password: PASSWORD })
}
const newProject = (person: Person) => person.call('POST', '/api/v1/projects', { name: 'Boat' })
const newOwner = async (): Promise<Person> => {
  const owner = await signUp('Acme')
  await verify(owner)
  return owner
}

// Red when: count_use() raises nothing, or joinOrganization() leaves out seatRules.
test('without a free seat no one joins, and the invitation stays open', async () => {
  const owner = await newOwner()
  await allow(owner, { seats: 2 })
  const [first, second] = [await invite(owner), await invite(owner)]
  const joined = await first()
  assert.equal(joined.status, 200)
  assert.deepEqual(refusalOf(await second()), seatsExhausted(2, 2))
  assert.deepEqual(await usedBy(owner), { seats: 2 })
  assert.equal((await owner.call('DELETE', `${pathOf(owner)}/members/${joined.body.user_id}`)).status, 204)
  assert.deepEqual(await usedBy(owner), { seats: 1 })
  assert.equal((await second()).status, 200, 'the invitation was not used up, and no account was left behind')
})

test('enabling and restoring a member needs a seat', async () => {
  const owner = await newOwner()
  const [one, other] = [await addMember(owner, 'member'), await addMember(owner, 'member')]
  await allow(owner, { seats: 3 })
  const pathTo = (person: Person) => `${pathOf(owner)}/members/${person.user_id}`
  assert.equal((await owner.call('PATCH', pathTo(one), { status: 'disabled' })).status, 200)
  assert.equal((await owner.call('DELETE', pathTo(other))).status, 204)
  await join(owner, await signUp(), 'viewer')
  await join(owner, await signUp(), 'viewer')
  assert.deepEqual(refusalOf(await owner.call('PATCH', pathTo(one), { status: 'active' })), seatsExhausted(3, 3))
  assert.deepEqual(refusalOf(await owner.call('POST', `${pathTo(other)}/restore`)), seatsExhausted(3, 3))
  assert.equal((await owner.call('PATCH', pathTo(one), { title: 'Welder' })).status, 200, 'other changes need none')
  assert.equal((await owner.call('DELETE', pathTo(one))).status, 204, 'a disabled member had none')
  assert.deepEqual(await usedBy(owner), { seats: 3 })
})

// Red when: count_seats() or the view `seats` does not ask for `guest`.
test('guests and open invitations need no seat; a guest who becomes a full account takes one', async () => {
  const owner = await newOwner()
  await allow(owner, { seats: 2 })
  await join(owner, await signUp(), 'viewer')
  await invite(owner)
  const [joined, removed] = [
    await (await invite(owner, { guest: true }))(),
    await (await invite(owner, { guest: true }))(),
  ]
  assert.deepEqual([joined.status, removed.status, await usedBy(owner)], [200, 200, { seats: 2 }])
  assert.equal((await owner.call('DELETE', `${pathOf(owner)}/members/${removed.body.user_id}`)).status, 204)
  assert.deepEqual(await usedBy(owner), { seats: 2 })
  const makeFull = () => admin.query('update users set guest = false where id = $1', [joined.body.user_id])
  await assert.rejects(makeFull(), { constraint: 'limit_of_seats' })
  await admin.query('update allowances set maxima = $2 where organization_id = $1', [
    owner.organization_id,
    { seats: 3 },
  ])
  await makeFull()
  assert.deepEqual(await usedBy(owner), { seats: 3 })
})

// Red when: restoreAccount() leaves out has_seat().
test('a restored account is no longer a member where no seat is left', async () => {
  const owner = await newOwner()
  const member = await addMember(owner, 'member')
  await allow(owner, { seats: 2 })
  assert.equal((await member.call('DELETE', '/api/v1/users/me')).status, 204)
  await join(owner, await signUp(), 'viewer')
  const { token } = (await mailTo(member.email)).at(-1)!
  assert.equal((await call('POST', '/api/v1/auth/restore-account', { token })).status, 204)
  const { rows } = await admin.query(
    'select deleted_at is null as is_member from memberships where user_id = $1 order by organization_id = $2',
    [member.user_id, owner.organization_id],
  )
  assert.deepEqual(rows, [{ is_member: true }, { is_member: false }])
})

test('projects and workspaces are counted under a quota; a deletion makes room', async () => {
  const owner = await newOwner()
  await newProject(owner)
  await allow(owner, { projects: 2, workspaces: 1 })
  const second = await newProject(owner)
  assert.equal(second.status, 201)
  assert.deepEqual(refusalOf(await newProject(owner)), quotaExhausted('projects', 2, 2))
  const newWorkspace = () => owner.call('POST', '/api/v1/workspaces', { name: 'Dock', workspace_path: '/dock' })
  assert.equal((await newWorkspace()).status, 201)
  assert.deepEqual(refusalOf(await newWorkspace()), quotaExhausted('workspaces', 1, 1))
  assert.equal((await owner.call('DELETE', `/api/v1/projects/${second.body.id}`)).status, 204)
  assert.equal((await newProject(owner)).status, 201)
  assert.deepEqual(await usedBy(owner), { projects: 2, workspaces: 1 })
})

test('nothing is counted without a maximum; what was there before is counted when one comes', async () => {
  const owner = await newOwner()
  for (let n = 0; n < 3; n++) await newProject(owner)
  await allow(owner, { seats: null })
  await newProject(owner)
  assert.deepEqual(await usedBy(owner), {})
  await allow(owner, { projects: 3 })
  assert.equal((await newProject(owner)).status, 201, 'the highest maximum counts, and the other is unlimited')
  assert.deepEqual(await usedBy(owner), { projects: 5 })
})

// Red when: maximum_of() does not compare with now(), or `adds` is always true.
test('an allowance counts from its start to its end, and then as its plan says', async () => {
  const restrict = await newOwner()
  await allow(restrict, { projects: 0 }, { starts_at: 'tomorrow' })
  await allow(restrict, { projects: 0 }, { starts_at: 'yesterday', expires_at: 'now' })
  assert.equal((await newProject(restrict)).status, 201)
  assert.deepEqual(await usedBy(restrict), { projects: 1 }, 'it is counted already')

  const readOnly = await newOwner()
  await allow(readOnly, { projects: null }, { starts_at: 'yesterday', expires_at: 'now', on_expiry: 'read-only' })
  assert.deepEqual(refusalOf(await newProject(readOnly)), quotaExhausted('projects', 0, 0))

  const keep = await newOwner()
  await allow(keep, { projects: 1 }, { starts_at: 'yesterday', expires_at: 'now', on_expiry: 'keep' })
  assert.equal((await newProject(keep)).status, 201)
  assert.deepEqual(refusalOf(await newProject(keep)), quotaExhausted('projects', 1, 1))
})

// Red when: count_use() takes no key, or guard_allowance() none.
test('a new allowance waits for those who do not count yet', async () => {
  const owner = await newOwner()
  const [adding, licensing] = [await admin.connect(), await admin.connect()]
  try {
    await adding.query('begin')
    await adding.query(`insert into projects (organization_id, name, slug) values ($1, 'Boat', 'boat')`, [
      owner.organization_id,
    ])
    const allowing = licensing.query(
      `insert into allowances (organization_id, id, maxima) values ($1, new_id(), '{"projects": 1}')`,
      [owner.organization_id],
    )
    assert.ok(await waits(adding, adding, allowing))
    await adding.query('commit')
    await allowing
  } finally {
    adding.release()
    licensing.release()
  }
  assert.deepEqual(refusalOf(await newProject(owner)), quotaExhausted('projects', 1, 1))
})

test('no login writes allowances, defaults or counts', async () => {
  for (const login of ['freehold_tenant', 'freehold_system'])
    for (const table of ['allowances', 'default_allowance', 'limit_usage']) {
      const { rows } = await admin.query(
        `select has_table_privilege($1, $2, 'select, insert, update, delete, truncate') as may`,
        [login, `freehold.${table}`],
      )
      assert.deepEqual(rows, [{ may: false }], `${login} ${table}`)
    }
})

// The last test, because the default concerns all organizations of this file.
test('organizations without an allowance follow the default', async () => {
  const [licensed, free] = [await newOwner(), await newOwner()]
  await allow(licensed, { projects: 5 })
  await setDefault({ projects: 1 })
  try {
    assert.equal((await newProject(free)).status, 201)
    assert.deepEqual(refusalOf(await newProject(free)), quotaExhausted('projects', 1, 1))
    for (let n = 0; n < 2; n++) assert.equal((await newProject(licensed)).status, 201)
    await setDefault({ projects: 2 })
    assert.equal((await newProject(free)).status, 201, 'a change of the default counts at once')
    assert.equal((await signUp('New')).organization_id.length, 36)
  } finally {
    await admin.query('delete from default_allowance')
  }
})
