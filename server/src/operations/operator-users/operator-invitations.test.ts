import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { admin, signUp, verify, logIn, mailTo } = await createTestApp()
const operator = await signUp()
await verify(operator)
await admin.query('update users set superuser = true where id = $1', [operator.user_id])
const owner = await signUp('Acme of invitations')
const { organization_id } = owner
const invite = (body: object, headers?: Record<string, string>) =>
  operator.call('POST', '/api/v1/admin/users', { organization_id, role: 'member', ...body }, headers)

// Red when: live_invitations, mails.ts or mayStillInvite asks for an inviter who is a member.
test('an operator invites an address to an organization, and its user accepts', async () => {
  const person = await signUp()
  await verify(person)
  const { status, body } = await invite({ email: person.email, role: 'admin', title: 'Engineer' })
  assert.deepEqual([status, body.status, body.role, body.invited_by], [202, 'open', 'admin', null])
  const mail = (await mailTo(person.email)).find(({ subject }) => /invit|join|Acme/i.test(subject))!
  assert.match(mail.text, /Acme of invitations/)
  const toOwner = (await mailTo(owner.email)).filter(({ subject }) => /An operator invited someone/.test(subject))
  assert.equal(toOwner.length, 1, 'the owner is told, once')
  const { body: own } = await person.call('GET', '/api/v1/users/me/invitations')
  assert.deepEqual([own.items[0].id, own.items[0].role, own.items[0].inviter.full_name], [body.id, 'admin', null])
  const accepted = await person.call('POST', '/api/v1/invitations/accept', { token: mail.token })
  assert.ok(accepted.status < 300, accepted.text)
  assert.equal((await (await logIn(person, organization_id)).call('GET', '/api/v1/auth/me')).body.role, 'admin')
  assert.equal((await invite({ email: person.email })).body.code, 'already-member')
})

test('administrators see that an operator invited, and may revoke the invitation or hand over its link', async () => {
  const email = `invited-${randomUUIDv7()}@example.com`
  const { body } = await invite({ email })
  const path = `/api/v1/organizations/${organization_id}/invitations/${body.id}`
  assert.equal((await owner.call('GET', path)).body.invited_by, null)
  await verify(owner)
  assert.match((await owner.call('POST', `${path}/link`)).body.link, /invitation-link/)
  assert.equal((await owner.call('DELETE', path)).status, 204)
  const { rows } = await admin.query(
    `select action, actor_id from audit_log where organization_id = $1 and entity_type = 'invitations' and actor_id = $2 order by id`,
    [organization_id, operator.user_id],
  )
  assert.ok(rows.some(({ action }) => action === 'insert'))
  assert.ok(rows.some(({ action }) => action === 'operate'))
})

// Red when: inviteAnyUser does not ask requireUnsuspended(): the response says that the email was sent.
test('no one is invited to a suspended organization, because no email would be sent', async () => {
  const suspended = await signUp('Suspended')
  const path = `/api/v1/admin/organizations/${suspended.organization_id}`
  const { body } = await operator.call('POST', `${path}/suspend`, { reason: 'Unpaid.' })
  const email = `invited-${randomUUIDv7()}@example.com`
  const refused = await invite({ organization_id: suspended.organization_id, email })
  assert.deepEqual(
    [refused.status, refused.body.code, refused.body.suspended_at],
    [403, 'organization-suspended', body.suspended_at],
  )
  await operator.call('POST', `${path}/reactivate`)
  assert.equal((await invite({ organization_id: suspended.organization_id, email })).status, 202)
  assert.equal((await mailTo(email)).length, 1)
})

test('an invitation by an operator that cannot be made says why', async () => {
  const email = `invited-${randomUUIDv7()}@example.com`
  const foreign = await signUp('Globex of invitations')
  const { body: role } = await foreign.call('POST', `/api/v1/organizations/${foreign.organization_id}/roles`, {
    name: 'Theirs',
    permissions: ['projects:read'],
  })
  for (const [given, code, pointer] of [
    [{ organization_id: randomUUIDv7() }, 'invalid-fields', '/organization_id'],
    [{ organization_id: operator.organization_id }, 'personal-organization', undefined],
    [{ role: undefined }, 'invalid-fields', '/role'],
    [{ role: undefined, role_id: role.id }, 'invalid-fields', '/role_id'],
    [{ guest: true }, 'invalid-fields', '/role'],
  ] as const) {
    const { body } = await invite({ email, ...given })
    assert.deepEqual([body.code, body.errors?.[0].pointer], [code, pointer], JSON.stringify(given))
  }
  assert.equal((await admin.query('select from invitations where email = $1', [email])).rowCount, 0)
  assert.equal((await invite({ email: operator.email.toUpperCase() })).body.code, 'own-account')
  const key = { 'idempotency-key': randomUUIDv7() }
  const first = await invite({ email }, key)
  assert.deepEqual((await invite({ email }, key)).body, first.body)
})
