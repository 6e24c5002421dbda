import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOperators, listOperations } from '../../../test/isolation/operations.ts'
import { meet } from '../../../test/meeting.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// The quarter of an hour in which the owners can end an emergency access before it opens, and operators who would not let them.

const app = await createTestApp()
const { admin, signUp, addMember, logIn, tokens } = app

/** Past the trigger that keeps since when an account is a superuser. */
async function makeSuperuser(person: Person): Promise<Person> {
  const client = await admin.connect()
  try {
    await client.query('begin; set local session_replication_role = replica')
    await client.query(`update users set superuser = true, superuser_since = now() - interval '8 days' where id = $1`, [
      person.user_id,
    ])
    await client.query('commit')
  } finally {
    client.release()
  }
  return person
}
const [operator, second] = [await makeSuperuser(await signUp()), await makeSuperuser(await signUp())]

const expect = (answer: Answer, status: number, code?: string): Answer => {
  assert.equal(answer.status, status, answer.text)
  if (code !== undefined) assert.equal(answer.body.code, code)
  return answer
}

interface Place {
  owner: Person
  session_id: string
  /** The emergency access, which the second operator has granted and which opens in a quarter of an hour. */
  id: string
}
const request = async (organization_id: string): Promise<string> =>
  expect(
    await operator.call('POST', `/api/v1/admin/organizations/${organization_id}/support`, { reason: 'Ticket 4711' }),
    201,
  ).body.id
const grant = (id: string) => second.call('POST', `/api/v1/admin/support/${id}/approve`)
const end = ({ owner, id }: Place) =>
  owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}/support/${id}`)

async function createPlace(): Promise<Place> {
  const owner = await signUp('Acme')
  const id = await request(owner.organization_id)
  expect(await grant(id), 200)
  return { owner, id, session_id: tokens.verify(owner.access_token).sid }
}

type Act = readonly [path: string, body?: object]
const users = ({ owner }: Place) => `/api/v1/admin/users/${owner.user_id}`
const organizations = ({ owner }: Place) => `/api/v1/admin/organizations/${owner.organization_id}`
const bulk =
  (action: string, all_or_nothing = false) =>
  ({ owner }: Place): Act => ['/api/v1/admin/users/bulk', { action, ids: [owner.user_id], all_or_nothing }]
const account = { superuser: false, guest: false }

/** What an operator can do to the owner or the organization, by the operation; null: it is about neither. */
const acts: Readonly<Record<string, ((place: Place) => Act)[] | null>> = {
  updateAnyUser: [
    place => [users(place), { disabled: true }],
    place => [users(place), { guest: true }],
    place => [users(place), { superuser: true }],
    place => [users(place), { superuser: false }],
  ],
  replaceAnyUser: [place => [users(place), { ...account, disabled: true }]],
  actOnUsers: [
    ...['disable', 'enable', 'restore', 'unlock', 'end-sessions', 'require-password-change'].map(action =>
      bulk(action),
    ),
    bulk('disable', true),
  ],
  restoreAnyUser: [place => [`${users(place)}/restore`]],
  unlockAnyUser: [place => [`${users(place)}/unlock`]],
  requirePasswordChange: [place => [`${users(place)}/require-password-change`]],
  revokeAnySession: [({ session_id }) => [`/api/v1/admin/sessions/${session_id}`]],
  revokeAnySessions: [({ session_id }) => ['/api/v1/admin/sessions/revoke', { session_ids: [session_id] }]],
  revokeSessionsOfUser: [place => [`${users(place)}/sessions`]],
  revokeSessionsOfOrganization: [place => [`${organizations(place)}/sessions`]],
  inviteAnyUser: [
    ({ owner }) => [
      '/api/v1/admin/users',
      { organization_id: owner.organization_id, email: owner.email, role: 'viewer' },
    ],
  ],
  suspendOrganization: [place => [`${organizations(place)}/suspend`, { reason: 'Unpaid.' }]],
  reactivateOrganization: [place => [`${organizations(place)}/reactivate`]],
  requestSupportAccess: [place => [`${organizations(place)}/support`, { reason: 'Again' }]],
  approveSupportAccessInEmergency: [({ id }) => [`/api/v1/admin/support/${id}/approve`]],
  createSupportToken: [({ id }) => [`/api/v1/admin/support/${id}/token`]],
  endSupportAccessOfOperator: [({ id }) => [`/api/v1/admin/support/${id}`]],
  clearCache: null,
  deleteAnyLicenseActivation: null,
}
const isOfLicenses = (path: string) => /\/license/.test(path)

const operations = (await listOperations(app.app)).filter(
  operation => isOperators(operation) && !operation.access.endsWith(':read'),
)

// Red when: a trigger support_contest does not raise, or findContestingOwners() and ofContesting find nothing (bulk answers 409).
test('whatever an operator does, an owner can end an emergency access before it opens, or it does not open', async () => {
  let place = await createPlace()
  for (const { id: name, method, path } of operations) {
    if (isOfLicenses(path) && !(name in acts)) continue
    const known = acts[name]
    assert.notEqual(known, undefined, `say what ${name} can do to an owner`)
    for (const act of known ?? []) {
      const [where, body] = act(place)
      const answer = await second.call(method, where, body)
      const about = `${name} ${JSON.stringify(body)}: ${answer.status} ${answer.text}`
      assert.ok(answer.status < 500, about)
      const { status } = (await operator.call('GET', `/api/v1/admin/support/${place.id}`)).body
      if (status === 'scheduled' && name !== 'suspendOrganization') {
        const seen = await place.owner.call(
          'GET',
          `/api/v1/organizations/${place.owner.organization_id}/support/${place.id}`,
        )
        assert.equal(seen.status, 200, `the owner is still there after ${about}`)
        continue
      }
      // Nothing opens in a suspended organization, and it is not reactivated before the access was ended.
      if (name === 'suspendOrganization')
        expect(await second.call('POST', `${organizations(place)}/reactivate`), 409, 'support-access-uncontested')
      else assert.equal(status, 'ended', about)
      place = await createPlace()
    }
  }
  expect(await end(place), 204)
})

test('the refusals name the access, and bulk actions refuse the owner alone', async () => {
  const place = await createPlace()
  const { user_id } = await signUp()
  const disabled = expect(
    await operator.call('PATCH', users(place), { disabled: true }),
    409,
    'support-access-uncontested',
  )
  assert.equal(disabled.body.support_id, place.id)
  const codes = ({ body }: Answer) =>
    body.results.map(({ status, problem }: { status: string; problem?: { code: string } }) => problem?.code ?? status)
  for (const action of ['disable', 'end-sessions', 'require-password-change'] as const) {
    const body = { action, ids: [place.owner.user_id, user_id] }
    const done = expect(await operator.call('POST', '/api/v1/admin/users/bulk', body), 200)
    assert.deepEqual(codes(done)[0], 'support-access-uncontested', action)
  }
  const other = tokens.verify((await logIn(await signUp())).access_token).sid
  const revoked = await operator.call('POST', '/api/v1/admin/sessions/revoke', {
    session_ids: [place.session_id, other],
  })
  assert.deepEqual(codes(expect(revoked, 200)), ['support-access-uncontested', 'done'])

  // What the owner does is no operator's act, and an ended access protects no one any more.
  const again = await logIn(place.owner)
  expect(await again.call('DELETE', `/api/v1/users/sessions/${place.session_id}`), 204)
  expect(await operator.call('DELETE', `/api/v1/admin/support/${place.id}`), 204)
  expect(await operator.call('PATCH', users(place), { disabled: true }), 200)
})

test('other members, and owners whose access has opened, are not concerned', async () => {
  const place = await createPlace()
  const member = await addMember(place.owner, 'admin')
  expect(await operator.call('PATCH', `/api/v1/admin/users/${member.user_id}`, { disabled: true }), 200)
  await admin.query('update support_grants set opens_at = now() where id = $1', [place.id])
  expect(await operator.call('PATCH', users(place), { disabled: true }), 200)
})

// Red when: guard_support_grant() does not look for an owner, or counts the two operators.
test('an emergency access is not granted while no owner could end it', async () => {
  const owner = await signUp('Acme')
  const id = await request(owner.organization_id)
  expect(await operator.call('PATCH', `/api/v1/admin/users/${owner.user_id}`, { disabled: true }), 200)
  expect(await grant(id), 409, 'support-access-uncontested')
  // The operators themselves would be no help, were they owners.
  for (const { user_id } of [operator, second])
    await admin.query(`insert into memberships (organization_id, user_id, role) values ($1, $2, 'owner')`, [
      owner.organization_id,
      user_id,
    ])
  expect(await grant(id), 409, 'support-access-uncontested')
  expect(await operator.call('PATCH', `/api/v1/admin/users/${owner.user_id}`, { disabled: false }), 200)
  expect(await grant(id), 200)
})

// Red when: guard_support_grant() does not take the keys of the owners, or keep_contesting_owner() runs before `revocation`.
test('of a grant and the disabling of the last owner at the same moment, one is refused', async () => {
  const outcomes = new Set<string>()
  for (let round = 0; round < 8; round++) {
    const owner = await signUp('Acme')
    const id = await request(owner.organization_id)
    const key = `select pg_advisory_xact_lock(lock_key('revocation', $1))`
    const disable = () => operator.call('PATCH', `/api/v1/admin/users/${owner.user_id}`, { disabled: true })
    const [disabled, granted] = await meet(admin, [key, [owner.user_id]], 2, async () => {
      const first = round % 2 === 0 ? disable() : grant(id)
      await new Promise(resolve => setTimeout(resolve, 50))
      const other = round % 2 === 0 ? grant(id) : disable()
      const answers = await Promise.all([first, other])
      return round % 2 === 0 ? answers : answers.toReversed()
    })
    assert.deepEqual([disabled!.status, granted!.status].toSorted(), [200, 409], `${disabled!.text} ${granted!.text}`)
    outcomes.add(disabled!.status === 200 ? 'disabled' : 'granted')
  }
  assert.deepEqual([...outcomes].toSorted(), ['disabled', 'granted'])
})
