import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { codeOf, enrolApp, stepNow } from '../../../test/browsers/authenticator-app.ts'
import { createAuthenticator } from '../../../test/browsers/authenticator.ts'
import type { Authenticator } from '../../../test/browsers/authenticator.ts'
import { accountState, attackToken, idOf } from '../../../test/bad-tokens.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// Who gets into an account and who stays out, when someone else changes how it is signed in to: a thief of a session without the
// mailbox, a thief of the mailbox without session or factor, a phisher who has the password (and a code), and the owner who
// comes back. What each can do stands in docs/decisions/0026-….

const app = await createTestApp()
const { admin, call, signUp, mailTo } = app
const auth = '/api/v1/auth'
const SITE = 'http://localhost:8000'
const NEW_PASSWORD = 'Brand-new-zebra-42'

const newAddress = () => `undo-${randomUUID()}@example.com`
const outcomeOf = ({ status, body }: Answer) => [status, body?.code ?? 'ok']
const logIn = (email: string, password: string) => call('POST', `${auth}/login`, { email, password })
const undo = (token: string, proof?: object) => call('POST', `${auth}/undo`, { token, ...(proof && { proof }) })
const isLive = async (person: Person) => (await person.call('GET', `${auth}/me`)).status === 200

/** An owner whose mails so far are read. */
async function newOwner(): Promise<Person> {
  const owner = await signUp()
  await app.verify(owner)
  await mailTo(owner.email)
  return owner
}

/** The link of the newest mail that undoes something. */
async function undoLink(email: string): Promise<{ link: string; token: string }> {
  const mails = await mailTo(email)
  const mail = mails.findLast(({ link }) => link.includes('/account/undo?token='))
  assert.ok(mail, mails.map(({ subject }) => subject).join() || 'no mail')
  return { link: mail.link.replace(SITE, ''), token: mail.token }
}

/** A new passkey in an authenticator of its own. */
async function addPasskey(person: Person, proof: object): Promise<Authenticator & { row_id: string }> {
  const authenticator = createAuthenticator(SITE)
  const { challenge_token, options } = (await person.call('POST', `${auth}/passkeys/registration-options`)).body
  const given = { challenge_token, name: 'Key', response: authenticator.create(options), proof }
  const added = await person.call('POST', `${auth}/passkeys`, given)
  assert.equal(added.status, 201, added.text)
  return { ...authenticator, row_id: added.body.id }
}

const answer = async (authenticator: Authenticator, challenged: Promise<Answer>) => {
  const { challenge_token, options } = (await challenged).body
  return { passkey: { challenge_token, response: authenticator.get(options) } }
}
const byPasskey = (authenticator: Authenticator, person: Person) =>
  answer(authenticator, person.call('POST', `${auth}/step-up/passkey-options`))

async function signInByPasskey(authenticator: Authenticator): Promise<Answer> {
  const { passkey } = await answer(authenticator, call('POST', `${auth}/passkeys/authentication-options`))
  return call('POST', `${auth}/passkeys/login`, passkey)
}

/** Asks for a reset and completes it. @returns the tokens of the changes that its link can undo */
async function reset(email: string, new_password = NEW_PASSWORD): Promise<{ token: string; change: string }[]> {
  await call('POST', `${auth}/password-reset`, { email })
  const mail = (await mailTo(email)).findLast(({ link }) => link.includes('/reset-password?token='))!
  const { body } = await call('POST', `${auth}/password-reset/changes`, { token: mail.token })
  const done = await call('POST', `${auth}/password-reset/complete`, { token: mail.token, new_password })
  assert.equal(done.status, 204, done.text)
  return body.items
}

const factorsOf = async ({ user_id }: Person) =>
  (
    await admin.query(
      `select (select count(*)::int from passkeys where user_id = $1) as passkeys,
        (select count(*)::int from totp_factors where user_id = $1 and confirmed_at is not null) as totp,
        (select count(*)::int from recovery_codes where user_id = $1 and used_at is null) as codes`,
      [user_id],
    )
  ).rows[0]

async function page(method: 'GET' | 'POST', url: string, fields?: Record<string, string>, lang = 'en') {
  const { statusCode: status, body: text } = await app.app.inject({
    method,
    url,
    headers: { 'accept-language': lang, ...(fields && { 'content-type': 'application/x-www-form-urlencoded' }) },
    ...(fields && { payload: new URLSearchParams(fields).toString() }),
  })
  return { status, text }
}

// Red when: addPasskey runs without withProof.
test('a thief of only a session cannot add a sign-in method', async () => {
  const owner = await newOwner()
  const thief = owner
  const { challenge_token, options } = (await thief.call('POST', `${auth}/passkeys/registration-options`)).body
  const given = { challenge_token, name: 'Key', response: createAuthenticator(SITE).create(options) }
  const missing = await thief.call('POST', `${auth}/passkeys`, given)
  assert.deepEqual([missing.status, missing.body.errors[0].pointer], [422, '/proof'])
  const proof = { password: 'Wrong-horse-7' }
  for (let guess = 0; guess < 6; guess++)
    assert.equal((await thief.call('POST', `${auth}/passkeys`, { ...given, proof })).body.code, 'invalid-credentials')
  assert.equal((await factorsOf(owner)).passkeys, 0)
  // Those count as failed sign-ins: the password is locked as in a sign-in, and the owner is notified.
  const { rows } = await admin.query(
    'select failures, locked_until is not null as locked from throttles where key = $1',
    [
      `device ${(await admin.query('select device_id from sessions where user_id = $1', [owner.user_id])).rows[0].device_id}`,
    ],
  )
  assert.deepEqual(rows, [{ failures: 5, locked: true }])
  assert.ok((await mailTo(owner.email)).some(({ subject }) => /locked|paused|too many/i.test(subject)))
})

// Red when: takeBack leaves the passkey, its recovery codes, the sessions or the token.
test('a phisher with the password adds a passkey, and the link in the email undoes exactly that', async () => {
  const owner = await newOwner()
  const phisher = await app.logIn(owner)
  const passkey = await addPasskey(phisher, { password: PASSWORD })
  assert.equal(await isLive(owner), false, 'their other sessions end')
  const { link, token } = await undoLink(owner.email)
  const before = await accountState(app, owner.user_id)
  for (const lang of ['en', 'de']) {
    const shown = await page('GET', link, undefined, lang)
    assert.equal(shown.status, 200)
    assert.match(
      shown.text,
      lang === 'en' ? /at \d+:\d\d UTC: A passkey was added/ : /um \d+:\d\d Uhr UTC: .*wurde ein Passkey hinzugefügt/,
    )
    assert.doesNotMatch(shown.text, /name="code"|<script/)
  }
  assert.equal(await accountState(app, owner.user_id), before, 'looking changes nothing')
  const preview = await call('POST', `${auth}/undo/preview`, { token })
  assert.deepEqual([preview.body.change, preview.body.asks_second_factor], ['passkey-added', false])
  await attackToken(app, { path: `${auth}/undo`, purpose: 'undo', token, user_id: owner.user_id })

  const done = await page('POST', '/account/undo', { token })
  assert.equal(done.status, 200, done.text)
  assert.deepEqual(await factorsOf(owner), { passkeys: 0, totp: 0, codes: 0 })
  assert.equal(await isLive(phisher), false)
  assert.equal((await signInByPasskey(passkey)).body.code, 'invalid-passkey')
  assert.deepEqual(outcomeOf(await undo(token)), [422, 'invalid-token'], 'once')
  assert.match((await mailTo(owner.email)).at(-1)!.subject, /was undone/)
  await reset(owner.email)
  assert.equal((await logIn(owner.email, PASSWORD)).status, 401)
  assert.equal((await logIn(owner.email, NEW_PASSWORD)).status, 200)
})

// Red when: undoToken lives longer, or endsWithPassword or endsWithAddress revokes it.
test('a change can be undone for seven days, even after a password reset', async () => {
  const owner = await newOwner()
  await addPasskey(await app.logIn(owner), { password: PASSWORD })
  const { token } = await undoLink(owner.email)
  const { rows } = await admin.query(
    'select extract(epoch from expires_at - created_at)::int as s from one_time_tokens where id = $1',
    [idOf('undo', token)],
  )
  assert.deepEqual(rows, [{ s: 7 * 86400 }])
  assert.deepEqual(
    (await reset(owner.email)).map(({ change }) => change),
    ['passkey-added'],
  )
  assert.equal((await undo(token)).status, 204)
})

// Red when: readdressChanges is omitted, or the later change of address can still be undone.
test('a phisher changes the address twice, and the first address can undo everything since', async () => {
  const owner = await newOwner()
  const phisher = await app.logIn(owner)
  const [first, second] = [newAddress(), newAddress()]
  const links: string[] = []
  for (const [from, new_email] of [
    [owner.email, first],
    [first, second],
  ] as const) {
    await phisher.call('POST', `${auth}/change-email`, { new_email, proof: { password: PASSWORD } })
    const confirm = (await mailTo(new_email)).at(-1)!
    assert.equal((await call('POST', `${auth}/verify-email`, { token: confirm.token })).status, 200)
    links.push((await undoLink(from)).token)
  }
  const passkey = await addPasskey(phisher, { password: PASSWORD })
  await undoLink(second)
  // No one can take the address in the meantime.
  assert.equal(
    (await call('POST', `${auth}/signup`, { email: owner.email, password: PASSWORD })).body.code,
    'email-taken',
  )

  assert.equal((await undo(links[0]!)).status, 204)
  assert.equal((await undo(links[1]!)).body.code, 'invalid-token', 'else the thief would take it back')
  const { rows } = await admin.query('select email, email_verified from users where id = $1', [owner.user_id])
  assert.deepEqual(rows, [{ email: owner.email, email_verified: true }])
  const [offered, ...others] = await reset(owner.email)
  assert.deepEqual([offered?.change, others], ['passkey-added', []])
  assert.equal((await undo(offered!.token)).status, 204)
  assert.equal((await signInByPasskey(passkey)).body.code, 'invalid-passkey')
  assert.equal((await logIn(owner.email, NEW_PASSWORD)).status, 200)
})

// Red when: the page of the reset offers nothing, or a wrong link.
test('the page of a reset offers to undo the changes of the last seven days, under the same conditions', async () => {
  const owner = await newOwner()
  const passkey = await addPasskey(await app.logIn(owner), { password: PASSWORD })
  await mailTo(owner.email)
  await call('POST', `${auth}/password-reset`, { email: owner.email })
  const { token } = (await mailTo(owner.email)).at(-1)!
  const fields = { token, new_password: NEW_PASSWORD, repeated_password: NEW_PASSWORD }
  const done = await page('POST', '/account/reset-password', fields)
  assert.equal(done.status, 200)
  assert.match(done.text, /\d UTC: A passkey was added to your account\./)
  assert.equal((await logIn(owner.email, NEW_PASSWORD)).body.code, 'mfa-required', 'a reset removes no factor')
  const href = /href="(undo\?token=[\w-]+)"/.exec(done.text)![1]!
  assert.equal((await page('GET', `/account/${href}`)).status, 200)
  assert.equal((await page('POST', '/account/undo', { token: href.split('=')[1]! })).status, 200)
  assert.equal((await signInByPasskey(passkey)).body.code, 'invalid-passkey')
  assert.equal((await logIn(owner.email, NEW_PASSWORD)).status, 200)
})

// Red when: voidPassword is omitted, restores the former hash, or removes another password than that of the change.
test('undoing a change of the password removes the new one, restores none, and keeps a later one', async () => {
  const owner = await newOwner()
  const phisher = await app.logIn(owner)
  const change = { current_password: PASSWORD, new_password: NEW_PASSWORD }
  assert.equal((await phisher.call('POST', `${auth}/change-password`, change)).status, 204)
  const { token } = await undoLink(owner.email)
  assert.equal((await undo(token)).status, 204)
  assert.equal(await isLive(phisher), false)
  for (const password of [PASSWORD, NEW_PASSWORD]) assert.equal((await logIn(owner.email, password)).status, 401)
  await reset(owner.email, 'Third-zebra-43')
  const back = await logIn(owner.email, 'Third-zebra-43')
  assert.equal(back.status, 200)

  const authorization = `Bearer ${back.body.access_token}`
  const next = { current_password: 'Third-zebra-43', new_password: 'Fourth-zebra-44' }
  assert.equal((await call('POST', `${auth}/change-password`, next, { authorization })).status, 204)
  const late = await undoLink(owner.email)
  await reset(owner.email, 'Fifth-zebra-45')
  assert.equal((await undo(late.token)).status, 204)
  assert.equal((await logIn(owner.email, 'Fifth-zebra-45')).status, 200)
})

/** An owner with an authenticator app, and a code that no one has used. */
async function ownerWithApp() {
  const owner = await newOwner()
  const authenticator = await enrolApp(app, owner)
  await mailTo(owner.email)
  return { owner, authenticator }
}

// Red when: undoChange requires no factor, counts no guess, or accepts a factor that was added later.
test('a reader of the mailbox without session and factor cannot undo a change of an account that had a second factor', async () => {
  const { owner, authenticator } = await ownerWithApp()
  const passkey = await addPasskey(owner, { code: await authenticator.next() })
  const { link, token } = await undoLink(owner.email)
  assert.match((await page('GET', link)).text, /name="code"/)
  const missing = await undo(token)
  assert.deepEqual([missing.status, missing.body.errors[0].pointer], [422, '/proof'])
  const shown = await page('POST', '/account/undo', { token, code: '' })
  assert.deepEqual([shown.status, /Enter a code/.test(shown.text)], [422, true])
  assert.match((await page('POST', '/account/undo', { token, code: '000000' })).text, /The code is wrong/)
  assert.deepEqual(outcomeOf(await undo(token, { recovery_code: 'nothing' })), [401, 'invalid-code'])
  const { rows } = await admin.query('select failures from throttles where key = $1', [`mfa ${owner.user_id}`])
  assert.deepEqual(rows, [{ failures: 1 }])
  // The passkey to remove is not one that the account had before.
  const own = await answer(passkey, call('POST', `${auth}/undo/passkey-options`, { token }))
  assert.deepEqual(outcomeOf(await undo(token, own)), [401, 'invalid-passkey'])
  // A reset does not help: the factor is still required, and the reset offers the same under the same conditions.
  const [offered] = await reset(owner.email)
  assert.deepEqual(outcomeOf(await undo(offered!.token)), [422, 'invalid-fields'])
  assert.equal((await logIn(owner.email, NEW_PASSWORD)).body.code, 'mfa-required')
  assert.deepEqual(await factorsOf(owner), { passkeys: 1, totp: 1, codes: 10 })

  const done = await page('POST', '/account/undo', { token, code: await authenticator.next() })
  assert.equal(done.status, 200, done.text)
  assert.deepEqual(await factorsOf(owner), { passkeys: 0, totp: 1, codes: 10 })
})

test('a reader of the mailbox can undo the first second factor for seven days, as they could have reset the password before', async () => {
  const { owner } = await ownerWithApp()
  const [added] = await reset(owner.email)
  assert.equal(added?.change, 'totp-added')
  assert.equal((await undo(added!.token)).status, 204)
  assert.deepEqual(await factorsOf(owner), { passkeys: 0, totp: 0, codes: 0 })

  const { owner: other } = await ownerWithApp()
  await admin.query(`update one_time_tokens set expires_at = now() where user_id = $1 and purpose = 'undo'`, [
    other.user_id,
  ])
  assert.deepEqual(await reset(other.email), [])
})

/** What a phisher does with a password and one code: a passkey of their own, and the owner's app is out. */
async function takeOver(owner: Person, code: string) {
  const passkey = await addPasskey(owner, { code })
  const links = { added: (await undoLink(owner.email)).token, removed: '', enrolled: '', renewed: '' }
  const removed = await owner.call('DELETE', `${auth}/mfa/totp`, { proof: await byPasskey(passkey, owner) })
  assert.equal(removed.status, 204, removed.text)
  links.removed = (await undoLink(owner.email)).token
  const { secret } = (await owner.call('POST', `${auth}/mfa/totp`)).body
  const enrolled = await owner.call('POST', `${auth}/mfa/totp/confirm`, {
    code: codeOf(secret, stepNow()),
    proof: await byPasskey(passkey, owner),
  })
  assert.equal(enrolled.status, 200, enrolled.text)
  links.enrolled = (await undoLink(owner.email)).token
  const proof = await byPasskey(passkey, owner)
  assert.equal((await owner.call('POST', `${auth}/mfa/recovery-codes`, { proof })).status, 200)
  links.renewed = (await undoLink(owner.email)).token
  return { passkey, links }
}

// Red when: protectorsOf omits the factors from before the attacker's, or findStanding omits kept factors.
test('an owner whose app a phisher removed recovers the account with that app, in any order of the emails', async () => {
  const orders = [
    ['added', 'enrolled', 'removed', 'renewed'],
    ['renewed', 'enrolled', 'removed', 'added'],
    ['enrolled', 'added', 'renewed', 'removed'],
  ] as const
  for (const order of orders) {
    const { owner, authenticator } = await ownerWithApp()
    const { passkey, links } = await takeOver(owner, await authenticator.next())
    for (const [index, name] of order.entries()) {
      const refused = await undo(links[name])
      assert.equal(refused.body?.errors?.[0].pointer, '/proof', `${name} asks for the app of before`)
      // Codes that no one has used: of the step before, now and the one after, and of now again where none is kept.
      await forgetSteps(owner)
      const proof = { code: codeOf(authenticator.secret, stepNow() + (index % 2)) }
      const done = await undo(links[name], proof)
      assert.equal(done.status, 204, `${order.join()}, ${name}: ${done.text}`)
    }
    assert.deepEqual([(await factorsOf(owner)).passkeys, (await factorsOf(owner)).totp], [0, 1])
    assert.equal((await signInByPasskey(passkey)).body.code, 'invalid-passkey')
    await reset(owner.email)
    const { mfa_token } = (await logIn(owner.email, NEW_PASSWORD)).body
    const code = await authenticator.next()
    assert.equal((await call('POST', `${auth}/mfa/verify`, { mfa_token, code })).status, 200, 'the app is the owner’s')
  }
})

/** The service forgets which codes it has seen, so that a test need not wait for new ones. */
async function forgetSteps({ user_id }: Person): Promise<void> {
  await admin.query('update totp_factors set last_step = null where user_id = $1', [user_id])
  await admin.query(
    `update one_time_tokens set details = jsonb_set(details, '{kept,totp_factors,0,last_step}', 'null')
      where user_id = $1 and details #> '{kept,totp_factors,0}' is not null`,
    [user_id],
  )
}

// Red when: keptCodeOf does not use the code up.
test('a code of a kept app undoes one change, never two concurrently', async () => {
  const { owner, authenticator } = await ownerWithApp()
  const { links } = await takeOver(owner, await authenticator.next())
  await forgetSteps(owner)
  const proof = { code: codeOf(authenticator.secret, stepNow()) }
  const answers = await Promise.all([undo(links.added, proof), undo(links.renewed, proof)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 401])
})

// Red when: verifyPasskey does not call findKept, or challengePasskey names the attacker's passkeys.
test('a removed passkey can authorize undoing later changes', async () => {
  const owner = await newOwner()
  const own = await addPasskey(owner, { password: PASSWORD })
  const { recovery_codes } = (
    await owner.call('POST', `${auth}/mfa/recovery-codes`, { proof: await byPasskey(own, owner) })
  ).body
  const theirs = await addPasskey(owner, { recovery_code: recovery_codes[0] })
  const { token: added } = await undoLink(owner.email)
  const removed = await owner.call('DELETE', `${auth}/passkeys/${own.row_id}`, {
    proof: await byPasskey(theirs, owner),
  })
  assert.equal(removed.status, 204)
  const { token: removal } = await undoLink(owner.email)
  for (const token of [added, removal]) {
    const asked = await call('POST', `${auth}/undo/passkey-options`, { token })
    const ids = asked.body.options.allowCredentials.map(({ id }: { id: string }) => id)
    assert.deepEqual(ids, [own.id], 'only what stood before is asked for')
    const { challenge_token, options } = asked.body
    const proof = { passkey: { challenge_token, response: own.get(options) } }
    const done = await undo(token, proof)
    assert.equal(done.status, 204, done.text)
  }
  assert.equal((await signInByPasskey(theirs)).body.code, 'invalid-passkey')
  assert.equal((await signInByPasskey(own)).status, 200, 'put back as it was')
})

// Red when: restoreRows is omitted, or deleteRecoveryCodesOf deletes codes of another time.
test('removed rows are restored unchanged: an app with its recovery codes, an identity; new recovery codes become invalid', async () => {
  const { owner, authenticator } = await ownerWithApp()
  const rows = async () =>
    (
      await admin.query(
        `select to_jsonb(t) - 'last_step' as row from totp_factors t where user_id = $1
          union all select to_jsonb(r) from recovery_codes r where user_id = $1 union all select to_jsonb(i) from identities i where user_id = $1
          order by 1`,
        [owner.user_id],
      )
    ).rows
  await admin.query(
    `insert into identities (user_id, provider, issuer, subject, email) values ($1::uuid, 'github', 'https://github.com/login/oauth', $1::text, 'a@example.com')`,
    [owner.user_id],
  )
  const before = await rows()
  const { items } = (await owner.call('GET', '/api/v1/oauth/identities')).body
  const unlinked = { proof: { code: await authenticator.next() } }
  assert.equal((await owner.call('DELETE', `/api/v1/oauth/identities/${items[0].id}`, unlinked)).status, 204)
  const identity = await undoLink(owner.email)
  const removed = { proof: { code: await authenticator.next() } }
  assert.equal((await owner.call('DELETE', `${auth}/mfa/totp`, removed)).status, 204)
  const totp = await undoLink(owner.email)
  assert.deepEqual(await rows(), [])
  assert.equal((await undo(totp.token)).status, 204, 'no other factor stood before')
  assert.equal((await undo(identity.token, { code: await authenticator.next() })).status, 204)
  assert.deepEqual(await rows(), before)

  const again = await ownerWithApp()
  const [kept] = again.authenticator.recovery_codes
  const proof = { recovery_code: kept }
  const { body } = await again.owner.call('POST', `${auth}/mfa/recovery-codes`, { proof })
  const { token } = await undoLink(again.owner.email)
  const made = await undo(token, { recovery_code: body.recovery_codes[0] })
  assert.deepEqual(outcomeOf(made), [401, 'invalid-code'], 'made by the change itself')
  assert.equal((await undo(token, { code: await again.authenticator.next() })).status, 204)
  assert.equal((await factorsOf(again.owner)).codes, 0)
})

// Red when: restoring an app replaces one that was enrolled after the removal.
test('an app is not restored while a newer one exists: the newer one must be undone first', async () => {
  const { owner, authenticator } = await ownerWithApp()
  assert.equal(
    (await owner.call('DELETE', `${auth}/mfa/totp`, { proof: { code: await authenticator.next() } })).status,
    204,
  )
  const { token } = await undoLink(owner.email)
  await enrolApp(app, owner)
  const later = await undoLink(owner.email)
  assert.deepEqual(outcomeOf(await undo(token)), [409, 'totp-enrolled'])
  assert.match((await page('POST', '/account/undo', { token })).text, /added after this change/)
  // Red when: protectorsOf omits removed factors that can be restored: a mailbox could then undo without them.
  assert.deepEqual(outcomeOf(await undo(later.token)), [422, 'invalid-fields'])
  await forgetSteps(owner)
  assert.equal((await undo(later.token, { code: codeOf(authenticator.secret, stepNow()) })).status, 204)
  assert.equal((await undo(token)).status, 204)
})

// Red when: forgetRemovalOf is omitted: a factor that the attacker added and removed would authorize the rest.
test('a factor that an attacker added authorizes nothing once its addition is undone', async () => {
  const owner = await newOwner()
  const theirs = await enrolApp(app, owner)
  const added = await undoLink(owner.email)
  const passkey = await addPasskey(owner, { code: await theirs.next() })
  const second = await undoLink(owner.email)
  const removal = { proof: await byPasskey(passkey, owner) }
  assert.equal((await owner.call('DELETE', `${auth}/mfa/totp`, removal)).status, 204)
  const removed = await undoLink(owner.email)
  // The owner does not have it; the page says what to do first.
  assert.deepEqual(outcomeOf(await undo(second.token)), [422, 'invalid-fields'])
  assert.match((await page('POST', '/account/undo', { token: second.token })).text, /undo that first/)
  assert.equal((await undo(added.token)).status, 204)
  assert.deepEqual(outcomeOf(await undo(removed.token)), [422, 'invalid-token'], 'it is not put back')
  assert.equal((await undo(second.token)).status, 204)
  assert.deepEqual(await factorsOf(owner), { passkeys: 0, totp: 0, codes: 0 })
})

// Red when: two undos of one change, or an undo and the change itself, run concurrently.
test('of many concurrent attempts to undo one change, one succeeds, whatever else happens to the account', async () => {
  const owner = await newOwner()
  const phisher = await app.logIn(owner)
  await addPasskey(phisher, { password: PASSWORD })
  const { token } = await undoLink(owner.email)
  const answers = await Promise.all([
    ...[1, 2, 3, 4].map(() => undo(token)),
    phisher.call('POST', `${auth}/logout-all`),
    logIn(owner.email, PASSWORD),
  ])
  assert.deepEqual(
    answers
      .slice(0, 4)
      .map(({ status }) => status)
      .sort(),
    [204, 422, 422, 422],
  )
  for (const { status, text } of answers) assert.ok(status < 500, text)
})
