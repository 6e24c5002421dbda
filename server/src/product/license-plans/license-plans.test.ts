import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'

const { admin, signUp } = await createTestApp()
const operator = await signUp()
await admin.query('update users set superuser = true where id = $1', [operator.user_id])
const member = await signUp('Acme')
const path = '/api/v1/license-plans'
const newPlan = async (more: object = {}) => {
  const made = await operator.call('POST', path, { code: `plan-${randomUUID()}`, name: 'Team', ...more })
  assert.equal(made.status, 201, made.text)
  return made
}
const licensed = (plan_id: string, owner: Person) =>
  operator.call('POST', '/api/v1/licenses', { organization_id: owner.organization_id, plan_id })

test('operators write plans, and every signed-in user reads them', async () => {
  const made = await newPlan({ seats: 10, quotas: { projects: 3 }, entitlements: ['sso'], duration_days: 365 })
  const { id, seats, quotas, overage_percent, expiry_basis, is_default } = made.body
  assert.deepEqual(
    [seats, quotas, overage_percent, expiry_basis, is_default],
    [10, { projects: 3 }, 0, 'creation', false],
  )
  assert.deepEqual((await member.call('GET', `${path}/${id}`)).body, made.body)
  assert.ok((await member.call('GET', `${path}?limit=100`)).body.items.some((plan: { id: string }) => plan.id === id))
  for (const [method, place, body] of [
    ['POST', path, { code: 'mine', name: 'Mine' }],
    ['PATCH', `${path}/${id}`, { seats: 1000 }],
    ['PUT', `${path}/${id}`, { code: 'mine', name: 'Mine' }],
    ['DELETE', `${path}/${id}`, undefined],
  ] as const)
    assert.equal((await member.call(method, place, body)).body.code, 'permission-missing', method)

  const tag = { 'if-match': made.headers['etag']! }
  const changed = await operator.call('PATCH', `${path}/${id}`, { seats: null }, tag)
  assert.deepEqual([changed.body.seats, changed.body.quotas], [null, { projects: 3 }], 'what is not sent stays')
  assert.equal((await operator.call('PATCH', `${path}/${id}`, { seats: 1 }, tag)).status, 412)
  const replaced = await operator.call('PUT', `${path}/${id}`, { code: made.body.code, name: 'Team' })
  assert.deepEqual([replaced.body.quotas, replaced.body.entitlements, replaced.body.duration_days], [{}, [], null])
  assert.equal((await operator.call('DELETE', `${path}/${id}`)).status, 204)
})

// Red when: updateLicensePlan() replaces the quotas: those that it does not send would become unlimited.
test('a change of one quota keeps the others, null makes it unlimited, and PUT all', async () => {
  const { id, code } = (await newPlan({ quotas: { projects: 3, workspaces: 2 } })).body
  const change = async (method: string, body: object) =>
    (await operator.call(method, `${path}/${id}`, body)).body.quotas
  assert.deepEqual(await change('PATCH', { quotas: { projects: 5 } }), { projects: 5, workspaces: 2 })
  assert.deepEqual(await change('PATCH', { quotas: { workspaces: null } }), { projects: 5, workspaces: null })
  const owner = await signUp('Acme')
  await licensed(id, owner)
  const { limits } = (await owner.call('GET', `/api/v1/organizations/${owner.organization_id}/limits`)).body
  const maxima = Object.fromEntries(limits.map(({ key, maximum }: { key: string; maximum: number }) => [key, maximum]))
  assert.deepEqual([maxima['projects'], maxima['workspaces'] ?? null], [5, null])
  assert.deepEqual(await change('PUT', { code, name: 'Team', quotas: { projects: 1 } }), { projects: 1 })
})

test('a code is unique', async () => {
  const { body } = await newPlan()
  const again = await operator.call('POST', path, { code: body.code, name: 'Again' })
  assert.deepEqual([again.status, again.body.code], [409, 'license-plan-code-taken'])
})

// Red when: licenses_plan_fkey is not mapped, or the trigger keep_default is missing.
test('a plan that is in use, by a license or as the default, is not deleted', async () => {
  const { body: plan } = await newPlan()
  const license = await licensed(plan.id, member)
  const refused = await operator.call('DELETE', `${path}/${plan.id}`)
  assert.deepEqual([refused.status, refused.body.code], [409, 'plan-in-use'])
  assert.equal((await operator.call('DELETE', `/api/v1/licenses/${license.body.id}`)).status, 204)
  assert.equal((await operator.call('PATCH', `${path}/${plan.id}`, { is_default: true })).status, 200)
  assert.equal((await operator.call('DELETE', `${path}/${plan.id}`)).body.code, 'plan-in-use')
  await operator.call('PATCH', `${path}/${plan.id}`, { is_default: false })
  assert.equal((await operator.call('DELETE', `${path}/${plan.id}`)).status, 204)
})

// Red when: keep_default_allowance() or replace_default_plan() does nothing.
test('organizations without a license follow the default plan, also when it changes or is replaced', async () => {
  const owner = await signUp('Default')
  const newProject = async () => (await owner.call('POST', '/api/v1/projects', { name: 'Boat' })).status
  const small = (await newPlan({ is_default: true, quotas: { projects: 1 }, entitlements: ['basic'] })).body
  const limits = async () => (await owner.call('GET', `/api/v1/organizations/${owner.organization_id}/limits`)).body
  try {
    assert.deepEqual([await newProject(), await newProject()], [201, 409])
    assert.deepEqual(await limits(), {
      limits: [
        { key: 'projects', maximum: 1, used: 1 },
        { key: 'seats', maximum: null, used: 1 },
      ],
      entitlements: [{ code: 'basic', writes: true }],
    })
    await operator.call('PATCH', `${path}/${small.id}`, { overage_percent: 100 })
    assert.deepEqual([await newProject(), await newProject()], [201, 409], 'with the overage it is two')
    const large = (await newPlan({ is_default: true, quotas: { projects: 3 } })).body
    assert.equal((await operator.call('GET', `${path}/${small.id}`)).body.is_default, false)
    assert.deepEqual([await newProject(), await newProject()], [201, 409])
    await operator.call('PATCH', `${path}/${large.id}`, { is_default: false })
    assert.deepEqual([await newProject(), await newProject()], [201, 201], 'without a default it is unlimited')
    assert.deepEqual((await limits()).entitlements, [])
  } finally {
    await admin.query('update license_plans set is_default = false')
  }
})

test('terms that mean nothing are refused', async () => {
  for (const [terms, pointer] of [
    [{ seats: -1 }, '/seats'],
    [{ duration_days: 0 }, '/duration_days'],
    [{ quotas: { boats: 1 } }, '/quotas/boats'],
    [{ entitlements: ['sso', 'sso'] }, '/entitlements'],
    [{ entitlements: ['Single sign-on'] }, '/entitlements/0'],
    [{ overage_percent: 1001 }, '/overage_percent'],
  ] as const) {
    const { status, body } = await operator.call('POST', path, { code: 'wrong', name: 'Wrong', ...terms })
    assert.deepEqual([status, body.errors?.[0]?.pointer], [422, pointer])
  }
})
