import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sealToken } from '../../platform/tokens/one-time-tokens.ts'
import { waits } from '../../../test/meeting.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'
import { invitationToken } from './invitations.ts'

const test_ = await createTestApp()
const { call, signUp, verify, admin, services } = test_
let serial = 0
const newAddress = () => `invited-${process.pid}-${Date.now()}-${serial++}@example.com`

/** Someone who may write to strangers: their own address is confirmed. */
const newOwner = async (): Promise<Person> => {
  const owner = await signUp('Acme')
  await verify(owner)
  return owner
}

const invite = (owner: Person, email: string, role = 'member') =>
  owner.call('POST', `/api/v1/organizations/${owner.organization_id}/invitations`, { email, role })

/** The token of the latest link that was made for the address. */
async function tokenOf(email: string): Promise<string> {
  const { rows } = await admin.query<{ id: string }>(
    `select id from one_time_tokens where purpose = 'invitation' and email = $1 order by id desc limit 1`,
    [email],
  )
  return sealToken(services.keys.oneTime, invitationToken, rows[0]!.id)
}

const accept = (token: string, more: object = {}) => call('POST', '/api/v1/invitations/accept', { token, ...more })

test('an invited address without an account creates a confirmed one, which is a member of the organization', async () => {
  const owner = await newOwner()
  const email = newAddress()
  const invited = await invite(owner, email.toUpperCase(), 'viewer')
  assert.equal(invited.status, 202)
  assert.equal(invited.body.email, email)
  const token = await tokenOf(email)
  const without = await accept(token)
  assert.deepEqual([without.status, without.body.errors[0].pointer], [422, '/password'])
  assert.equal((await accept(token, { password: 'short' })).body.code, 'weak-password')
  const { status, body } = await accept(token, { password: PASSWORD, full_name: 'Cleo' })
  assert.deepEqual([status, body.organization_id, body.role], [200, owner.organization_id, 'viewer'])
  const login = await call('POST', '/api/v1/auth/login', {
    email,
    password: PASSWORD,
    organization_id: owner.organization_id,
  })
  assert.equal(login.body.user.email_verified, true)
  assert.equal(login.body.organization.id, owner.organization_id)
  // Red when: the update of join() does not check accepted_at.
  assert.equal((await accept(token, { password: PASSWORD })).body.code, 'invitation-ended')
})

test('inviting a known and an unknown address gives the same response', async () => {
  const owner = await newOwner()
  const known = await signUp()
  const [one, other] = [await invite(owner, known.email), await invite(owner, newAddress())]
  const shapeOf = ({ status, headers, body }: typeof one) => [
    status,
    Object.keys(headers).sort(),
    Object.keys(body),
    body.role,
    body.invited_by,
  ]
  assert.deepEqual(shapeOf(one), shapeOf(other))
})

test('the link admits only the account of that address', async () => {
  const owner = await newOwner()
  const [invited, stranger] = [await signUp(), await signUp()]
  await invite(owner, invited.email)
  const token = await tokenOf(invited.email)
  // Red when: getOpen does not compare the session's user.
  const wrong = await stranger.call('POST', '/api/v1/invitations/accept', { token })
  assert.deepEqual([wrong.status, wrong.body.code], [403, 'invitation-for-another'])
  // An account that never verified the address must not join by the link of its real owner.
  assert.equal((await accept(token)).body.code, 'email-unverified')
  const right = await invited.call('POST', '/api/v1/invitations/accept', { token })
  assert.equal(right.status, 200)
  assert.equal((await invited.call('GET', '/api/v1/auth/me')).body.user.email_verified, true)
})

test('of two concurrent requests one joins; a revoked or replaced invitation is refused', async () => {
  const owner = await newOwner()
  const person = await signUp()
  await verify(person)
  await invite(owner, person.email)
  const first = await tokenOf(person.email)
  const again = await invite(owner, person.email, 'admin')
  // Red when: the link does not contain the version that it was created for.
  assert.equal((await accept(first)).body.code, 'invitation-ended')
  const second = await tokenOf(person.email)
  const answers = await Promise.all([accept(second), accept(second)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 410])
  assert.equal(answers.find(({ status }) => status === 200)?.body.role, 'admin')

  const other = newAddress()
  const { body } = await invite(owner, other)
  const path = `/api/v1/organizations/${owner.organization_id}/invitations`
  assert.deepEqual(
    (await owner.call('GET', path)).body.items.map(({ id }: { id: string }) => id),
    [body.id],
    `${again.body.id} is accepted`,
  )
  assert.equal((await owner.call('DELETE', `${path}/${body.id}`)).status, 204)
  assert.equal((await owner.call('DELETE', `${path}/${body.id}`)).status, 404)
  assert.equal((await accept(await tokenOf(other), { password: PASSWORD })).body.code, 'invitation-ended')
  const { rows } = await admin.query('select from users where email = $1', [other])
  assert.equal(rows.length, 0, 'no account is made for nothing')
})

// Red when: createInvitation does not run through the actor, or the email is enqueued outside its transaction.
test('several requests with one Idempotency-Key create one invitation, and its link stays valid', async () => {
  const owner = await newOwner()
  const email = newAddress()
  const headers = { 'idempotency-key': `invite-${email}` }
  const path = `/api/v1/organizations/${owner.organization_id}/invitations`
  const first = await owner.call('POST', path, { email, role: 'viewer' }, headers)
  assert.equal(first.status, 202)
  const again = await owner.call('POST', path, { email, role: 'viewer' }, headers)
  assert.deepEqual([again.status, again.body], [202, first.body])
  const other = await owner.call('POST', path, { email: newAddress(), role: 'viewer' }, headers)
  assert.deepEqual([other.status, other.body.code], [422, 'idempotency-key-reused'])
  const mails = await test_.mailTo(email)
  assert.equal(mails.length, 1)
  assert.equal((await accept(mails[0]!.token, { password: PASSWORD })).body.role, 'viewer')
})

test('only administrators invite, only owners invite owners, and no one into a personal organization', async () => {
  const owner = await newOwner()
  const [administrator, member] = [await test_.addMember(owner, 'admin'), await test_.addMember(owner, 'member')]
  assert.equal((await invite(member, newAddress())).body.code, 'permission-missing')
  assert.equal((await invite(administrator, newAddress(), 'owner')).body.code, 'owner-required')
  assert.equal((await invite(owner, newAddress(), 'owner')).status, 202)
  const unconfirmed = await signUp('Acme')
  // Red when: createInvitation does not check the inviter's address.
  assert.equal((await invite(unconfirmed, newAddress())).body.code, 'email-unverified')
  const alone = await signUp()
  assert.equal((await invite(alone, newAddress())).body.code, 'personal-organization')
  const foreign = await signUp('Other')
  const path = `/api/v1/organizations/${owner.organization_id}/invitations`
  assert.equal((await foreign.call('GET', path)).status, 404)
  assert.equal((await foreign.call('POST', path, { email: newAddress(), role: 'viewer' })).status, 404)
})

// Red when: the form does not ask getOpen for the names, act drops full_name, or the page shows a name as HTML.
test('the page of the link names the organization and the inviter, asks a new user for a name and a password, and joins', async () => {
  const owner = await newOwner()
  await owner.call('PATCH', `/api/v1/organizations/${owner.organization_id}`, { name: 'Looms & <b>Engines' })
  const page = (token: string, form?: Record<string, string>) =>
    test_.app.inject({
      method: form === undefined ? 'GET' : 'POST',
      url: form === undefined ? `/account/invitation?token=${token}` : '/account/invitation',
      ...(form && {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: new URLSearchParams({ token, ...form }).toString(),
      }),
    })
  const email = newAddress()
  await invite(owner, email)
  const token = await tokenOf(email)
  const anonymous = (await page(token)).body
  assert.match(anonymous, /<h1>Join Looms &#38; &#60;b&#62;Engines<\/h1>\s*<p class="lead">You are invited to Looms/)
  await owner.call('PATCH', '/api/v1/users/me', { full_name: 'Ada Lovelace' })
  const shown = (await page(token)).body
  assert.match(shown, /<p class="lead">Ada Lovelace invites you to Looms/)
  assert.ok(!shown.includes(owner.email), 'an inviter is named as in the email, and never by the address')
  assert.match(shown, /type="password"/)
  assert.match(shown, /name="full_name" autocomplete="name"/)
  const preview = (given: string) => test_.call('POST', '/api/v1/invitations/preview', { token: given })
  assert.deepEqual((await preview(token)).body, {
    organization_name: 'Looms & <b>Engines',
    inviter_name: 'Ada Lovelace',
    email,
    creates_account: true,
  })
  const weak = await page(token, { new_password: 'short', repeated_password: 'short', full_name: 'Cleo <i>' })
  assert.equal(weak.statusCode, 422)
  assert.match(weak.body, /must have at least 8 characters/)
  assert.match(weak.body, /value="Cleo &#60;i&#62;"/)
  const chosen = { new_password: PASSWORD, repeated_password: PASSWORD }
  for (const full_name of ['x'.repeat(201), 'Cleo\u202eoelC', 'Cleo\nAda']) {
    const refused = await page(token, { ...chosen, full_name })
    assert.deepEqual([refused.statusCode, /one line of at most 200/.test(refused.body)], [422, true], full_name)
  }
  const joined = await page(token, { ...chosen, full_name: ' Cleo <i> ' })
  assert.match(joined.body, /<h1>You are a member now<\/h1>/)
  assert.equal((await preview(token)).body.code, 'invitation-ended')
  assert.equal((await preview(`${token}A`)).body.code, 'invalid-token')
  const { rows } = await test_.admin.query('select full_name from users where email = $1', [email])
  assert.deepEqual(rows, [{ full_name: 'Cleo <i>' }])

  const known = await signUp()
  await invite(owner, known.email)
  const other = await tokenOf(known.email)
  const refused = await page(other, {})
  assert.equal(refused.statusCode, 403)
  assert.match(refused.body, /never confirmed/)
  await verify(known)
  assert.equal((await preview(other)).body.creates_account, false)
  await test_.admin.query('update users set disabled_at = now() where id = $1', [known.user_id])
  assert.match((await page(other)).body, /<h1>The account with this address is closed/)
  assert.equal((await preview(other)).body.code, 'account-unavailable')
  await test_.admin.query('update users set disabled_at = null where id = $1', [known.user_id])
  assert.doesNotMatch((await page(other)).body, /type="password"/)
  assert.match((await page(other, {})).body, /You are a member now/)
  assert.match((await page(other, {})).body, /<h1>This invitation is no longer open<\/h1>/)
})

// Red when: join does not check whether the inviter may still invite.
test('an invitation becomes invalid when the inviter loses the role or the membership', async () => {
  const owner = await newOwner()
  const members = `/api/v1/organizations/${owner.organization_id}/members`
  const [lowered, removed, staying] = [
    await test_.addMember(owner, 'admin'),
    await test_.addMember(owner, 'admin'),
    await test_.addMember(owner, 'admin'),
  ]
  const tokens: string[] = []
  for (const inviter of [lowered, removed, staying]) {
    const friend = await signUp()
    await verify(friend)
    assert.equal((await invite(inviter, friend.email, 'admin')).status, 202)
    tokens.push(await tokenOf(friend.email))
  }
  assert.equal((await owner.call('PATCH', `${members}/${lowered.user_id}`, { role: 'viewer' })).status, 200)
  assert.equal((await owner.call('DELETE', `${members}/${removed.user_id}`)).status, 204)
  const answers = await Promise.all(tokens.map(token => accept(token)))
  assert.deepEqual(
    answers.map(({ status, body }) => body.code ?? status),
    ['invitation-ended', 'invitation-ended', 200],
  )
  // An invitation of an owner becomes invalid when the inviter is no longer an owner.
  const heir = await signUp()
  await verify(heir)
  assert.equal((await invite(owner, heir.email, 'owner')).status, 202)
  const token = await tokenOf(heir.email)
  const handedOver = await owner.call('POST', `/api/v1/organizations/${owner.organization_id}/transfer`, {
    user_id: staying.user_id,
  })
  assert.equal(handedOver.status, 204)
  assert.equal((await accept(token)).body.code, 'invitation-ended')
})

// Red when: requirePlace does not check for a recent sign-in.
test('an owner is invited only by an owner with a recent sign-in', async () => {
  const owner = await newOwner()
  const person = await signUp()
  await verify(person)
  const claims = test_.tokens.verify(owner.access_token)
  const stale = test_.tokens.sign({ ...claims, jti: 'stale', auth_time: claims.auth_time - 601 })
  const organization = `/api/v1/organizations/${owner.organization_id}`
  const ask = (path: string, role: string, token = stale) =>
    call('POST', `${organization}/${path}`, { email: person.email, role }, { authorization: `Bearer ${token}` })
  for (const path of ['invitations', 'members']) {
    const { status, body } = await ask(path, 'owner')
    assert.deepEqual([status, body.code], [401, 'step-up-required'], path)
  }
  assert.equal((await ask('invitations', 'admin')).status, 202)
  assert.equal((await ask('members', 'owner', owner.access_token)).status, 202)
})

// Red when: acceptInvitation returns the error of its attempted sign-up for an address with a deleted or disabled
// account.
test('an invitation is refused while the account of its address is deleted or disabled', async () => {
  const owner = await newOwner()
  for (const column of ['deleted_at', 'disabled_at']) {
    const person = await signUp()
    await verify(person)
    await invite(owner, person.email)
    const token = await tokenOf(person.email)
    await admin.query(`update users set ${column} = now() where id = $1`, [person.user_id])
    const { status, body } = await accept(token, { password: PASSWORD })
    assert.deepEqual([status, body.code], [409, 'account-unavailable'], column)
  }
})

// Red when: getOpen() or join() omits a condition, or the account is created in a separate transaction.
test('an invalid invitation creates no account, and gives invitation-ended', async () => {
  const ends: Record<string, (owner: Person, inviter: Person, id: string) => Promise<unknown>> = {
    'the organization is closed': owner => owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}`),
    'its row is gone': (_owner, _inviter, id) => admin.query('delete from invitations where id = $1', [id]),
    'the inviter is disabled': (_owner, { user_id }) =>
      admin.query('update users set disabled_at = now() where id = $1', [user_id]),
    'the inviter has deleted the account': (_owner, inviter) => inviter.call('DELETE', '/api/v1/users/me'),
    'the inviter’s membership is disabled': (_owner, { user_id, organization_id }) =>
      admin.query('update memberships set disabled_at = now() where user_id = $1 and organization_id = $2', [
        user_id,
        organization_id,
      ]),
    'it has expired': (_owner, _inviter, id) =>
      admin.query(`update one_time_tokens set expires_at = now() where details ->> 'invitation_id' = $1`, [id]),
  }
  for (const [name, end] of Object.entries(ends)) {
    const owner = await newOwner()
    const inviter = await test_.addMember(owner, 'admin')
    const email = newAddress()
    const { body } = await invite(inviter, email)
    const token = await tokenOf(email)
    await end(owner, inviter, body.id)
    const answer = await accept(token, { password: PASSWORD })
    assert.deepEqual([answer.status, answer.body.code], [410, 'invitation-ended'], name)
    assert.equal((await admin.query('select from users where email = $1', [email])).rowCount, 0, name)
    const page = await test_.app.inject({ url: `/account/invitation?token=${token}` })
    assert.ok([410, 422].includes(page.statusCode), `${name}: ${page.statusCode}`)
    assert.doesNotMatch(page.body, /<button/, name)
  }
  assert.equal((await accept('x'.repeat(64), { password: PASSWORD })).body.code, 'invalid-token')
})

// Red when: the account of an invited address is created before joining is certain.
test('an organization that is deleted while an account is created leaves no account behind', async () => {
  const owner = await newOwner()
  const email = newAddress()
  await invite(owner, email)
  const token = await tokenOf(email)
  const client = await admin.connect()
  await client.query('begin')
  await client.query('update organizations set deleted_at = now() where id = $1', [owner.organization_id])
  const accepting = accept(token, { password: PASSWORD })
  assert.ok(await waits(admin, client, accepting), 'it has looked and hashed')
  await client.query('commit')
  client.release()
  assert.equal((await accepting).body.code, 'invitation-ended')
  assert.equal((await admin.query('select from users where email = $1', [email])).rowCount, 0)
})

// Red when: join() throws already-member inside its transaction.
test('an invitation that a member accepts is used up', async () => {
  const owner = await newOwner()
  const person = await signUp()
  await verify(person)
  await invite(owner, person.email, 'admin')
  const token = await tokenOf(person.email)
  // Like a membership from before the trigger `invitations_insert` existed.
  await admin.query(
    `begin; set local session_replication_role = replica; insert into memberships (organization_id, user_id, role)
    values ('${owner.organization_id}', '${person.user_id}', 'viewer'); commit`,
  )
  assert.equal((await accept(token)).body.code, 'already-member')
  assert.equal((await accept(token)).body.code, 'invitation-ended')
  assert.deepEqual(
    (await owner.call('GET', `/api/v1/organizations/${owner.organization_id}/invitations`)).body.items,
    [],
  )
  await owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}/members/${person.user_id}`)
  assert.equal((await accept(token)).body.code, 'invitation-ended', 'no way back')
  assert.equal((await invite(owner, owner.email)).body.code, 'already-member')
})

// Red when: POST …/members looks up an address, adds a member directly, or accepts an id.
test('adding a member invites the address: the membership begins with the consent of the reader of the email', async () => {
  const owner = await newOwner()
  const person = await signUp()
  await verify(person)
  const path = `/api/v1/organizations/${owner.organization_id}/members`
  const place = { role: 'viewer', title: 'Guest', company: 'Acme' }
  const [known, unknown] = [
    await owner.call('POST', path, { email: person.email.toUpperCase(), ...place }),
    await owner.call('POST', path, { email: newAddress(), ...place }),
  ]
  assert.deepEqual([known.status, unknown.status], [202, 202])
  const plain = ({
    body: { id: _id, email: _email, created_at: _created, mail_at: _mailed, expires_at: _expires, ...rest },
  }: typeof known) => rest
  assert.deepEqual(plain(known), plain(unknown))
  const byId = await owner.call('POST', path, { user_id: person.user_id, role: 'viewer' })
  assert.deepEqual(
    [byId.status, byId.body.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()],
    [422, ['/email', '/user_id']],
  )
  assert.equal((await owner.call('GET', path)).body.items.length, 1)
  assert.equal((await accept(await tokenOf(person.email))).status, 200)
  const { body } = await owner.call('GET', `${path}/${person.user_id}`)
  assert.deepEqual([body.role, body.title, body.company], ['viewer', 'Guest', 'Acme'])
})

// Red when: keep_mail_quota() counts emails of other senders, or drops instead of refusing.
test('an address gets five invitations an hour from one organization and from one inviter, and the sixth is refused', async () => {
  const email = newAddress()
  const first = await newOwner()
  for (let time = 0; time < 5; time++) assert.equal((await invite(first, email)).status, 202)
  const sixth = await invite(first, email)
  assert.deepEqual([sixth.status, sixth.body.code, sixth.headers['retry-after']], [429, 'too-many-invitations', '3600'])
  // Revoking and inviting again, by another administrator or for another organization of the inviter, does not help.
  const administrator = await test_.addMember(first, 'admin')
  const path = `/api/v1/organizations/${first.organization_id}/invitations`
  assert.equal((await invite(administrator, email)).status, 429)
  const { body } = await first.call('POST', '/api/v1/organizations', { name: 'Second' })
  const elsewhere = await test_.logIn(first, body.id)
  assert.equal((await invite(elsewhere, email)).status, 429)
  const token = await tokenOf(email)
  const [mail, ...more] = await test_.mailTo(email)
  assert.deepEqual([mail?.token, more], [token, []], 'the last one is mailed and stays good')

  // The email of another organization is still sent.
  const other = await newOwner()
  assert.equal((await invite(other, email)).status, 202)
  assert.equal((await test_.mailTo(email)).length, 1)
  const [{ id }] = (await first.call('GET', path)).body.items
  await first.call('DELETE', `${path}/${id}`)
  assert.equal((await invite(first, email)).status, 429)
})
