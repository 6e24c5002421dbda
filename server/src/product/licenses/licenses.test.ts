import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'
import { readLicenseKey } from './license-key.ts'

const { admin, addMember, database, join, signUp } = await createTestApp()
const operator = await signUp()
await admin.query('update users set superuser = true where id = $1', [operator.user_id])
const path = '/api/v1/licenses'
const codeOf = ({ status, body }: Answer) => [status, body?.code]
const fieldOf = ({ status, body }: Answer) => [status, body?.errors?.[0]?.pointer]

const newPlan = async (terms: object = {}): Promise<string> =>
  (await operator.call('POST', '/api/v1/license-plans', { code: `plan-${randomUUID()}`, name: 'Team', ...terms })).body
    .id
const issue = (owner: Person, plan_id: string, more: object = {}, headers: Record<string, string> = {}) =>
  operator.call('POST', path, { organization_id: owner.organization_id, plan_id, ...more }, headers)
const newLicense = async (owner: Person, terms: object = {}, more: object = {}) => {
  const made = await issue(owner, await newPlan(terms), more)
  assert.equal(made.status, 201, made.text)
  return made
}
const step = (license: { id: string }, name: string, body: object = {}) =>
  operator.call('POST', `${path}/${license.id}/${name}`, body)
const newProject = (owner: Person) => owner.call('POST', '/api/v1/projects', { name: 'Boat' })
const daysUntil = (time: string) => Math.round((Date.parse(time) - Date.now()) / 86_400_000)

test('an operator issues a license, whose key is sent once and stored as a hash', async () => {
  const owner = await signUp('Acme')
  const plan_id = await newPlan({ seats: 5, duration_days: 30, entitlements: ['sso'] })
  const key = { 'idempotency-key': randomUUID() }
  const made = await issue(owner, plan_id, { metadata: { order: 'A-1' } }, key)
  assert.equal(made.status, 201, made.text)
  const { id, seats, entitlements, expires_at, key_prefix, status } = made.body
  assert.deepEqual([seats, entitlements, status, daysUntil(expires_at)], [5, ['sso'], 'active', 30])
  const { prefix, hash } = readLicenseKey(made.body.key)
  assert.equal(prefix, key_prefix)
  const { rows } = await admin.query('select key_hash from licenses where id = $1', [id])
  assert.deepEqual(rows[0].key_hash, hash)
  const again = await issue(owner, plan_id, { metadata: { order: 'A-1' } }, key)
  assert.deepEqual([again.status, again.body.id, again.body.key], [201, id, undefined])

  const { key: _key, transferred_from: _from, transferred_to: _to, ...shown } = made.body
  assert.deepEqual((await owner.call('GET', `${path}/${id}`)).body, shown)
  assert.deepEqual((await owner.call('GET', path)).body.items, [shown])
  // The operator who made it may read it at its location.
  assert.equal(made.headers['location'], `/api/v1/admin/licenses/${id}`)
  assert.equal((await operator.call('GET', made.headers['location'])).body.transferred_from, null)
  const found = await operator.call('GET', `/api/v1/admin/licenses?key_prefix=${key_prefix}&status=active`)
  assert.deepEqual(
    found.body.items.map((license: { id: string }) => license.id),
    [id],
  )
})

test("an organization's administrators read its licenses, others do not, and only operators write them", async () => {
  const [owner, other] = [await signUp('Acme'), await signUp('Globex')]
  const { id } = (await newLicense(owner)).body
  const member = await addMember(owner, 'member')
  assert.equal((await member.call('GET', `${path}/${id}`)).status, 403)
  assert.equal((await other.call('GET', `${path}/${id}`)).status, 404)
  for (const [method, place, body] of [
    ['PATCH', `${path}/${id}`, { name: 'Mine' }],
    ['DELETE', `${path}/${id}`, undefined],
    ['POST', `${path}/${id}/renew`, {}],
    ['POST', `${path}/${randomUUID()}/renew`, {}],
    ['GET', '/api/v1/admin/licenses', undefined],
  ] as const)
    assert.deepEqual(codeOf(await owner.call(method, place, body)), [403, 'permission-missing'], place)
  assert.equal((await step({ id: randomUUID() }, 'renew')).status, 404)
})

test('what operators note is changed under the entity tag, and replaced', async () => {
  const owner = await signUp('Acme')
  const made = await newLicense(owner, {}, { name: 'First', metadata: { order: 'A-1' } })
  const place = `${path}/${made.body.id}`
  const tag = { 'if-match': made.headers['etag']! }
  const renamed = await operator.call('PATCH', place, { name: 'Second' }, tag)
  assert.deepEqual([renamed.body.name, renamed.body.metadata], ['Second', { order: 'A-1' }])
  assert.equal((await operator.call('PATCH', place, { name: 'Lost' }, tag)).status, 412)
  const replaced = await operator.call('PUT', place, {})
  assert.deepEqual([replaced.body.name, replaced.body.metadata], [null, {}])
  assert.equal((await operator.call('DELETE', place)).status, 204)
  assert.equal((await operator.call('GET', `/api/v1/admin/licenses/${made.body.id}`)).status, 404)
})

// Red when: updateLicense() replaces the metadata: without its product, the key of one product would open all.
test('a change of what is noted keeps the names that it does not send, null removes one, and PUT all', async () => {
  const owner = await signUp('Acme')
  const { body } = await newLicense(owner, {}, { metadata: { product: 'editor', max_version: '2', order: 'A-1' } })
  const change = async (method: string, metadata: object) => {
    const answer = await operator.call(method, `${path}/${body.id}`, { metadata })
    return answer.status === 200 ? answer.body.metadata : fieldOf(answer)
  }
  assert.deepEqual(await change('PATCH', { order: 'A-2' }), { product: 'editor', max_version: '2', order: 'A-2' })
  assert.deepEqual(await change('PATCH', { max_version: null, order: null, note: true }), {
    product: 'editor',
    note: true,
  })
  assert.deepEqual(await change('PATCH', { product: 1 }), [422, '/metadata/product'])
  const large = (first: string) =>
    Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`${first}-${n}`, 'x'.repeat(400)]))
  assert.equal(Object.keys(await change('PATCH', large('a'))).length, 32)
  assert.deepEqual(await change('PATCH', large('b')), [422, '/metadata'], 'the names of before count')
  assert.deepEqual(await change('PUT', { order: null }), [422, '/metadata/order'])
  assert.deepEqual(await change('PUT', { order: 'A-3' }), { order: 'A-3' })
})

test('the history of the organization shows what operators did, without the hash, and the log why', async () => {
  const owner = await signUp('Acme')
  const { body } = await newLicense(owner)
  await step(body, 'suspend', { reason: 'Unpaid' })
  const { items } = (await owner.call('GET', `/api/v1/audit-logs?entity_id=${body.id}`)).body
  const changes = items.filter(({ action }: { action: string }) => action !== 'operate')
  assert.deepEqual(
    changes.map(({ action, actor_id, after }: { action: string; actor_id: string; after: { status: string } }) => [
      action,
      actor_id,
      after.status,
    ]),
    [
      ['update', operator.user_id, 'suspended'],
      ['insert', operator.user_id, 'active'],
    ],
  )
  assert.doesNotMatch(JSON.stringify(items), /key_hash/)
  const { rows } = await admin.query('select operation, details from operator_log where entity_id = $1 order by id', [
    body.id,
  ])
  assert.deepEqual(rows, [
    { operation: 'createLicense', details: null },
    { operation: 'suspendLicense', details: { reason: 'Unpaid' } },
  ])
})

// Red when: keep_allowance() does not delete the allowance, or guard_license() allows a path that is not listed.
test('a license counts only while it is active, and no path leads out of revoked but a reinstatement', async () => {
  const owner = await signUp('Acme')
  const draft = (await newLicense(owner, { quotas: { projects: 0 } }, { status: 'draft' })).body
  assert.equal((await newProject(owner)).status, 201, 'a draft allows and limits nothing')
  assert.deepEqual(codeOf(await step(draft, 'suspend')), [409, 'license-status-conflict'])
  assert.deepEqual(codeOf(await step(draft, 'issue')), [409, 'limit-below-use'])

  const license = (await newLicense(owner, { quotas: { projects: 1 } })).body
  assert.equal((await newProject(owner)).status, 409)
  assert.equal((await step(license, 'suspend')).body.status, 'suspended')
  assert.equal((await newProject(owner)).status, 201, 'without a license, the default counts: unlimited')
  assert.equal((await step(license, 'suspend')).body.license_status, 'suspended')
  assert.equal((await step(license, 'resume')).body.status, 'active', 'although the organization uses more now')
  assert.equal((await newProject(owner)).status, 409)
  assert.equal((await step(license, 'revoke')).body.status, 'revoked')
  for (const [name, body] of [
    ['issue', {}],
    ['suspend', {}],
    ['resume', {}],
    ['revoke', {}],
    ['renew', {}],
    ['extend', { expires_at: '2126-01-01T00:00:00Z' }],
    ['change-plan', { plan_id: license.plan_id }],
    ['transfer', { organization_id: operator.organization_id }],
  ] as const)
    assert.deepEqual(codeOf(await step(license, name, body)), [409, 'license-revoked'], name)
  assert.equal((await newProject(owner)).status, 201)
  assert.equal((await step(license, 'reinstate')).body.status, 'active')
  assert.equal((await newProject(owner)).status, 409)
  assert.deepEqual(codeOf(await step(license, 'reinstate')), [409, 'license-status-conflict'])
})

// Red when: guard_license() is not there.
test('raw SQL with the permission to write licenses follows the same paths, and never changes a key', async () => {
  const owner = await signUp('Acme')
  const { id } = (await newLicense(owner)).body
  const { rows: sessions } = await admin.query('select id from sessions where user_id = $1', [operator.user_id])
  const attempt = async (permission: string, change: string) => {
    const client = await database.tenant.pool.connect()
    try {
      await client.query('begin')
      await client.query(
        `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', $3, true), set_config('app.context', '{}', true)`,
        [sessions[0].id, owner.organization_id, permission],
      )
      const { rowCount } = await client.query(`update licenses set ${change} where id = $1`, [id])
      await client.query('commit')
      return rowCount
    } catch (error) {
      await client.query('rollback')
      return (error as { constraint?: string; code: string }).constraint ?? (error as { code: string }).code
    } finally {
      client.release()
    }
  }
  const write = 'admin:licenses:write'
  assert.equal(await attempt(write, `key_hash = '\\x00'`), '42501')
  assert.equal(await attempt(write, `status = 'draft'`), 'licenses_status_path')
  assert.equal(
    await attempt(write, `expires_at = now() - interval '1 second', starts_at = '2000-01-01'`),
    'licenses_expires_in_future',
  )
  assert.equal(await attempt('licenses:read', `status = 'suspended'`), 0, 'not in the organization of the operator')
  assert.equal(await attempt(write, `status = 'revoked'`), 1)
  assert.equal(await attempt(write, `status = 'active'`), 'licenses_revoked')
  assert.equal(await attempt('admin:licenses:reinstate', `status = 'draft'`), 'licenses_status_path')
  assert.equal(await attempt('admin:licenses:reinstate', `status = 'active'`), 1)
})

test('a renewal adds the duration and copies the terms that the plan has now; an extension sets a later end', async () => {
  const owner = await signUp('Acme')
  const { body: license } = await newLicense(owner, { duration_days: 30, seats: 2 })
  await operator.call('PATCH', `/api/v1/license-plans/${license.plan_id}`, { seats: 3 })
  assert.equal((await owner.call('GET', `${path}/${license.id}`)).body.seats, 2, 'a license keeps its terms')
  const renewed = (await step(license, 'renew')).body
  assert.deepEqual([daysUntil(renewed.expires_at), renewed.seats], [60, 3])

  await admin
    .query(
      `update licenses set starts_at = now() - interval '60 days', expires_at = now() - interval '5 days' where id = $1`,
      [license.id],
    )
    .catch(() => undefined)
  const earlier = await step(license, 'extend', { expires_at: new Date(Date.now() + 86_400_000).toISOString() })
  assert.deepEqual(fieldOf(earlier), [422, '/expires_at'], 'not earlier than the present end')
  const later = new Date(Date.now() + 90 * 86_400_000).toISOString()
  assert.equal(daysUntil((await step(license, 'extend', { expires_at: later })).body.expires_at), 90)
})

test('an expired license ends by itself, and a renewal begins now', async () => {
  const owner = await signUp('Acme')
  const { body: license } = await newLicense(owner, { duration_days: 30, quotas: { projects: 0 } })
  await admin.query('alter table licenses disable trigger guard')
  try {
    await admin.query(
      `update licenses set starts_at = now() - interval '40 days', expires_at = now() - interval '10 days' where id = $1`,
      [license.id],
    )
  } finally {
    await admin.query('alter table licenses enable trigger guard')
  }
  assert.equal((await owner.call('GET', `${path}/${license.id}`)).body.status, 'expired')
  assert.deepEqual((await owner.call('GET', `${path}?status=active`)).body.items, [])
  assert.equal((await owner.call('GET', `${path}?status=expired`)).body.items.length, 1)
  assert.equal((await newProject(owner)).status, 201)
  const renewed = (await step(license, 'renew')).body
  assert.deepEqual([renewed.status, daysUntil(renewed.expires_at)], ['active', 30])
  assert.equal((await newProject(owner)).status, 409, 'nothing can be added to what is above the quota')
})

// Red when: require_room() raises nothing.
test('a license for fewer seats than members is refused, unless its overage allows them', async () => {
  const owner = await signUp('Acme')
  await join(owner, await signUp(), 'member')
  await join(owner, await signUp(), 'member')
  const refused = await issue(owner, await newPlan({ seats: 2 }))
  const { limit_key, limit, used } = refused.body
  assert.deepEqual([...codeOf(refused), limit_key, limit, used], [409, 'limit-below-use', 'seats', 2, 3])
  const license = (await newLicense(owner, { seats: 2, overage_percent: 50 })).body
  assert.deepEqual(codeOf(await step(license, 'change-plan', { plan_id: await newPlan({ seats: 1 }) })), [
    409,
    'limit-below-use',
  ])
  const larger = await newPlan({ seats: 4, entitlements: ['sso'] })
  const changed = (await step(license, 'change-plan', { plan_id: larger })).body
  assert.deepEqual([changed.seats, changed.entitlements, changed.plan_id], [4, ['sso'], larger])
  assert.deepEqual(fieldOf(await step(license, 'change-plan', { plan_id: randomUUID() })), [422, '/plan_id'])
})

test('bad input is told apart', async () => {
  const owner = await signUp('Acme')
  const plan_id = await newPlan()
  const past = '2020-01-01T00:00:00Z'
  assert.deepEqual(fieldOf(await issue(owner, plan_id, { expires_at: past })), [422, '/expires_at'])
  const starts_at = '2126-01-01T00:00:00Z'
  assert.deepEqual(fieldOf(await issue(owner, plan_id, { starts_at, expires_at: '2125-01-01T00:00:00Z' })), [
    422,
    '/expires_at',
  ])
  assert.deepEqual(fieldOf(await issue(owner, randomUUID())), [422, '/plan_id'])
  assert.deepEqual(fieldOf(await issue({ ...owner, organization_id: randomUUID() }, plan_id)), [
    422,
    '/organization_id',
  ])
  const metadata = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`note-${n}`, 'x'.repeat(400)]))
  assert.deepEqual(fieldOf(await issue(owner, plan_id, { metadata })), [422, '/metadata'])
})

// Red when: transferLicense() does not revoke, or hold_transfer() takes the keys in the order of its arguments.
test('a license moves to another organization: with a new key, and only once', async () => {
  const [from, to] = [await signUp('Acme'), await signUp('Globex')]
  const { body: license } = await newLicense(from, { quotas: { projects: 0 }, duration_days: 30 })
  assert.equal((await newProject(from)).status, 409)
  const unknown = await step(license, 'transfer', { organization_id: randomUUID() })
  assert.deepEqual(fieldOf(unknown), [422, '/organization_id'])
  const back = (await newLicense(to, {})).body
  const [moved, again, crossed] = await Promise.all([
    step(license, 'transfer', { organization_id: to.organization_id }),
    step(license, 'transfer', { organization_id: to.organization_id }),
    step(back, 'transfer', { organization_id: from.organization_id }),
  ])
  assert.deepEqual([moved.status, again.status, crossed.status].sort(), [201, 201, 409])
  const made = [moved, again].find(({ status }) => status === 201)!.body
  assert.deepEqual(
    [made.transferred_from, made.organization_id, made.expires_at],
    [license.id, to.organization_id, license.expires_at],
  )
  assert.notEqual(made.key, license.key)
  const { headers } = [moved, again].find(({ status }) => status === 201)!
  assert.equal((await operator.call('GET', headers['location']!)).body.id, made.id)
  assert.equal((await owner404(from, made.id)).status, 404)
  const former = (await operator.call('GET', `/api/v1/admin/licenses/${license.id}`)).body
  assert.deepEqual([former.status, former.transferred_to], ['revoked', made.id])
  assert.equal((await from.call('GET', `${path}/${license.id}`)).body.status, 'revoked')
  assert.equal((await newProject(from)).status, 201)
  assert.equal((await newProject(to)).status, 409)
})

// Red when: requireStatus() and the check licenses_transferred do not look at transferred_to, or guard_license() lets it change.
test('a license that was transferred never counts again, also when its replacement is gone', async () => {
  const [from, to] = [await signUp('Acme'), await signUp('Globex')]
  const { body: license } = await newLicense(from, { duration_days: 30 })
  const moved = (await step(license, 'transfer', { organization_id: to.organization_id })).body
  const refusal = [409, 'license-transferred']
  const all = [
    ...['issue', 'suspend', 'resume', 'revoke', 'reinstate', 'renew'].map(name => [name, {}] as const),
    ['extend', { expires_at: '2126-01-01T00:00:00Z' }],
    ['transfer', { organization_id: from.organization_id }],
  ] as const
  for (const [name, body] of all) assert.deepEqual(codeOf(await step(license, name, body)), refusal, name)
  assert.equal((await operator.call('PATCH', `${path}/${license.id}`, { name: 'Noted' })).status, 200)
  // Neither a revoked nor a deleted replacement makes room for it.
  assert.equal((await step(moved, 'revoke')).status, 200)
  assert.deepEqual(codeOf(await step(license, 'reinstate')), refusal)
  assert.equal((await step(moved, 'reinstate')).status, 200)
  const back = await step(moved, 'transfer', { organization_id: from.organization_id })
  assert.deepEqual([back.status, back.body.transferred_from], [201, moved.id])
  assert.equal((await operator.call('DELETE', `${path}/${moved.id}`)).status, 204)
  assert.deepEqual(codeOf(await step(license, 'reinstate')), refusal)

  // Nor does any other statement.
  const client = await admin.connect()
  const refused = (change: string, code: string, constraint?: string) =>
    assert.rejects(
      client.query(`update licenses set ${change} where id = $1`, [license.id]),
      (error: { code: string; constraint?: string }) => error.code === code && error.constraint === constraint,
      change,
    )
  try {
    await client.query(`select set_config('app.permission', 'admin:licenses:reinstate', false)`)
    await refused(`status = 'active'`, '23514', 'licenses_transferred')
    await refused('transferred_to = null', '42501')
    await refused(`transferred_to = null, status = 'active'`, '42501')
    await refused('transferred_to = new_id()', '42501')
  } finally {
    client.release(true)
  }
})
const owner404 = (owner: Person, id: string) => owner.call('GET', `${path}/${id}`)
