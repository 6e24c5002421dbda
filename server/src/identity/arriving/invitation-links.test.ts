import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person, TestApp } from '../../../test/test-app.ts'

// Links to invitations that an administrator hands over.

const app = await createTestApp()
const { admin, addMember, call, logIn, mailTo, signUp, verify } = app
const strict = await createTestApp({ EMAIL_VERIFICATION: 'required' })

const newAddress = () => `handed-${randomUUID()}@example.com`
const codeOf = ({ status, body }: Answer) => [status, body?.code]
const pathOf = (owner: Person) => `/api/v1/organizations/${owner.organization_id}/invitations`

async function newOwner(): Promise<Person> {
  const owner = await signUp('Acme')
  await verify(owner)
  return owner
}

async function invite(owner: Person, email: string, more: object = {}): Promise<string> {
  const { status, body, text } = await owner.call('POST', pathOf(owner), { email, role: 'member', ...more })
  assert.equal(status, 202, text)
  return body.id
}

async function linkOf(owner: Person, id: string): Promise<string> {
  const { status, body, text } = await owner.call('POST', `${pathOf(owner)}/${id}/link`)
  assert.equal(status, 200, text)
  return new URL(body.link).searchParams.get('token')!
}

const accept = (token: string, more: object = {}, { call: request }: Pick<TestApp, 'call'> = app) =>
  request('POST', '/api/v1/invitations/accept', { token, ...more })
const acceptAs = (person: Person, token: string) => person.call('POST', '/api/v1/invitations/accept', { token })
const isMember = async (owner: Person, email: string) =>
  (
    await admin.query(
      `select from memberships m join users u on u.id = m.user_id where m.organization_id = $1 and u.email = $2 and m.deleted_at is null`,
      [owner.organization_id, email],
    )
  ).rowCount === 1

// Red when: createMember() marks the address as verified for a link that was handed over, or does not issue the token.
test('the link makes an account with an unverified address, once, and emails the verification', async () => {
  const owner = await newOwner()
  const email = newAddress()
  const id = await invite(owner, email)
  await mailTo(email)
  const made = await owner.call('POST', `${pathOf(owner)}/${id}/link`)
  assert.match(made.body.link, /^http:\/\/localhost:8000\/account\/invitation-link\?token=/)
  const days = (Date.parse(made.body.expires_at) - Date.now()) / 86_400_000
  assert.ok(days > 6.9 && days < 7.1, made.body.expires_at)
  const token = new URL(made.body.link).searchParams.get('token')!
  const without = await accept(token)
  assert.deepEqual([without.status, without.body.errors[0].pointer], [422, '/password'])
  const joined = await accept(token, { password: PASSWORD, full_name: 'Cleo' })
  assert.deepEqual([joined.status, joined.body.role], [200, 'member'], joined.text)
  assert.deepEqual(codeOf(await accept(token, { password: PASSWORD })), [410, 'invitation-ended'])
  const login = await call('POST', '/api/v1/auth/login', { email, password: PASSWORD })
  assert.deepEqual([login.body.user.email_verified, login.body.organization.id], [false, owner.organization_id])
  assert.deepEqual(
    (await mailTo(email)).map(mail => new URL(mail.link).pathname),
    ['/account/verify-email'],
  )
  // Who and when, in the audit log of the organization.
  const { body } = await owner.call('GET', '/api/v1/audit-logs?entity_type=invitation_links')
  assert.deepEqual(
    body.items.map(({ action, actor_id, after }: Record<string, Record<string, string>>) => [
      action,
      actor_id,
      after?.['invitation_id'],
    ]),
    [['insert', owner.user_id, id]],
  )
  assert.doesNotMatch(JSON.stringify(body), new RegExp(email))
})

// Red when: acceptHandedOver() is left out: the holder of the link then joins with an account that is not theirs.
test('an existing account joins only in its own session, and stays unverified if it was', async () => {
  const owner = await newOwner()
  const [known, other] = [await signUp(), await signUp()]
  await verify(other)
  const token = await linkOf(owner, await invite(owner, known.email))
  assert.deepEqual(codeOf(await accept(token, { password: PASSWORD })), [401, 'invitation-needs-sign-in'])
  assert.equal((await accept(token)).status, 422)
  assert.deepEqual(codeOf(await acceptAs(other, token)), [403, 'invitation-for-another'])
  assert.equal(await isMember(owner, known.email), false)
  const old = await logIn(known)
  await old.call('POST', '/api/v1/auth/logout')
  assert.deepEqual(codeOf(await acceptAs(old, token)), [401, 'session-ended'])
  assert.equal((await acceptAs(known, token)).status, 200)
  assert.equal((await known.call('GET', '/api/v1/users/me')).body.email_verified, false)
  assert.equal(await isMember(owner, known.email), true)
})

// Red when: acceptHandedOver() looks the account up before the password, or names its state.
test('to the maker of the link, known, deleted, disabled and erased addresses look alike', async () => {
  const owner = await newOwner()
  const shapes: unknown[] = []
  for (const state of ['live', 'deleted_at', 'disabled_at', 'unknown']) {
    const email = state === 'unknown' ? newAddress() : (await signUp()).email
    if (state.endsWith('_at')) await admin.query(`update users set ${state} = now() where email = $1`, [email])
    const id = await invite(owner, email)
    const made = await owner.call('POST', `${pathOf(owner)}/${id}/link`)
    const token = new URL(made.body.link).searchParams.get('token')!
    const preview = await app.call('POST', '/api/v1/invitations/preview', { token })
    assert.deepEqual([preview.status, preview.body.creates_account], [200, null])
    const [probe, page] = [
      await accept(token),
      await app.app.inject({ url: `/account/invitation-link?token=${token}` }),
    ]
    assert.equal(page.statusCode, 200)
    shapes.push([
      made.status,
      Object.keys(made.headers).toSorted(),
      Object.keys(made.body),
      probe.status,
      probe.body.errors,
      page.body.replaceAll(email, '').replaceAll(token, ''),
      { ...preview.body, email: '' },
    ])
    if (state !== 'unknown')
      assert.deepEqual(codeOf(await accept(token, { password: PASSWORD })), [401, 'invitation-needs-sign-in'], state)
  }
  for (const shape of shapes) assert.deepEqual(shape, shapes[0])
})

// Red when: acceptHandedOver() creates an account while addresses must be verified first, or looks at the address.
test('if addresses must be verified first, the link emails the invitation again and creates nothing', async () => {
  const owner = await newOwner()
  const known = await signUp()
  await verify(known)
  for (const email of [known.email, newAddress()]) {
    const id = await invite(owner, email)
    await mailTo(email)
    const token = await linkOf(owner, id)
    const before = await admin.query('select from users where email = $1', [email])
    const answers = [await accept(token, {}, strict), await accept(token, { password: PASSWORD }, strict)]
    for (const { status, body } of answers) assert.deepEqual([status, body], [202, { status: 'accepted' }])
    const after = await admin.query('select from users where email = $1', [email])
    assert.deepEqual([after.rowCount, await isMember(owner, email)], [before.rowCount, false])
    const [mail] = await mailTo(email)
    assert.match(mail!.link, /\/account\/invitation\?token=/)
    assert.equal((await accept(mail!.token, { password: PASSWORD }, strict)).status, 200)
    assert.equal(await isMember(owner, email), true)
    assert.deepEqual(codeOf(await accept(token, {}, strict)), [410, 'invitation-ended'])
  }
  const page = await strict.app.inject({
    url: `/account/invitation-link?token=${await linkOf(owner, await invite(owner, newAddress()))}`,
  })
  assert.doesNotMatch(page.body, /type="password"/)
})

// Red when: spend_invitation_links() or the update in make_invitation_link() is left out.
test('the link ends when the invitation is revoked or replaced, and with the next link; the emailed link stays valid', async () => {
  const owner = await newOwner()
  const refused = async (token: string) =>
    assert.deepEqual(codeOf(await accept(token, { password: PASSWORD })), [410, 'invitation-ended'])
  const revoked = newAddress()
  const id = await invite(owner, revoked)
  const token = await linkOf(owner, id)
  await owner.call('DELETE', `${pathOf(owner)}/${id}`)
  await refused(token)
  assert.deepEqual(codeOf(await owner.call('POST', `${pathOf(owner)}/${id}/link`)), [404, 'not-found'])

  const email = newAddress()
  const first = await linkOf(owner, await invite(owner, email))
  const again = await invite(owner, email, { role: 'viewer' })
  await refused(first)
  const [mail] = await mailTo(email)
  const [second, third] = [await linkOf(owner, again), await linkOf(owner, again)]
  await refused(second)
  assert.equal((await accept(mail!.token, { password: PASSWORD })).body.role, 'viewer')
  await refused(third)
  assert.equal((await call('POST', '/api/v1/auth/login', { email, password: PASSWORD })).body.user.email_verified, true)
})

// Red when: isInTime() compares expires_at of the invitation, or the token does not expire.
test('the link is valid for seven days, even if the emailed one expires before', async () => {
  const owner = await newOwner()
  const email = newAddress()
  const id = await invite(owner, email)
  await admin.query(`update invitations set expires_at = now() - interval '1 day' where id = $1`, [id])
  const token = await linkOf(owner, id)
  const expired = newAddress()
  const other = await linkOf(owner, await invite(owner, expired))
  await admin.query(`update one_time_tokens set expires_at = now() where email = $1`, [expired])
  assert.equal((await accept(token, { password: PASSWORD })).status, 200)
  assert.deepEqual(codeOf(await accept(other, { password: PASSWORD })), [410, 'invitation-ended'])
})

// Red when: mayHandOver() is left out of getOpen() or join(); make_invitation_link() does not ask who is an owner.
test('a link is worth no more than its maker may do', async () => {
  const owner = await newOwner()
  const [maker, member] = [await addMember(owner, 'admin'), await addMember(owner, 'member')]
  const id = await invite(owner, newAddress())
  assert.deepEqual(codeOf(await member.call('POST', `${pathOf(owner)}/${id}/link`)), [403, 'permission-missing'])
  const ownerInvitation = await invite(owner, newAddress(), { role: 'owner' })
  assert.deepEqual(codeOf(await maker.call('POST', `${pathOf(owner)}/${ownerInvitation}/link`)), [
    403,
    'owner-required',
  ])
  assert.equal((await owner.call('POST', `${pathOf(owner)}/${ownerInvitation}/link`)).status, 200)
  const token = await linkOf(maker, id)
  await owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}/members/${maker.user_id}`)
  assert.deepEqual(codeOf(await accept(token, { password: PASSWORD })), [410, 'invitation-ended'], 'no way back')
  assert.equal((await accept(await linkOf(owner, id), { password: PASSWORD })).status, 200)
  // The inviter is gone: the link would never work.
  const inviter = await addMember(owner, 'admin')
  const orphan = await invite(inviter, newAddress())
  await owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}/members/${inviter.user_id}`)
  assert.deepEqual(codeOf(await owner.call('POST', `${pathOf(owner)}/${orphan}/link`)), [410, 'invitation-ended'])

  const foreign = await newOwner()
  const theirs = await invite(foreign, newAddress())
  for (const path of [`${pathOf(owner)}/${theirs}/link`, `${pathOf(foreign)}/${theirs}/link`])
    assert.deepEqual(codeOf(await owner.call('POST', path)), [404, 'not-found'])
})

test('a link needs a recent sign-in, and is not stored for an Idempotency-Key', async () => {
  const owner = await newOwner()
  const id = await invite(owner, newAddress())
  const claims = app.tokens.verify(owner.access_token)
  const stale = app.tokens.sign({ ...claims, jti: 'stale', auth_time: claims.auth_time - 601 })
  const path = `${pathOf(owner)}/${id}/link`
  assert.deepEqual(codeOf(await call('POST', path, undefined, { authorization: `Bearer ${stale}` })), [
    401,
    'step-up-required',
  ])
  const headers = { 'idempotency-key': randomUUID() }
  const [one, two] = [
    await owner.call('POST', path, undefined, headers),
    await owner.call('POST', path, undefined, headers),
  ]
  assert.notEqual(one.body.link, two.body.link)
  const { rows } = await admin.query('select from idempotency_keys where key = $1', [headers['idempotency-key']])
  assert.equal(rows.length, 0)
})

// Red when: fill_invitation_link() is left out.
test('raw SQL of the tenant login chooses neither the maker nor the life of a link, and gets none without its entry', async () => {
  const owner = await newOwner()
  const other = await addMember(owner, 'admin')
  const id = await invite(owner, newAddress())
  const { sid } = app.tokens.verify(owner.access_token)
  const scope = {
    session_id: sid,
    organization_id: owner.organization_id,
    permission: 'invitations:write',
    origin: { request_id: 'test', ip: '', user_agent: '' },
  }
  const run = (sql: string, parameters: unknown[]) =>
    app.database.tenant
      .run(scope, { sql, parameters, read: (rows: object[]) => rows, refusals: {} } as never)
      .catch(({ code }) => code as string)
  const chosen = randomUUID()
  const made = (await run(
    `insert into invitation_links (organization_id, invitation_id, id, created_by, created_at, expires_at)
      values ($1, $2, $3, $4, '2001-01-01', '2999-01-01') returning id, created_by, created_at > now() - interval '1 hour' as is_now, expires_at < now() + interval '8 days' as is_short`,
    [owner.organization_id, id, chosen, other.user_id],
  )) as unknown as Record<string, unknown>[]
  const { id: link_id, ...rest } = made[0]!
  assert.notEqual(link_id, chosen)
  assert.deepEqual(rest, { created_by: owner.user_id, is_now: true, is_short: true })
  for (const sql of [
    `update invitation_links set expires_at = now() where id = $1`,
    `delete from invitation_links where id = $1`,
    `insert into one_time_tokens (id, purpose, expires_at) values ($1, 'invitation-link', now() + interval '1 day')`,
  ])
    assert.equal(await run(sql, [link_id]), '42501', sql)
})

test('the page of the link joins, and says what to do where there is an account', async () => {
  const owner = await newOwner()
  const post = (token: string) =>
    app.app.inject({
      method: 'POST',
      url: '/account/invitation-link',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams({ token, new_password: PASSWORD, repeated_password: PASSWORD }).toString(),
    })
  const email = newAddress()
  const token = await linkOf(owner, await invite(owner, email))
  const shown = await app.app.inject({ url: `/account/invitation-link?token=${token}` })
  assert.match(shown.body, /type="password"/)
  assert.match((await post(token)).body, /You are a member now/)
  assert.equal(await isMember(owner, email), true)
  const known = await signUp()
  const refused = await post(await linkOf(owner, await invite(owner, known.email)))
  assert.deepEqual([refused.statusCode, /may already have an account/.test(refused.body)], [401, true])
  const ended = newAddress()
  const id = await invite(owner, ended)
  const other = await linkOf(owner, id)
  await admin.query('update organizations set deleted_at = now() where id = $1', [owner.organization_id])
  const page = await app.app.inject({ url: `/account/invitation-link?token=${other}` })
  assert.deepEqual([page.statusCode, /no longer open/.test(page.body)], [410, true])
})

// Red when: createMember() maps email-taken to account-unavailable, or the account and the membership are two transactions.
test('of fifty concurrent uses of a link for a new address, one joins', async () => {
  const owner = await newOwner()
  const email = newAddress()
  const token = await linkOf(owner, await invite(owner, email))
  const answers = await Promise.all(Array.from({ length: 50 }, () => accept(token, { password: PASSWORD })))
  const codes = answers.map(({ status, body }) => body.code ?? status)
  assert.equal(codes.filter(code => code === 200).length, 1)
  assert.deepEqual(
    [...new Set(codes)].filter(code => ![200, 'invitation-ended', 'invitation-needs-sign-in', 'busy'].includes(code)),
    [],
  )
})

// Red when: offerIn inserts the name as it is, so that a reader sees it in another order.
test('the page keeps the order of a name that is written from right to left', async () => {
  const owner = await signUp('מפעל 12 (Ltd)')
  await verify(owner)
  const token = await linkOf(owner, await invite(owner, newAddress()))
  const { payload } = await app.app.inject({ url: `/account/invitation-link?token=${token}` })
  assert.ok(payload.includes('<h1>Join \u2068מפעל 12 (Ltd)\u2069</h1>'), payload)
})
