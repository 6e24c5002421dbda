import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { accountState, spoilToken } from '../../../test/bad-tokens.ts'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import type { TestApp } from '../../../test/test-app.ts'
import { checkPassword } from '../../identity/passwords/password-policy.ts'
import { Problem } from '../problems.ts'
import { words } from './account-pages-words.ts'

const HOSTILE = `<b>"'&{{x}}`

const app = await createTestApp({ FRONTEND_URL: 'https://app.example.com', APP_NAME: HOSTILE })
const bare = await createTestApp({ EMAIL_VERIFICATION: 'required' })

const NEW_PASSWORD = 'Brand-new-zebra-42'
const newAddress = () => `pages-${randomUUID()}@example.com`

interface Shown {
  status: number
  headers: Record<string, unknown>
  text: string
}

async function send(
  on: TestApp,
  method: 'GET' | 'POST',
  url: string,
  fields?: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<Shown> {
  const response = await on.app.inject({
    method,
    url,
    headers: { ...(fields !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }), ...headers },
    ...(fields !== undefined && {
      payload: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
    }),
  })
  return { status: response.statusCode, headers: response.headers, text: response.body }
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('base64')

/** What every page has, good or bad. */
function checkPage({ headers, text }: Shown, lang = 'en'): void {
  assert.match(String(headers['content-type']), /^text\/html; charset=utf-8/, text)
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(headers['referrer-policy'], 'no-referrer')
  assert.equal(headers['x-frame-options'], 'DENY')
  const policy = String(headers['content-security-policy'])
  assert.match(policy, /default-src 'none'/)
  assert.match(policy, /form-action 'self'/)
  assert.match(policy, /base-uri 'none'/)
  assert.doesNotMatch(policy, /unsafe|https?:/)
  assert.doesNotMatch(text, /<script[^>]|javascript:|\son\w+=|<b>/i)
  const digests = [...text.matchAll(/<script>(.*?)<\/script>/gs)].map(([, script]) => `'sha256-${digestOf(script!)}'`)
  assert.equal(/script-src ([^;]*)/.exec(policy)?.[1] ?? '', digests.join(' '))
  assert.match(text, new RegExp(`<html lang="${lang}">`))
  assert.match(text, /name="viewport"/)
}

/** The mail of a reset to a new person. */
async function askForReset(on = app): Promise<{ email: string; user_id: string; link: string; token: string }> {
  const email = newAddress()
  const signedUp = await app.call('POST', '/api/v1/auth/signup', { email, password: PASSWORD })
  assert.equal(signedUp.status, 201)
  await on.call('POST', '/api/v1/auth/password-reset', { email })
  const { link, token } = (await on.mailTo(email)).at(-1)!
  return { email, user_id: signedUp.body.user.id, link: link.replace('http://localhost:8000', ''), token }
}

test('a mail’s link shows a form and changes nothing, however often it is looked at; the button sets the password', async () => {
  // Red when: the route of GET calls page.act.
  const { email, user_id, link, token } = await askForReset()
  const before = await accountState(app, user_id)
  for (const suffix of ['', '', '&utm_source=mail&fbclid=1', '#top']) {
    const shown = await send(app, 'GET', link + suffix)
    assert.equal(shown.status, 200)
    checkPage(shown)
    assert.ok(shown.text.includes(email))
    assert.match(shown.text, /type="password"[^>]*autocomplete="new-password"/s)
    assert.match(shown.text, /autocomplete="username"/)
    assert.doesNotMatch(shown.text, /maxlength|onpaste/i)
  }
  assert.equal((await app.app.inject({ method: 'HEAD', url: link })).statusCode, 200)
  assert.equal(await accountState(app, user_id), before)
  const fields = { token, new_password: NEW_PASSWORD, repeated_password: NEW_PASSWORD }
  const done = await send(app, 'POST', '/account/reset-password', fields)
  assert.equal(done.status, 200, done.text)
  checkPage(done)
  assert.match(done.text, /href="https:\/\/app\.example\.com"/)
  assert.doesNotMatch(done.text, /<form/)
  assert.equal((await app.call('POST', '/api/v1/auth/login', { email, password: NEW_PASSWORD })).status, 200)
  for (const again of [await send(app, 'POST', '/account/reset-password', fields), await send(app, 'GET', link)]) {
    assert.equal(again.status, 422)
    checkPage(again)
    assert.match(again.text, /was used or replaced/)
  }
})

test('what is wrong with a new password stands in the form, and the token stays good', async () => {
  // Red when: the page answers a weak password with anything but the form.
  const { user_id, token } = await askForReset()
  const before = await accountState(app, user_id)
  const choose = (new_password: string, repeated_password = new_password, lang = 'en') =>
    send(
      app,
      'POST',
      '/account/reset-password',
      { token, new_password, repeated_password },
      { 'accept-language': lang },
    )
  for (const [shown, said, lang] of [
    [await choose('weak'), 'must have a digit', 'en'],
    [await choose('weak', 'weak', 'de'), 'Es braucht eine Ziffer.', 'de'],
    [await choose(NEW_PASSWORD, `${NEW_PASSWORD}!`), 'The two passwords differ.', 'en'],
    [await choose(''), 'must have at least 8 characters', 'en'],
    [await choose('Aa1!'.repeat(33)), 'must have at most 128 characters', 'en'],
  ] as const) {
    assert.equal(shown.status, 422)
    checkPage(shown, lang)
    assert.match(shown.text, /role="alert"/)
    assert.ok(shown.text.includes(said), shown.text)
    assert.ok(shown.text.includes(`value="${token}"`))
    assert.doesNotMatch(shown.text, /weak<|value="weak"|Brand-new/)
  }
  assert.equal(await accountState(app, user_id), before)
  // Every character counts, as it was sent.
  const odd = ` Ünïcødé+%26&=-1 `
  assert.equal((await choose(odd)).status, 200)
})

// Red when: whyUnusable says more about a token that we did not make, or sendRefusedToken asks for nothing.
test('a link that is spoilt or of another kind is said not to work, in the same page; ours says whether it expired or was used', async () => {
  const { user_id, token, link } = await askForReset()
  const before = await accountState(app, user_id)
  const pages = new Set<string>()
  const fields = { new_password: NEW_PASSWORD, repeated_password: NEW_PASSWORD }
  const { 'of nobody': swept, ...spoiltTokens } = spoilToken('reset-password', token)
  for (const spoilt of [...Object.values(spoiltTokens), '', 'x'.repeat(4096), HOSTILE]) {
    const encoded = encodeURIComponent(spoilt)
    for (const shown of [
      await send(app, 'GET', `/account/reset-password?token=${encoded}`),
      await send(app, 'POST', '/account/reset-password', { ...fields, token: spoilt }),
    ]) {
      assert.equal(shown.status, 422, spoilt)
      checkPage(shown)
      pages.add(shown.text)
    }
  }
  pages.add((await send(app, 'GET', `/account/reset-password?token=${token}&token=${token}`)).text)
  assert.equal(pages.size, 1)
  const [page] = pages
  assert.match(page!, /<h1>This link does not work<\/h1>/)
  assert.match(page!, /class="button" href="reset-password"/)
  // A token that we signed and no longer have was swept after it had expired.
  assert.match(
    (await send(app, 'GET', `/account/reset-password?token=${swept}`)).text,
    /<h1>This link has expired<\/h1>/,
  )
  const endings = [
    ['used_at = now()', 'This link was used or replaced', 'Dieser Link wurde schon benutzt oder ersetzt'],
    ['used_at = null, expires_at = now()', 'This link has expired', 'Dieser Link ist abgelaufen'],
  ] as const
  for (const [change, english, german] of endings) {
    await app.admin.query(`update one_time_tokens set ${change} where user_id = $1 and purpose = 'reset-password'`, [
      user_id,
    ])
    for (const [language, title] of [
      ['en', english],
      ['de', german],
    ] as const)
      for (const shown of [
        await send(app, 'GET', link, undefined, { 'accept-language': language }),
        await send(app, 'POST', '/account/reset-password', { ...fields, token }, { 'accept-language': language }),
      ]) {
        assert.equal(shown.status, 422)
        checkPage(shown, language)
        assert.ok(shown.text.includes(`<h1>${title}</h1>`), shown.text)
        assert.match(shown.text, /class="button" href="reset-password"/)
      }
  }
  const after = await accountState(app, user_id)
  assert.equal(after.replace(/"expires_at": "[^"]*"/g, ''), before.replace(/"expires_at": "[^"]*"/g, ''))
})

test('who comes without a link can ask for a mail, and learns of no address whether it has an account', async () => {
  // Red when: the page says more for an address that is known.
  const { email } = await askForReset()
  const shown = await send(app, 'GET', '/account/reset-password')
  assert.equal(shown.status, 200)
  checkPage(shown)
  assert.match(shown.text, /type="email"/)
  const [typed, strange] = [email.toUpperCase(), newAddress()]
  const [known, unknown] = [
    await send(app, 'POST', '/account/reset-password', { email: typed }),
    await send(app, 'POST', '/account/reset-password', { email: strange }),
  ]
  assert.equal(known.status, 200)
  checkPage(known)
  assert.equal(known.text.replaceAll(typed, strange), unknown.text)
  // Red when: a mistyped address is not shown, or there is no way to correct it.
  assert.ok(known.text.includes(`<p class="address">${typed}</p>`), known.text)
  assert.match(known.text, /<a href="reset-password">Nothing arrived\?/)
  assert.equal((await app.mailTo(email)).length, 1)
  for (const wrong of [
    '',
    'nobody',
    `${HOSTILE}@example.com`,
    `${'x'.repeat(260)}@example.com`,
    'a@b.c\r\nbcc: x@y.z',
  ]) {
    const refused = await send(app, 'POST', '/account/reset-password', { email: wrong })
    assert.equal(refused.status, 422, wrong)
    checkPage(refused)
  }
})

test('the pages speak the language that the browser likes', async () => {
  const german = await send(app, 'GET', '/account/reset-password', undefined, { 'accept-language': 'de-DE,de;q=0.9' })
  checkPage(german, 'de')
  assert.match(german.text, /Passwort vergessen\?/)
  checkPage(await send(app, 'GET', '/account/reset-password', undefined, { 'accept-language': 'fr' }))
})

test('a form that is none is refused in words: another content type, a huge body, a field twice or unknown', async () => {
  // Red when: the pages inherit the API's JSON parser, its limit or its errors.
  const { user_id, token } = await askForReset()
  const before = await accountState(app, user_id)
  const form = `token=${token}&new_password=${NEW_PASSWORD}&repeated_password=${NEW_PASSWORD}`
  const cases: [string, string | undefined, Record<string, string>, number][] = [
    ['JSON', JSON.stringify({ token, new_password: NEW_PASSWORD }), { 'content-type': 'application/json' }, 415],
    ['multipart', form, { 'content-type': 'multipart/form-data; boundary=x' }, 415],
    ['text', form, { 'content-type': 'text/plain' }, 415],
    ['a huge body', `${form}&x=${'x'.repeat(40_000)}`, {}, 413],
    ['the token twice', `${form}&token=${token}`, {}, 422],
    ['the password twice', `${form}&new_password=${NEW_PASSWORD}`, {}, 422],
    ['an unknown field', `${form}&superuser=true`, {}, 422],
    ['a prototype', `${form}&__proto__=1&constructor=2`, {}, 422],
    ['NUL', `${form}%00`, {}, 422],
    ['nothing', '', {}, 422],
    ['broken escapes', 'token=%zz%', {}, 422],
  ]
  for (const [name, body, headers, status] of cases) {
    const shown = await send(app, 'POST', '/account/reset-password', body, headers)
    assert.equal(shown.status, status, `${name}: ${shown.text}`)
    checkPage(shown)
  }
  assert.equal(await accountState(app, user_id), before)
  const other = await send(app, 'GET', '/account/nothing-here')
  assert.equal(other.status, 404)
  assert.equal(
    (await app.app.inject({ method: 'DELETE', url: '/account/reset-password' })).headers.allow,
    'GET, HEAD, OPTIONS, POST',
  )
})

test('a sign-up, a confirmation and a change of address each have their page', async () => {
  const email = newAddress()
  await bare.call('POST', '/api/v1/auth/signup', { email, password: PASSWORD })
  const signUp = (await bare.mailTo(email))[0]!
  const pathOf = (link: string) => new URL(link).pathname + new URL(link).search
  const shown = await send(bare, 'GET', pathOf(signUp.link))
  checkPage(shown)
  assert.match(shown.text, /<form method="post" action="sign-up">/)
  assert.match(shown.text, /autocomplete="new-password"/)
  const weak = await send(bare, 'POST', '/account/sign-up', { token: signUp.token, new_password: 'weak' })
  assert.equal(weak.status, 422)
  const chosen = { new_password: PASSWORD, repeated_password: PASSWORD }
  const done = await send(bare, 'POST', '/account/sign-up', { token: signUp.token, ...chosen })
  assert.equal(done.status, 200)
  checkPage(done)
  const login = await bare.call('POST', '/api/v1/auth/login', { email, password: PASSWORD })
  assert.equal(login.status, 200)

  const new_email = newAddress()
  const authorization = `Bearer ${login.body.access_token}`
  const proof = { password: PASSWORD }
  await bare.call('POST', '/api/v1/auth/change-email', { new_email, proof }, { authorization })
  const change = (await bare.mailTo(new_email))[0]!
  const changing = await send(bare, 'GET', pathOf(change.link))
  assert.ok(changing.text.includes(new_email))
  assert.equal((await send(bare, 'POST', '/account/change-email', { token: change.token })).status, 200)
  assert.equal((await bare.call('POST', '/api/v1/auth/login', { email: new_email, password: PASSWORD })).status, 200)

  // Red when: what the token's spending refuses is no broken link. Someone took the address while the page was open.
  const late = newAddress()
  await bare.call('POST', '/api/v1/auth/signup', { email: late, password: PASSWORD })
  const { token: lateToken } = (await bare.mailTo(late))[0]!
  assert.equal((await app.call('POST', '/api/v1/auth/signup', { email: late, password: PASSWORD })).status, 201)
  const refused = await send(bare, 'POST', '/account/sign-up', { token: lateToken, ...chosen })
  assert.equal(refused.status, 422)
  assert.match(refused.text, /This link (was used or replaced|has expired)/)

  const person = await app.signUp()
  const confirm = (await app.mailTo(person.email))[0]!
  // The password of the account is asked for: it may be someone else's, made with this address.
  const asking = await send(app, 'GET', pathOf(confirm.link))
  checkPage(asking)
  assert.match(asking.text, /autocomplete="current-password"/)
  for (const [password, said] of [
    ['', /Enter the password/],
    ['Wrong-horse-7', /The password is wrong/],
  ] as const) {
    const wrong = await send(app, 'POST', '/account/verify-email', { token: confirm.token, password })
    checkPage(wrong)
    assert.equal(wrong.status, 422)
    assert.match(wrong.text, said)
  }
  const confirmed = await send(app, 'POST', '/account/verify-email', { token: confirm.token, password: PASSWORD })
  assert.equal(confirmed.status, 200)
  assert.equal((await person.call('GET', '/api/v1/auth/me')).body.user.email_verified, true)
  // The token of one page is none at another.
  const { token } = await askForReset()
  assert.equal((await send(app, 'POST', '/account/verify-email', { token })).status, 422)
})

test('everything that a password can lack is said in German too', async () => {
  // Red when: checkPassword learns a new lack, or says one in other words.
  const said = new Set<string>()
  for (const policy of ['composition', 'length'] as const)
    for (const password of ['', 'password', 'a'.repeat(129), 'Augusta-1815'])
      await checkPassword(password, { rule: policy, words: [] }, ['Augusta']).catch((error: unknown) => {
        assert.ok(error instanceof Problem)
        for (const { detail } of error.errors ?? []) said.add(detail)
      })
  assert.equal(said.size, 9)
  assert.deepEqual([...said].sort(), Object.keys(words.de.lacks).sort())
})

test('too many attempts are refused in words, with the time to wait', async () => {
  const limited = await createTestApp({ RATE_LIMIT_ENABLED: 'true' })
  const answers = []
  for (let count = 0; count < 12; count++)
    answers.push(await send(limited, 'POST', '/account/reset-password', { token: 'x' }))
  const last = answers.at(-1)!
  assert.equal(last.status, 429)
  checkPage(last)
  assert.match(String(last.headers['retry-after']), /^\d+$/)
  assert.match(last.text, /Too many attempts/)
  assert.match(last.text, /back button/)
})
