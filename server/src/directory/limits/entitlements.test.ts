import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'
import { features } from '../../features.ts'
import { execute, many, tables } from '../../platform/database/statement.ts'
import { feature } from '../../platform/feature.ts'

// Entitlements: what a route requires of the organization, beside the permission. Tried with a feature whose routes
// require one, to read and to write.

const query = tables('tenant', 'projects')
const reports = feature({
  name: 'reports',
  uses: ['projects'],
  routes: [
    app => {
      app.get(
        '/reports',
        { access: 'projects:read', requires: 'reports', schema: { operationId: 'listReports' } },
        async ({ actor }) => ({ items: await actor.run(many(query.selectFrom('projects').select('name'))) }),
      )
      app.post(
        '/reports',
        { access: 'projects:write', requires: 'reports', schema: { operationId: 'createReport' } },
        async ({ actor: { organization_id, run } }) => {
          const slug = randomUUID()
          await run(execute(query.insertInto('projects').values({ organization_id, name: 'Report', slug })))
          return {}
        },
      )
    },
  ],
})
const app = await createTestApp({}, [...features, reports])
const { admin, addMember, logIn, signUp } = app

const allow = (owner: Person, { entitlements = ['reports'], expires_at = 'infinity', on_expiry = 'restrict' } = {}) =>
  admin.query(
    `insert into allowances (organization_id, id, maxima, entitlements, starts_at, expires_at, on_expiry) values ($1, new_id(), '{}', $2, '2000-01-01', $3, $4)`,
    [owner.organization_id, entitlements, expires_at, on_expiry],
  )
const disallow = (owner: Person) =>
  admin.query('delete from allowances where organization_id = $1', [owner.organization_id])
const read = (person: Person) => person.call('GET', '/api/v1/reports')
const write = (person: Person) => person.call('POST', '/api/v1/reports')
const claimsOf = ({ access_token }: Person) =>
  JSON.parse(Buffer.from(access_token.split('.')[1]!, 'base64url').toString())

// Red when: the view gate does not ask for app.requires, or authorize() does not pass it on.
test('a route that requires an entitlement is open to organizations that have it, beside the permission', async () => {
  const [owner, other] = [await signUp('Acme'), await signUp('Globex')]
  const viewer = await addMember(owner, 'viewer')
  await allow(other)
  await allow(owner, { entitlements: ['another'] })
  const refused = await read(owner)
  assert.deepEqual(
    [refused.status, refused.body.code, refused.body.entitlement],
    [403, 'entitlement-missing', 'reports'],
  )
  assert.equal((await write(owner)).body.code, 'entitlement-missing')
  await allow(owner)
  assert.equal((await read(owner)).status, 200)
  assert.equal((await write(owner)).status, 200)
  assert.equal((await read(viewer)).status, 200)
  assert.equal((await write(viewer)).body.code, 'permission-missing')
  await disallow(owner)
  assert.equal((await read(owner)).status, 403, 'at the very next request')
})

// Red when: the view entitlements compares nothing with now(), or the gate does not ask for e.writes.
test('after the end of the license, its entitlements go, allow reading, or stay', async () => {
  const owner = await signUp('Acme')
  const ended = { expires_at: 'yesterday' }
  for (const [on_expiry, statuses] of [
    ['restrict', [403, 403]],
    ['read-only', [200, 403]],
    ['keep', [200, 200]],
  ] as const) {
    await allow(owner, { ...ended, on_expiry })
    assert.deepEqual([(await read(owner)).status, (await write(owner)).status], statuses, on_expiry)
    await disallow(owner)
  }
})

test('the access token names the entitlements, for clients: with it alone nothing opens', async () => {
  const owner = await signUp('Acme')
  assert.equal('entitlements' in claimsOf(owner), false)
  await allow(owner, { entitlements: ['sso', 'reports'] })
  await allow(owner, { entitlements: ['sso'] })
  const licensed = await logIn(owner)
  assert.deepEqual(claimsOf(licensed).entitlements, ['reports', 'sso'])
  const body = { organization_id: owner.organization_id }
  const switched = await owner.call('POST', '/api/v1/auth/switch-organization', body)
  assert.deepEqual(claimsOf({ ...owner, ...switched.body }).entitlements, ['reports', 'sso'])
  const refreshed = await app.call('POST', '/api/v1/auth/refresh', { refresh_token: licensed.refresh_token })
  assert.deepEqual(claimsOf({ ...owner, ...refreshed.body }).entitlements, ['reports', 'sso'])
  const stepped = await licensed.call('POST', '/api/v1/auth/step-up', { password: owner.password })
  assert.deepEqual(claimsOf({ ...owner, ...stepped.body }).entitlements, ['reports', 'sso'])
  await disallow(owner)
  assert.equal((await read(licensed)).status, 403)
})

// Red when: the views do not reach gate_is_open(), which still_open() asks at the commit.
test('a write that is under way when the entitlement goes is not committed', async () => {
  const owner = await signUp('Acme')
  await allow(owner)
  await write(owner)
  const { rows } = await admin.query('select id from sessions where user_id = $1', [owner.user_id])
  const work = app.database.tenant.transaction(
    {
      session_id: rows[0].id,
      organization_id: owner.organization_id,
      permission: 'projects:write',
      requires: 'reports',
      origin: { request_id: 'late', ip: '', user_agent: '' },
    },
    async transaction => {
      const renamed = query.updateTable('projects').set({ name: 'Late' }).returning('name')
      assert.equal((await transaction.run(many(renamed))).length, 1)
      await disallow(owner)
    },
  )
  await assert.rejects(work, { code: 'entitlement-missing' })
  assert.equal((await owner.call('GET', '/api/v1/projects')).body.items[0].name, 'Report')
})

test('a route that requires an entitlement needs a permission in an organization', async () => {
  for (const rules of [
    { access: 'session', requires: 'reports' },
    { access: 'projects:read', requires: 'Reports' },
  ] as const) {
    const wrong = feature({ name: 'wrong', routes: [one => void one.get('/wrong', rules, () => ({}))] })
    await assert.rejects(createTestApp({}, [...features, wrong]), /requires "[Rr]eports": give it an entitlement/)
  }
})
