import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namedPermissions, permissionFor } from './isolation/named-permissions.ts'
import { createRoleMatrix, exceptions, outcomeOf } from './isolation/role-matrix.ts'
import { createTestApp } from './test-app.ts'

// Every operation of the document, called by every kind of caller: the service must respond as the features declare
// (`permissions` in feature.ts). Each request has its own world in which it would succeed, so only the caller matters.

const { operations, check, checkCustomRoles, checkExplanations, askAsStranger } = await createRoleMatrix(
  await createTestApp(),
)

const met = new Set<string>()
for (const operation of operations) {
  test(`${operation.id} (${operation.access}) answers each caller as the permission table says`, async () => {
    for (const exception of await check(operation)) met.add(exception)
  })
}

// Red when: a route declares another permission than its method and path say.
test('every operation requires the permission that its method and path say', () => {
  assert.deepEqual(
    operations
      .filter(operation => operation.access !== permissionFor(operation))
      .map(({ id, access }) => `${id}: ${access}`),
    [],
  )
  const ids = operations.map(({ id }) => id)
  assert.deepEqual(
    Object.keys(namedPermissions).filter(id => !ids.includes(id)),
    [],
  )
})

// Red when: gate does not ask for the permissions of a custom role, or counts one that lacks the permission as administrator.
test('a custom role with one permission, or with all but one, may do exactly that', { timeout: 300_000 }, async t => {
  let sent = 0
  for (const operation of operations) sent += await checkCustomRoles(operation)
  t.diagnostic(`${sent} requests`)
  assert.ok(sent > 1000)
})

// Red when: identity/sign-in/me.ts decides by itself, or own_organizations and gate read a role differently.
test(
  'an explanation agrees with the gate, in every standing and for every permission',
  { timeout: 300_000 },
  async t => {
    const reasons = await checkExplanations()
    t.diagnostic(JSON.stringify(reasons))
    assert.deepEqual(Object.keys(reasons).toSorted(), [
      'allowed-while-suspended',
      'allowed-without-second-factor',
      'no-organization',
      'organization-suspended',
      'role-has-permission',
      'role-lacks-permission',
      'second-factor-required',
      'superuser-has-permission',
      'superuser-only',
    ])
  },
)

test('every exception of the matrix was met', () => {
  assert.deepEqual(
    Object.keys(exceptions).filter(name => !met.has(name)),
    [],
  )
})

test('a public operation serves a client without an account, whatever the token', async () => {
  for (const operation of operations.filter(({ access }) => access === 'public')) {
    const answer = await askAsStranger(operation)
    assert.equal(outcomeOf(operation, answer), 'done', `${operation.id}: ${answer.text}`)
  }
})
