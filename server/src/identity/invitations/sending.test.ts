import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

const test_ = await createTestApp()
const { admin, signUp, verify, addMember, call } = test_
let serial = 0
const newAddress = () => `sent-${process.pid}-${Date.now()}-${serial++}@example.com`
const newAddresses = (count: number) => Array.from({ length: count }, newAddress)

const newOwner = async (): Promise<Person> => {
  const owner = await signUp('Acme')
  await verify(owner)
  return owner
}

const pathOf = ({ organization_id }: Person) => `/api/v1/organizations/${organization_id}/invitations`
const invite = (owner: Person, email: string, role = 'member') => owner.call('POST', pathOf(owner), { email, role })
const inviteAll = (owner: Person, emails: readonly string[]) =>
  owner.call('POST', `${pathOf(owner)}/bulk`, { invitations: emails.map(email => ({ email, role: 'viewer' })) })
const resend = (owner: Person, id: string) => owner.call('POST', `${pathOf(owner)}/${id}/resend`)
const get = (owner: Person, id: string) => owner.call('GET', `${pathOf(owner)}/${id}`)
const list = (owner: Person, query: string) => owner.call('GET', `${pathOf(owner)}?${query}`)
const emailsOf = ({ body }: Answer) => body.items.map(({ email }: { email: string }) => email)
const accept = (token: string) => call('POST', '/api/v1/invitations/accept', { token, password: PASSWORD })

const tally = (words: readonly string[]) =>
  Object.fromEntries([...Map.groupBy(words, word => word)].map(([word, all]) => [word, all.length]))
const resultsOf = (answer: Answer): string[] => answer.body.items.map(({ result }: { result: string }) => result)

/** The jobs for links that still work, by the number of hours after which they start. */
async function jobsByHour({ organization_id }: Person): Promise<Record<string, number>> {
  const { rows } = await admin.query<{ hours: number; count: number }>(
    `select round(extract(epoch from j.start_after - now()) / 3600)::int as hours, count(*)::int as count
      from one_time_tokens t join freehold_jobs.job j on j.data ->> 'token_id' = t.id::text
      where t.sender = $1 and t.used_at is null and j.start_after = t.mail_at group by 1 order by 1`,
    [`organization ${organization_id}`],
  )
  return Object.fromEntries(rows.map(({ hours, count }) => [hours, count]))
}

/** As if an hour had passed for everything that the organization has sent. */
const letAnHourPass = ({ organization_id }: Person) =>
  admin.query(
    `update one_time_tokens set created_at = created_at - interval '1 hour', mail_at = mail_at - interval '1 hour' where sender = $1`,
    [`organization ${organization_id}`],
  )

/** As if the time had come: no trigger runs, and no version changes. */
const expire = (id: string) =>
  admin.query(
    `begin; set local session_replication_role = replica;
      update invitations set expires_at = now() - interval '1 second' where id = '${id}'; commit`,
  )

// Red when: next_mail_at() looks at another row than the 200th; enqueue_job() ignores the time; the seven days begin
// with the request.
test('of 250 emails 200 go out now and 50 an hour later, and the list shows which wait', async () => {
  const owner = await newOwner()
  const first = await inviteAll(owner, newAddresses(150))
  const second = await inviteAll(owner, newAddresses(100))
  assert.deepEqual(await jobsByHour(owner), { 0: 200, 1: 50 })
  const invitations = [...first.body.items, ...second.body.items].map(({ invitation }) => invitation)
  assert.deepEqual(
    invitations.map(({ mail }) => mail),
    [...Array.from({ length: 200 }, () => 'sent'), ...Array.from({ length: 50 }, () => 'waiting')],
  )
  for (const { mail_at, expires_at } of invitations)
    assert.equal(Date.parse(expires_at) - Date.parse(mail_at), 7 * 86_400_000)
  const { rows } = await admin.query(
    `select 1 from one_time_tokens t join invitations i on i.id::text = t.details ->> 'invitation_id'
      where i.organization_id = $1 and (t.expires_at, t.mail_at) is distinct from (i.expires_at, i.mail_at)`,
    [owner.organization_id],
  )
  assert.equal(rows.length, 0)
  const [last] = (await list(owner, 'limit=1')).body.items
  assert.deepEqual([last.id, last.mail, last.mail_at], [invitations[249].id, 'waiting', invitations[249].mail_at])

  // A single one waits behind them; another organization's does not wait.
  const third = await invite(owner, newAddress())
  assert.deepEqual([third.status, third.body.mail], [202, 'waiting'])
  assert.equal((await invite(await newOwner(), newAddress())).body.mail, 'sent')
  await letAnHourPass(owner)
  assert.equal((await invite(owner, newAddress())).body.mail, 'sent', '51 of the next 200 are taken')
  await inviteAll(owner, newAddresses(149))
  assert.deepEqual(await jobsByHour(owner), { 0: 149, 1: 1 }, 'the 201st of the new hour waits again')
  const { rows: counts } = await admin.query<{ count: number }>(
    `select count(*)::int as count from one_time_tokens where sender = $1 and mail_at > now() - interval '59 minutes'`,
    [`organization ${owner.organization_id}`],
  )
  assert.equal(counts[0]!.count, 201)
})

// Red when: has_ended keeps `mail_at` of the invitation or of its link.
test('a revoked invitation that waits is never sent, and frees its place', async () => {
  const owner = await newOwner()
  await inviteAll(owner, newAddresses(200))
  const email = newAddress()
  const { body } = await invite(owner, email)
  assert.equal(body.mail, 'waiting')
  assert.equal((await owner.call('DELETE', `${pathOf(owner)}/${body.id}`)).status, 204)
  const revoked = (await get(owner, body.id)).body
  assert.deepEqual([revoked.status, revoked.mail, revoked.mail_at], ['revoked', 'none', null])
  assert.deepEqual(await test_.mailTo(email), [])
  assert.deepEqual(await jobsByHour(owner), { 0: 200 })
  // A sent one stays sent.
  const [sent] = (await list(owner, 'sort=created_at&limit=1')).body.items
  await owner.call('DELETE', `${pathOf(owner)}/${sent.id}`)
  assert.equal((await get(owner, sent.id)).body.mail, 'sent')
  const again = await invite(owner, newAddress())
  assert.equal(again.body.mail, 'waiting', 'what was sent keeps its place')
})

// Red when: resendInvitation() does not set mail_at; a renewed one that waits gets a later time.
test('resending gives a new link for seven days and spends the earlier ones', async () => {
  const owner = await newOwner()
  const email = newAddress()
  const { body } = await invite(owner, email)
  const [first] = await test_.mailTo(email)
  await expire(body.id)
  assert.equal((await get(owner, body.id)).body.status, 'expired')
  const administrator = await addMember(owner, 'admin')
  const again = await resend(administrator, body.id)
  assert.equal(again.status, 202, again.text)
  assert.deepEqual(
    [again.body.id, again.body.status, again.body.mail, again.body.invited_by, again.body.role],
    [body.id, 'open', 'sent', administrator.user_id, 'member'],
  )
  assert.ok(Date.parse(again.body.expires_at) - Date.now() > 6.9 * 86_400_000)
  const [second, ...more] = await test_.mailTo(email)
  assert.deepEqual(more, [])
  assert.equal((await accept(first!.token)).body.code, 'invitation-ended')
  assert.equal((await accept(second!.token)).status, 200)
  const accepted = await resend(owner, body.id)
  assert.deepEqual([accepted.status, accepted.body.code], [409, 'invitation-not-open'])
  const late = await owner.call('DELETE', `${pathOf(owner)}/${body.id}`)
  assert.deepEqual([late.status, late.body.code], [409, 'invitation-not-open'])

  await inviteAll(owner, newAddresses(200))
  const waiting = (await invite(owner, newAddress())).body
  await inviteAll(owner, newAddresses(250))
  const resent = await resend(owner, waiting.id)
  assert.deepEqual([resent.body.mail, resent.body.mail_at], ['waiting', waiting.mail_at], 'it keeps its place')
  assert.equal((await test_.mailTo(waiting.email)).length, 1)
})

// Red when: resendInvitation() does not ask refusalOfRole(), or the quota of the address is not counted.
test('resending follows the rules of inviting', async () => {
  const owner = await newOwner()
  const administrator = await addMember(owner, 'admin')
  const heir = (await invite(owner, newAddress(), 'owner')).body
  assert.equal((await resend(administrator, heir.id)).body.code, 'owner-required')
  assert.equal((await resend(await addMember(owner, 'member'), heir.id)).body.code, 'permission-missing')
  const claims = test_.tokens.verify(owner.access_token)
  const stale = test_.tokens.sign({ ...claims, jti: 'stale', auth_time: claims.auth_time - 601 })
  const late = await call('POST', `${pathOf(owner)}/${heir.id}/resend`, undefined, { authorization: `Bearer ${stale}` })
  assert.equal(late.body.code, 'step-up-required')
  for (let time = 0; time < 4; time++) assert.equal((await resend(owner, heir.id)).status, 202)
  const sixth = await resend(owner, heir.id)
  assert.deepEqual([sixth.status, sixth.body.code, sixth.headers['retry-after']], [429, 'too-many-invitations', '3600'])
  const mails = await test_.mailTo(heir.email)
  assert.equal(mails.length, 1, 'the link of the last one still works')
  assert.equal((await accept(mails[0]!.token)).status, 200)
  const other = await newOwner()
  assert.equal((await resend(other, heir.id)).status, 404)
  const gone = (await invite(owner, newAddress())).body
  await owner.call('DELETE', `${pathOf(owner)}/${gone.id}`)
  assert.equal((await resend(owner, gone.id)).body.code, 'invitation-not-open')
})

// Red when: lockMails() takes no lock (then the trigger refuses one of them), and also keep_open_limit() is left out.
test('of two requests with 600 rows each, sent at once, 1,000 are invited and 200 find the organization full', async () => {
  const owner = await newOwner()
  const answers = await Promise.all([inviteAll(owner, newAddresses(600)), inviteAll(owner, newAddresses(600))])
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  )
  assert.deepEqual(tally(answers.flatMap(resultsOf)), { invited: 1000, full: 200 })
  assert.deepEqual(await jobsByHour(owner), { 0: 200, 1: 200, 2: 200, 3: 200, 4: 200 })
  const [{ id }] = (await list(owner, 'limit=1')).body.items
  const single = await invite(owner, newAddress())
  assert.deepEqual(
    [single.status, single.body.code, single.body.limit, single.body.used],
    [409, 'too-many-open-invitations', 1000, 1000],
  )
  // An open one is replaced, an expired one takes no room until it is sent again.
  const [open, expired] = [answers[0]!.body.items[0].invitation, answers[0]!.body.items[1].invitation]
  assert.equal((await invite(owner, open.email)).status, 202)
  await expire(expired.id)
  assert.equal((await invite(owner, newAddress())).status, 202)
  assert.equal((await resend(owner, expired.id)).body.code, 'too-many-open-invitations')
  await owner.call('DELETE', `${pathOf(owner)}/${id}`)
  assert.equal((await resend(owner, expired.id)).status, 202)
})

/** Raw SQL on the tenant login, as the owner under the permission to invite. */
async function raw({ access_token, organization_id }: Person, text: string, values: unknown[] = []) {
  const { sid } = test_.tokens.verify(access_token)
  const client = await test_.database.tenant.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', 'invitations:write', true)`,
      [sid, organization_id],
    )
    const { rows } = await client.query(text, values)
    await client.query('commit')
    return rows
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

// Red when: mail_invitation() keeps the given values; keep_open_limit() is left out.
test('raw SQL of the tenant login decides neither the times nor the inviter, nor passes the limits', async () => {
  const owner = await newOwner()
  const administrator = await addMember(owner, 'admin')
  await inviteAll(owner, newAddresses(200))
  const insert = (expires: string, count: number) =>
    raw(
      owner,
      `insert into invitations (organization_id, email, role, invited_by, mail_at, expires_at)
        select $1, 'raw-' || i || '-' || $2 || '@example.com', 'viewer', $3, now() - interval '1 day', ${expires}
        from generate_series(1, $4::int) i returning invited_by, mail_at > now() as waits, expires_at = mail_at + interval '7 days' as fits`,
      [owner.organization_id, `${process.pid}-${Date.now()}`, administrator.user_id, count],
    )
  assert.deepEqual(await insert(`'2099-01-01'`, 1), [{ invited_by: owner.user_id, waits: true, fits: true }])
  await assert.rejects(insert('now()', 800), { constraint: 'invitations_open_limit' })
  const other = await newOwner()
  const email = newAddress()
  for (let time = 0; time < 5; time++) await invite(owner, email)
  // Whether another organization has reached the quota of an address does not show.
  for (const address of [email, newAddress()])
    await assert.rejects(
      raw(other, `insert into invitations (organization_id, email, role, invited_by) values ($1, $2, 'viewer', $3)`, [
        owner.organization_id,
        address,
        other.user_id,
      ]),
      { code: '42501', message: 'new row violates row-level security policy for table "invitations"' },
    )
})

// Red when: a list of pagesInStatus has the condition of another.
test('the list is filtered by status and address, and sorted', async () => {
  const owner = await newOwner()
  const [a, b, c, d] = newAddresses(4).map((email, index) => `${'dcba'[index]}-${email}`) as [
    string,
    string,
    string,
    string,
  ]
  const ids = new Map<string, string>()
  for (const email of [a, b, c, d]) ids.set(email, (await invite(owner, email)).body.id)
  await expire(ids.get(b)!)
  await accept((await test_.mailTo(c))[0]!.token)
  await owner.call('DELETE', `${pathOf(owner)}/${ids.get(d)}`)
  const expected: [string, string[]][] = [
    ['', [b, a]],
    ['status=open', [a]],
    ['status=expired', [b]],
    ['status=accepted', [c]],
    ['status=revoked', [d]],
    [`status=revoked&email=${encodeURIComponent(d.toUpperCase())}`, [d]],
    [`status=open&email=${encodeURIComponent(d)}`, []],
    [`email=${encodeURIComponent(a)}`, [a]],
    ['sort=created_at', [a, b]],
    ['sort=email', [b, a]],
    ['sort=-email', [a, b]],
    ['sort=expires_at', [b, a]],
    ['sort=-expires_at', [a, b]],
  ]
  for (const [query, emails] of expected) assert.deepEqual(emailsOf(await list(owner, query)), emails, query)
  for (const [status, email] of [
    ['open', a],
    ['expired', b],
    ['accepted', c],
    ['revoked', d],
  ] as const) {
    const { body } = await get(owner, ids.get(email)!)
    assert.deepEqual(
      [body.status, body.accepted_at !== null, body.revoked_at !== null],
      [status, status === 'accepted', status === 'revoked'],
    )
  }
  assert.equal((await list(owner, 'status=lost')).status, 422)
})

// Red when: tagVersion is the version of the row alone.
test('the entity tag changes with everything that the invitation shows', async () => {
  const owner = await newOwner()
  const { body } = await invite(owner, newAddress())
  const tagOf = async () => (await get(owner, body.id)).headers['etag']!
  const open = await tagOf()
  await expire(body.id)
  const expired = await tagOf()
  assert.notEqual(open, expired)
  const path = `${pathOf(owner)}/${body.id}`
  assert.equal((await owner.call('DELETE', path, undefined, { 'if-match': open })).status, 412)
  await resend(owner, body.id)
  assert.equal((await owner.call('DELETE', path, undefined, { 'if-match': expired })).status, 412)
  assert.equal((await owner.call('DELETE', path, undefined, { 'if-match': await tagOf() })).status, 204)
  assert.equal((await owner.call('DELETE', path)).status, 404)
})
