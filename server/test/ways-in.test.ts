import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordEvent } from '../src/directory/history/history.ts'
import { isChange } from '../src/identity/changes/changes.ts'
import { totpAdded } from '../src/identity/totp/totp.ts'
import { loadTemplates } from '../src/platform/mail/templates.ts'
import { kindsOf, listOperations } from './isolation/operations.ts'
import { unproved, WORLD_PASSWORD } from './isolation/values.ts'
import { buildRequest } from './isolation/requests.ts'
import type { Operation } from './isolation/operations.ts'
import { callerOf, createWorlds } from './isolation/world.ts'
import type { World } from './isolation/world.ts'
import { createTestApp } from './test-app.ts'
import type { Answer } from './test-app.ts'

// Every operation that changes how a user signs in requires a proof in the same request. The operations come from the
// OpenAPI document, so that a new one cannot be forgotten.

const app = await createTestApp({ ACCOUNT_LOCKOUT_THRESHOLD: '100' })
const { admin, services } = app
const worlds = await createWorlds(app)
const writing = (await listOperations(app.app)).filter(
  ({ method, access, path }) => method !== 'GET' && access !== 'public' && path.startsWith('/api/v1/'),
)
const asksProof = ({ plain }: Operation): boolean => plain !== undefined && 'proof' in plain
const proving = writing.filter(asksProof)

/** The features whose rows sign users in, and where those rows are; `waysOf` reads them. */
const holders = ['accounts', 'passkeys', 'totp']

/** Everything that an account can be signed in with, without the columns that a sign-in changes. */
async function waysOf({ user_id }: World): Promise<string> {
  const { rows } = await admin.query<{ way: string }>(
    `select jsonb_build_array(email, password_hash)::text as way from users where id = $1
      union all select id || public_key::text from passkeys where user_id = $1
      union all select id::text from totp_factors where user_id = $1 and confirmed_at is not null
      union all select code_hash::text from recovery_codes where user_id = $1
      union all select id || subject from identities where user_id = $1 order by 1`,
    [user_id],
  )
  return rows.map(({ way }) => way).join('\n')
}

/** Sends the caller's own request, with the body from `change` instead of the generated one if it is given. */
async function send(
  operation: Operation,
  world: World,
  change: (body: object) => object = body => body,
): Promise<Answer> {
  const { method, path, body, headers } = buildRequest(operation, world, new Map())
  return world.call(method, path, body && change(body), headers)
}
const withProof = (proof: object | undefined) => (body: object) => {
  const { proof: _proof, ...rest } = body as { proof?: unknown }
  return proof === undefined ? rest : { ...rest, proof }
}

test('the operations that change a sign-in method are known', () => {
  assert.deepEqual(
    services.declared.features
      .filter(({ secondFactor, signInMethod }) => secondFactor !== undefined || signInMethod !== undefined)
      .map(({ name }) => name)
      .sort(),
    holders,
    'a feature with another sign-in method: add its rows to waysOf',
  )
  assert.deepEqual(proving.map(({ id }) => id).sort(), [
    'addPasskey',
    'changeEmail',
    'changePassword',
    'confirmTotp',
    'linkIdentity',
    'makeRecoveryCodes',
    'removePasskey',
    'removeTotp',
    'unlinkIdentity',
  ])
})

// Red when: changeWithProof is replaced by changeCredentials in any of them, or choose accepts a password instead of a
// second factor.
for (const operation of proving)
  test(`${operation.id} changes nothing without a proof, with a password instead of the second factor, or with a wrong proof`, async () => {
    const world = await worlds(callerOf(operation), kindsOf(operation))
    const before = await waysOf(world)
    for (const proof of [undefined, { password: WORLD_PASSWORD }]) {
      const refused = await send(operation, world, withProof(proof))
      assert.deepEqual([refused.status, refused.body.errors?.[0].pointer], [422, '/proof'], refused.text)
    }
    const two = await send(operation, world, withProof({ code: '123456', password: WORLD_PASSWORD }))
    assert.equal(two.status, 422, two.text)
    const failures = async () =>
      (await admin.query('select failures from throttles where key = $1', [`mfa ${world.user_id}`])).rows[0]
        ?.failures ?? 0
    for (const count of [1, 2]) {
      const wrong = await send(operation, world, withProof({ code: '123456' }))
      assert.deepEqual([wrong.status, wrong.body.code], [401, 'invalid-code'], wrong.text)
      assert.equal(await failures(), count, 'a wrong code is a failed sign-in')
    }
    const unknown = await send(operation, world, withProof({ recovery_code: 'none' }))
    assert.deepEqual([unknown.status, unknown.body.code], [401, 'invalid-code'])
    const events = `select count(*)::int as count from security_events where user_id = $1 and type = 'proof-failed'`
    assert.equal((await admin.query(events, [world.user_id])).rows[0].count, 3)
    assert.equal(await waysOf(world), before)
    // The same request with the right one gets further.
    const right = await send(operation, world)
    assert.ok(right.status < 400 || right.body.code === unproved[operation.id], right.text)
  })

// Red when: the password of an account without a second factor is not required, or its wrong guesses are not counted.
for (const operation of proving)
  test(`${operation.id} takes the password of an account without a second factor, and counts a wrong one`, async () => {
    const world = await worlds(callerOf(operation), kindsOf(operation))
    const other = operation.places.find(({ kind }) => kind === 'passkey')
    // Without a factor there is nothing to remove: it is enough that the request gets that far.
    await admin.query('delete from passkeys where user_id = $1', [world.user_id])
    await admin.query('delete from recovery_codes where user_id = $1', [world.user_id])
    const before = await waysOf(world)
    const own = operation.plain !== undefined && 'current_password' in operation.plain
    const given = (password: string) =>
      own ? (body: object) => ({ ...withProof(undefined)(body), current_password: password }) : withProof({ password })
    for (const proof of own ? [] : [undefined, { code: '123456' }]) {
      const refused = await send(operation, world, withProof(proof))
      assert.deepEqual([refused.status, refused.body.errors?.[0].pointer], [422, '/proof'], refused.text)
    }
    const wrong = await send(operation, world, given('Wrong-horse-7'))
    assert.deepEqual([wrong.status, wrong.body.code], [401, 'invalid-credentials'], wrong.text)
    const { rows } = await admin.query('select failures from throttles where key = $1', [`account ${world.user_id}`])
    assert.deepEqual(rows, [{ failures: 1 }])
    assert.equal(await waysOf(world), before)
    const right = await send(operation, world, given(WORLD_PASSWORD))
    const allowed = [unproved[operation.id], 'second-factor-missing', ...(other === undefined ? [] : ['not-found'])]
    assert.ok(right.status < 400 || allowed.includes(right.body.code), right.text)
  })

// Red when: an operation changes a sign-in method and takes no proof, such as a PATCH of the profile that takes an
// address.
test('no other operation of a signed-in user changes a sign-in method', async () => {
  const others = writing.filter(operation => !asksProof(operation))
  assert.ok(others.length > 30)
  for (const operation of others) {
    const world = await worlds(callerOf(operation), kindsOf(operation))
    const before = await waysOf(world)
    const { status, text } = await send(operation, world)
    assert.ok(status < 500, text)
    assert.equal(await waysOf(world), before, operation.id)
  }
})

// Red when: an email about a change leaves the link out, in either language, or a declared change has no email.
test('every change causes an email with the link that undoes it, and is recorded in no other way', () => {
  const { declared } = services
  const templates = loadTemplates(declared)
  const changes = [...declared.events.values()].filter(isChange)
  assert.ok(changes.length >= 9)
  for (const { type, mailed, change } of changes) {
    assert.equal(mailed, true, type)
    for (const locale of ['en', 'de'] as const) {
      assert.match(templates.get(`${locale}/${type}.txt`) ?? '', /^\{\{undo\}\}$/m, `${locale}/${type}`)
      assert.match(change.words[locale], /^\p{Lu}.*\.$/u, type)
    }
  }
  // @ts-expect-error only recordChange records a change, and it takes the data for undoing it.
  assert.ok(recordEvent(totpAdded, '0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e', null))
})
