import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createBentProvider } from '../../../test/browsers/bent-provider.ts'
import { openTestApp } from '../../../test/browsers/provider-browser.ts'
import type { Browser } from '../../../test/browsers/provider-browser.ts'
import { waits } from '../../../test/meeting.ts'
import { PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// Which account a user who returns from a provider signs in to: a new, known or linked one, or another user's.

const FRONTEND = 'http://localhost:3998'
const bent = await createBentProvider()
const { clientId: client_id, clientSecret: client_secret } = bent
const settings = {
  FRONTEND_URL: FRONTEND,
  OIDC_PROVIDERS: JSON.stringify([{ name: 'bent', issuer: bent.url, client_id, client_secret }]),
}
const open = (more: Record<string, string> = {}) => openTestApp(() => ({ ...settings, ...more }))
const app = await open()
const strict = await open({ EMAIL_VERIFICATION: 'required' })
const careful = await open({ SOCIAL_AUTO_LINK: 'false' })

type Claims = Record<string, unknown> & { sub: string; email: string }
const newClaims = (claims: Record<string, unknown> = {}): Claims => {
  const sub = randomBytes(8).toString('hex')
  return { sub, email: `${sub}@example.com`, email_verified: true, ...claims }
}

type On = Awaited<ReturnType<typeof open>>

const signIn = async (
  claims: Claims,
  { on = app, browser, query = '' }: { on?: On; browser?: Browser; query?: string } = {},
): Promise<Answer & { url: string }> => {
  bent.behave({ claims })
  return (browser ?? on.newBrowser()).follow(`${on.publicUrl}/oauth/bent/initiate${query}`, FRONTEND)
}

const toFrontEnd = `?redirect_to=${encodeURIComponent(`${FRONTEND}/`)}`

const assertRefused = ({ status, body }: Answer, expected: number, code: string): void =>
  assert.deepEqual([status, body.code], [expected, code], JSON.stringify(body))

const exchange = (browser: Browser, address: string, more: Record<string, string> = {}): Promise<Answer> =>
  browser.open(`${app.publicUrl}/api/v1/oauth/exchange`, {
    method: 'POST',
    body: JSON.stringify({ code: new URL(address).searchParams.get('code'), ...more }),
    headers: { 'content-type': 'application/json' },
  })

/** Links the provider to the account of a session, in that browser. */
async function link(
  person: Person,
  claims: Claims,
  { browser = app.newBrowser(), redirect_to = '' } = {},
): Promise<Answer & { url: string }> {
  bent.behave({ claims })
  const begun = await browser.open(`${app.publicUrl}/api/v1/oauth/bent/link`, {
    method: 'POST',
    headers: { authorization: `Bearer ${person.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...(redirect_to !== '' && { redirect_to }), proof: { password: person.password } }),
  })
  assert.equal(begun.status, 200, begun.text)
  return browser.follow(begun.body.authorization_url, FRONTEND)
}

// Red when: linkByAddress or createAccount is not retried after a concurrent one.
test('two concurrent callbacks for a new user create one account', async () => {
  for (let round = 0; round < 3; round++) {
    const claims = newClaims()
    const answers = await Promise.all([signIn(claims), signIn(claims), signIn(claims)])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
      answers.map(({ text }) => text).join(),
    )
    assert.equal(new Set(answers.map(({ body }) => body.user.id)).size, 1)
  }
})

// Red when: an account is looked up by address before the identity, or the address of the account changes as well.
test('an identity stays linked when the address changes at the provider, even to another user’s', async () => {
  const [claims, other] = [newClaims(), await app.signUp()]
  await app.verify(other)
  const first = await signIn(claims)
  const later = await signIn({ ...claims, email: other.email })
  assert.equal(later.body.user.id, first.body.user.id)
  assert.equal(later.body.user.email, claims.email)
  const listed = await app.call('GET', '/api/v1/oauth/identities', undefined, {
    authorization: `Bearer ${later.body.access_token}`,
  })
  assert.deepEqual(
    listed.body.items.map(({ provider, email }: { provider: string; email: string }) => [provider, email]),
    [['bent', other.email]],
  )
})

// Red when: only the subject is compared: the same subject at another provider is another user.
test('the same subject of another issuer is another identity', async () => {
  const claims = newClaims()
  const { body } = await signIn(claims)
  await app.admin.query(`update identities set issuer = 'https://elsewhere.example.com' where user_id = $1`, [
    body.user.id,
  ])
  const other = await signIn({ ...claims, email: `other-${claims.email}` })
  assert.notEqual(other.body.user.id, body.user.id)
})

// Red when: mayLink ignores autoLink, or either of the two verified addresses.
test('an address leads to an account only if both the provider and we have verified it, and the setting allows it', async () => {
  for (const [provider, here, on, expected] of [
    [true, true, app, 200],
    [false, true, app, 403],
    [true, false, app, 403],
    [false, false, app, 403],
    [true, true, careful, 403],
    // The text 'true' counts as true, and no other text does.
    ['true', true, app, 200],
    ['yes', true, app, 403],
    [1, true, app, 403],
    [undefined, true, app, 403],
  ] as const) {
    const person = await app.signUp()
    if (here) await app.verify(person)
    const answer = await signIn(newClaims({ email: person.email.toUpperCase(), email_verified: provider }), { on })
    assert.equal(answer.status, expected, `${String(provider)} ${here} ${answer.text}`)
    if (expected === 200) assert.equal(answer.body.user.id, person.user_id)
    else assert.equal(answer.body.code, 'link-required')
    const { rowCount } = await app.admin.query('select from identities where user_id = $1', [person.user_id])
    assert.equal(rowCount, expected === 200 ? 1 : 0)
    const mails = await app.mailTo(person.email)
    assert.equal(
      mails.some(({ subject }) => /was added/.test(subject)),
      expected === 200,
      mails.map(({ subject }) => subject).join(),
    )
  }
})

// Red when: a name or an address is stored that is not valid for an account.
test('data of a provider is used only if it is valid for an account', async () => {
  const { body } = await signIn(
    newClaims({ name: `  Zoë \u0000\u001b[31m ${'x'.repeat(300)}`, given_name: 7, family_name: ' ' }),
  )
  assert.equal(body.user.full_name.length, 200)
  assert.match(body.user.full_name, /^Zoë {2}\[31m x+$/)
  assert.deepEqual([body.user.given_name, body.user.family_name], [null, null])
  for (const email of [
    undefined,
    '',
    'no address',
    'a@b',
    'ä@example.com',
    `${'a'.repeat(250)}@example.com`,
    7,
    { a: 1 },
  ])
    assertRefused(await signIn({ ...newClaims(), email } as never), 403, 'provider-email-missing')
})

// Red when: the account is created as verified, or its owner is not asked to confirm.
test('under optional, an address that the provider has not verified creates an unconfirmed account', async () => {
  const claims = newClaims({ email_verified: false })
  const { status, body } = await signIn(claims)
  assert.deepEqual([status, body.user.email_verified], [200, false])
  const [mail] = await app.mailTo(claims.email)
  // It has no password that could be required.
  assert.equal((await app.call('POST', '/api/v1/auth/verify-email', { token: mail!.token })).status, 200)
  assert.equal((await signIn(claims)).body.user.email_verified, true)
})

// Red when: the address is looked up (the answers differ), or an account is made before it is verified.
test('under required, an address that the provider has not verified gets the same response, known or not', async () => {
  const known = await app.signUp()
  await app.verify(known)
  const [claims, taken] = [
    newClaims({ email_verified: false }),
    newClaims({ email_verified: false, email: known.email }),
  ]
  const [fresh, old] = [await signIn(claims, { on: strict }), await signIn(taken, { on: strict })]
  assertRefused(fresh, 403, 'email-unverified')
  const bare = ({ text, headers, body }: Answer) => [
    text.replaceAll(body.request_id, ''),
    Object.entries(headers)
      .filter(([name]) => !['date', 'x-request-id', 'keep-alive'].includes(name))
      // Each browser has a secret of its own.
      .map(([name, value]) => [name, name === 'set-cookie' ? value.replace(/browser=[\w-]+/, 'browser=…') : value]),
  ]
  assert.deepEqual(bare(fresh), bare(old))
  const { rowCount } = await app.admin.query('select from users where email = $1', [claims.email])
  assert.equal(rowCount, 0)
  const [[invitation], [warning]] = [await strict.mailTo(claims.email), await strict.mailTo(known.email)]
  assert.equal(warning!.token, '', 'the owner of a known address gets no link that makes an account')
  const { body } = await strict.call('POST', '/api/v1/auth/verify-email', {
    token: invitation!.token,
    password: PASSWORD,
  })
  assert.equal(body.status, 'signed-up')
  // Red when: completeSignUp links the identity in any browser: a stranger may have returned from the provider.
  assertRefused(await signIn(claims, { on: strict }), 403, 'email-unverified')
  assertRefused(await signIn(taken, { on: strict }), 403, 'email-unverified')
})

// Red when: completeSignUp links no identity, or the callback does not store the browser.
test('a sign-up with a provider links the provider if the link is opened in the same browser', async () => {
  const [claims, browser] = [newClaims({ email_verified: false }), strict.newBrowser()]
  assertRefused(await signIn(claims, { on: strict, browser }), 403, 'email-unverified')
  const [mail] = await strict.mailTo(claims.email)
  const verified = await browser.open(`${strict.publicUrl}/api/v1/auth/verify-email`, {
    method: 'POST',
    body: JSON.stringify({ token: mail!.token, password: PASSWORD }),
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(verified.status, 200, verified.text)
  const { status, body } = await signIn(claims, { on: strict })
  assert.deepEqual([status, body.user?.email, body.user?.email_verified], [200, claims.email, true])
})

// Red when: is_live is not checked.
test('no one can sign in to a disabled or deleted account, by its identity or by its address', async () => {
  for (const column of ['disabled_at', 'deleted_at']) {
    const claims = newClaims()
    const { body } = await signIn(claims)
    await app.admin.query(`update users set ${column} = now() where id = $1`, [body.user.id])
    assertRefused(await signIn(claims), 403, 'account-closed')
    assertRefused(await signIn(newClaims({ email: claims.email })), 403, 'link-required')
    const led = await signIn(claims, { query: toFrontEnd })
    assert.equal(led.url, `${FRONTEND}/?error=account-closed`)
  }
})

// Red when: exchangeCode does not map the refusal of an account that is deleted between callback and exchange.
test('a code does not sign in to an account that was deleted within its minute', async () => {
  const [claims, browser] = [newClaims(), app.newBrowser()]
  const { url } = await signIn(claims, { browser, query: toFrontEnd })
  await app.admin.query('update users set disabled_at = now() where email = $1', [claims.email])
  assertRefused(await exchange(browser, url), 403, 'account-closed')
})

// Red when: the transaction of a provider sign-in uses the identity before it has locked the account: one of the two is the
// victim of a deadlock.
test('an identity that is unlinked during a sign-in is not used, without a deadlock', async () => {
  const claims = newClaims()
  const { id: user_id } = (await signIn(claims)).body.user
  const unlinking = await app.admin.connect()
  try {
    await unlinking.query('begin')
    await unlinking.query('select from users where id = $1 for no key update', [user_id])
    const answer = signIn(claims)
    assert.ok(await waits(app.admin, unlinking, answer))
    await unlinking.query('delete from identities where user_id = $1', [user_id])
    await unlinking.query('commit')
    assertRefused(await answer, 403, 'link-required')
  } finally {
    unlinking.release()
  }
})

// Red when: socialCodeToken loses `endsWithPassword` or `endsWithIdentity`, or redeem does not ask for the identity.
test('a code that is held back does not sign in once its identity is unlinked, or what it was linked with is gone', async () => {
  const unlink = async (person: Person, id: string) => {
    const proof = { password: PASSWORD }
    return (await person.call('DELETE', `/api/v1/oauth/identities/${id}`, { proof })).status
  }
  const undo = async ({ email }: Person) => {
    const { token } = (await app.mailTo(email)).findLast(({ link: to }) => to.includes('/account/undo?token='))!
    return (await app.call('POST', '/api/v1/auth/undo', { token })).status
  }
  const reset = async ({ email }: Person) => {
    await app.call('POST', '/api/v1/auth/password-reset', { email })
    const { token } = (await app.mailTo(email)).at(-1)!
    const given = { token, new_password: 'Brand-new-zebra-42' }
    return (await app.call('POST', '/api/v1/auth/password-reset/complete', given)).status
  }
  const change = async (person: Person) => {
    const given = { current_password: PASSWORD, new_password: 'Brand-new-zebra-42' }
    return (await person.call('POST', '/api/v1/auth/change-password', given)).status
  }
  // As if the code had been made at the very moment of the removal.
  const remove = async (_: Person, id: string) =>
    (await app.admin.query('delete from identities where id = $1', [id])).rowCount === 1 ? 204 : 500
  for (const end of [unlink, undo, reset, change, remove]) {
    const [person, claims, browser] = [await app.signUp(), newClaims(), app.newBrowser()]
    await app.verify(person)
    await app.mailTo(person.email)
    const linked = await link(person, claims, { browser })
    assert.equal(linked.status, 201)
    const { url } = await signIn(claims, { browser, query: toFrontEnd })
    assert.equal(await end(person, linked.body.id), 204, end.name)
    assertRefused(await exchange(browser, url), 422, 'invalid-token')
  }
})

// Red when: findAccount takes an address for verified that can still be taken back, or one for new that was taken back.
test('while a change of address can be undone, its mailbox links no provider', async () => {
  const person = await app.signUp()
  await app.verify(person)
  const change = async (new_email: string) => {
    const proof = { password: PASSWORD }
    const session = await app.logIn({ ...person, email: (await emailOf()) ?? '' })
    assert.equal((await session.call('POST', '/api/v1/auth/change-email', { new_email, proof })).status, 202)
    const { token } = (await app.mailTo(new_email)).at(-1)!
    assert.equal((await app.call('POST', '/api/v1/auth/verify-email', { token })).status, 200)
  }
  const emailOf = async () =>
    (await app.admin.query<{ email: string }>('select email from users where id = $1', [person.user_id])).rows[0]?.email
  await app.mailTo(person.email)
  const email = newClaims().email
  await change(email)
  assertRefused(await signIn(newClaims({ email })), 403, 'link-required')
  const { token } = (await app.mailTo(person.email)).findLast(({ link: to }) => to.includes('/account/undo?token='))!
  assert.equal((await app.call('POST', '/api/v1/auth/undo', { token })).status, 204)
  assert.equal((await signIn(newClaims({ email: person.email }))).body.user?.id, person.user_id, 'undone')

  const later = newClaims().email
  await change(later)
  await app.admin.query(`update one_time_tokens set expires_at = now() where user_id = $1 and purpose = 'undo'`, [
    person.user_id,
  ])
  assert.equal((await signIn(newClaims({ email: later }))).body.user?.id, person.user_id, 'over')
})

// Red when: isTwoFactor is true for a provider, or a session is made before the second factor.
test('the second factor still applies, at the callback and at the exchange', async () => {
  const claims = newClaims()
  const { body } = await signIn(claims)
  await app.admin.query(`insert into totp_factors (user_id, secret, confirmed_at) values ($1, '\\x00', now())`, [
    body.user.id,
  ])
  const sessions = async () =>
    (await app.admin.query('select from sessions where user_id = $1', [body.user.id])).rowCount
  const before = await sessions()
  const direct = await signIn(claims)
  assertRefused(direct, 401, 'mfa-required')
  assert.deepEqual(direct.body.methods, ['totp'])
  assert.equal(direct.body.mfa_token.length, 64)
  const browser = app.newBrowser()
  const { url } = await signIn(claims, { browser, query: toFrontEnd })
  assertRefused(await exchange(browser, url), 401, 'mfa-required')
  assert.equal(await sessions(), before)
  // A second use of the code ends the pending sign-in.
  const waiting = async () =>
    (
      await app.admin.query(`select from one_time_tokens where user_id = $1 and purpose = 'mfa' and used_at is null`, [
        body.user.id,
      ])
    ).rowCount
  const open = (await waiting()) as number
  assertRefused(await exchange(browser, url), 422, 'invalid-token')
  assert.equal(await waiting(), open - 1)
})

// Red when: checkBinding or issueCode accepts the challenge without the browser, the cookie without the challenge, or
// any verifier.
test('a code is bound to the browser that began, whatever challenge the link contains', async () => {
  const verifier = randomBytes(32).toString('base64url')
  const code_challenge = createHash('sha256').update(verifier).digest('base64url')
  const browser = app.newBrowser()
  const { url } = await signIn(newClaims(), { browser, query: `${toFrontEnd}&code_challenge=${code_challenge}` })
  assertRefused(await exchange(browser, url), 422, 'invalid-token')
  assertRefused(await exchange(browser, url, { code_verifier: `${verifier.slice(1)}A` }), 422, 'invalid-token')
  // The author of the link knows the verifier, and could exchange a leaked code.
  const elsewhere = app.newBrowser()
  assertRefused(await exchange(elsewhere, url, { code_verifier: verifier }), 403, 'browser-unknown')
  const busy = app.newBrowser()
  await signIn(newClaims(), { browser: busy, query: toFrontEnd })
  assertRefused(await exchange(busy, url, { code_verifier: verifier }), 403, 'browser-unknown')
  assert.equal((await exchange(browser, url, { code_verifier: verifier })).status, 200)
  // A code from an earlier version contains no browser.
  const { url: older } = await signIn(newClaims(), { browser, query: `${toFrontEnd}&code_challenge=${code_challenge}` })
  await app.admin.query(
    `update one_time_tokens set details = details - 'browser' where purpose = 'social-code' and used_at is null and details ->> 'code_challenge' = $1`,
    [code_challenge],
  )
  assertRefused(await exchange(browser, older, { code_verifier: verifier }), 403, 'browser-unknown')
})

// Red when: the code is not spent in the transaction that signs in, or what it created is not revoked.
test('concurrent exchanges of a code create one session, which the reuse revokes', async () => {
  const [claims, browser] = [newClaims(), app.newBrowser()]
  const { url } = await signIn(claims, { browser, query: toFrontEnd })
  const answers = await Promise.all([exchange(browser, url), exchange(browser, url), exchange(browser, url)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 422, 422])
  const { rows } = await app.admin.query<{ revoked_reason: string }>(
    'select revoked_reason from sessions join users on users.id = user_id where users.email = $1',
    [claims.email],
  )
  assert.deepEqual(rows, [{ revoked_reason: 'code-reused' }])
})

// Red when: a code works after its minute, or one of another purpose is accepted.
test('an expired, malformed or other token is refused as a code', async () => {
  const [claims, browser] = [newClaims(), app.newBrowser()]
  const { url } = await signIn(claims, { browser, query: toFrontEnd })
  const code = new URL(url).searchParams.get('code') as string
  await app.admin.query(
    `update one_time_tokens set expires_at = now() where purpose = 'social-code' and user_id = (select id from users where email = $1)`,
    [claims.email],
  )
  for (const wrong of [code, code.slice(1), `${code}A`, 'A'.repeat(64)])
    assertRefused(await exchange(browser, `${FRONTEND}/?code=${wrong}`), 422, 'invalid-token')
})

// Red when: the event is omitted, or another browser can finish.
test('a signed-in user links a provider and can then sign in with it', async () => {
  const [person, claims, browser] = [await app.signUp(), newClaims(), app.newBrowser()]
  const made = await link(person, claims, { browser })
  assert.equal(made.status, 201, made.text)
  assert.deepEqual([made.body.provider, made.body.email], ['bent', claims.email])
  assert.equal((await signIn(claims)).body.user.id, person.user_id)
  const listed = await person.call('GET', '/api/v1/oauth/identities')
  assert.deepEqual(
    listed.body.items.map(({ id }: { id: string }) => id),
    [made.body.id],
  )
  assert.equal((await app.mailTo(person.email)).filter(({ subject }) => /was added/.test(subject)).length, 1)
  const again = await link(person, claims, { redirect_to: `${FRONTEND}/settings` })
  assert.equal(again.url, `${FRONTEND}/settings?linked=bent`)
  assert.equal((await app.mailTo(person.email)).length, 0, 'what is linked already is no news')
})

// Red when: undoing identity-linked keeps the identity, or a link by address is recorded without an undo.
test('a provider that someone else linked can be unlinked by the email about it, however it was linked', async () => {
  const [person, claims] = [await app.signUp(), newClaims()]
  assert.equal((await link(person, claims)).status, 201)
  const verified = await app.signUp()
  await app.verify(verified)
  const byAddress = newClaims({ email: verified.email })
  assert.equal((await signIn(byAddress)).body.user.id, verified.user_id)
  for (const { email, user_id } of [person, verified]) {
    const mail = (await app.mailTo(email)).findLast(({ link: url }) => url.includes('/account/undo?token='))
    assert.equal((await app.call('POST', '/api/v1/auth/undo', { token: mail?.token })).status, 204)
    assert.equal((await app.admin.query('select from identities where user_id = $1', [user_id])).rowCount, 0)
  }
  assert.notEqual((await signIn(claims)).body.user.id, person.user_id)
})

// Red when: linkIdentity moves an identity, or its owner is not compared.
test('an identity of another user is not linked a second time, even concurrently', async () => {
  const [one, two, claims] = [await app.signUp(), await app.signUp(), newClaims()]
  assert.equal((await link(one, claims)).status, 201)
  assertRefused(await link(two, claims), 409, 'identity-taken')
  assert.equal((await link(two, claims, { redirect_to: `${FRONTEND}/` })).url, `${FRONTEND}/?error=identity-taken`)
  assert.equal((await signIn(claims)).body.user.id, one.user_id)
  const wanted = newClaims()
  const answers = await Promise.all([link(one, wanted), link(two, wanted)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409])
})

// Red when: the link is finished in any browser, or under a revoked session.
test('a link flow that another browser finishes, or whose session is revoked, links nothing', async () => {
  const [person, claims] = [await app.signUp(), newClaims()]
  bent.behave({ claims })
  const browser = app.newBrowser()
  const begin = () =>
    browser.open(`${app.publicUrl}/api/v1/oauth/bent/link`, {
      method: 'POST',
      headers: { authorization: `Bearer ${person.access_token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ proof: { password: PASSWORD } }),
    })
  const lured = await begin()
  assertRefused(await app.newBrowser().follow(lured.body.authorization_url), 403, 'browser-unknown')
  const left = await begin()
  await person.call('POST', '/api/v1/auth/logout', {})
  assertRefused(await browser.follow(left.body.authorization_url), 422, 'invalid-token')
  const { rowCount } = await app.admin.query('select from identities where subject = $1', [claims.sub])
  assert.equal(rowCount, 0)
})

// Red when: removeIdentity omits keepSignInMethod, the owner or the event.
test('only its owner can remove an identity, and no one the last sign-in method', async () => {
  const [person, other, claims] = [await app.signUp(), await app.signUp(), newClaims()]
  const { id } = (await link(person, claims)).body
  const proof = { password: PASSWORD }
  assert.equal((await other.call('DELETE', `/api/v1/oauth/identities/${id}`, { proof })).status, 404)
  assert.equal((await person.call('DELETE', `/api/v1/oauth/identities/${id}`, { proof })).status, 204)
  assert.equal((await person.call('DELETE', `/api/v1/oauth/identities/${id}`, { proof })).status, 404)
  assert.ok((await app.mailTo(person.email)).some(({ subject }) => /removed|unlinked|no longer/i.test(subject)))
  assert.notEqual((await signIn(claims)).body.user.id, person.user_id)

  const { body } = await signIn(newClaims())
  const call = (method: string, path: string) =>
    app.call(method, path, undefined, { authorization: `Bearer ${body.access_token}` })
  const [only] = (await call('GET', '/api/v1/oauth/identities')).body.items
  assertRefused(await call('DELETE', `/api/v1/oauth/identities/${only.id}`), 409, 'last-way-in')
  assert.equal((await call('GET', '/api/v1/oauth/identities')).body.items.length, 1)
})

// Red when: neither changeCredentials nor keepSignInMethod takes its lock.
test('of two identities that are removed concurrently, one stays', async () => {
  const claims = newClaims()
  const { body } = await signIn(claims)
  const headers = { authorization: `Bearer ${body.access_token}` }
  await app.admin.query(
    `insert into identities (user_id, provider, issuer, subject) select user_id, 'second', issuer, subject || '-2' from identities where user_id = $1`,
    [body.user.id],
  )
  const { items } = (await app.call('GET', '/api/v1/oauth/identities', undefined, headers)).body
  const answers = await Promise.all(
    items.map(({ id }: { id: string }) => app.call('DELETE', `/api/v1/oauth/identities/${id}`, undefined, headers)),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 409])
})

// Red when: choose (identity/proofs) requires nothing of an account that has neither a password nor a second factor.
test('an account with only a provider can link and unlink within two minutes of its sign-in', async () => {
  const claims = newClaims()
  const { body } = await signIn(claims)
  const headers = { authorization: `Bearer ${body.access_token}` }
  const path = `/api/v1/oauth/identities/${body.user.id}`
  assertRefused(await app.call('DELETE', path, undefined, headers), 404, 'not-found')
  await app.admin.query(`update sessions set authenticated_at = now() - interval '3 minutes' where user_id = $1`, [
    body.user.id,
  ])
  assertRefused(await app.call('POST', '/api/v1/oauth/bent/link', {}, headers), 401, 'step-up-required')
  assertRefused(await app.call('DELETE', path, undefined, headers), 401, 'step-up-required')
  const again = await signIn(claims)
  const recent = { authorization: `Bearer ${again.body.access_token}` }
  assert.equal((await app.call('POST', '/api/v1/oauth/bent/link', {}, recent)).status, 200)
})

// Red when: createBrowserCookie omits an attribute.
test('the cookie is bound to this host if the service is reached by https', async () => {
  const deployed = await open({ PUBLIC_URL: 'https://api.example.com' })
  const { headers } = await deployed.call('GET', '/oauth/bent/initiate')
  assert.match(
    String(headers['set-cookie']),
    /^__Host-browser=[\w-]{43}; Path=\/; Max-Age=660; HttpOnly; Secure; SameSite=Lax$/,
  )
  const sent = new URL(headers['location'] as string)
  assert.equal(sent.searchParams.get('redirect_uri'), 'https://api.example.com/oauth/bent/callback')
  assert.equal(sent.searchParams.get('code_challenge_method'), 'S256')
})
