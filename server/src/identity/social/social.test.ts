import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import { createEmulator } from 'emulate'
import { Provider } from 'oidc-provider'
import { findFreePort } from '../../../test/programs/ports.ts'
import { openTestApp } from '../../../test/browsers/provider-browser.ts'
import type { Browser } from '../../../test/browsers/provider-browser.ts'
import type { Answer } from '../../../test/test-app.ts'

// Sign-in with real provider software on loopback, through real sockets: emulators of Google and GitHub (emulate), and
// an OpenID Connect provider that requires PKCE (oidc-provider). Hostile providers are in hostile.test.ts.

const FRONTEND = 'http://localhost:3999'
const client = { client_id: 'freehold', client_secret: 'A-secret-of-32-characters-at-least' }
const run = randomBytes(4).toString('hex')
const addressOf = (name: string) => `${name}-${run}@example.com`
const ports = { google: await findFreePort(), github: await findFreePort(), acme: await findFreePort() }
const urlOf = (name: keyof typeof ports) => `http://127.0.0.1:${ports[name]}`

const app = await openTestApp(() => ({
  FRONTEND_URL: FRONTEND,
  GOOGLE_CLIENT_ID: client.client_id,
  GOOGLE_CLIENT_SECRET: client.client_secret,
  GOOGLE_ISSUER: urlOf('google'),
  GITHUB_CLIENT_ID: client.client_id,
  GITHUB_CLIENT_SECRET: client.client_secret,
  GITHUB_URL: urlOf('github'),
  GITHUB_API_URL: urlOf('github'),
  OIDC_PROVIDERS: JSON.stringify([{ name: 'acme', issuer: urlOf('acme'), ...client }]),
}))
const registered = (name: string) => ({ name: 'Freehold', redirect_uris: [`${app.publicUrl}/oauth/${name}/callback`] })

const google = await createEmulator({
  service: 'google',
  port: ports.google,
  baseUrl: urlOf('google'),
  seed: {
    google: {
      users: [
        { email: addressOf('ann'), name: 'Ann Archer' },
        { email: addressOf('bea'), name: 'Bea' },
      ],
      oauth_clients: [{ ...client, ...registered('google') }],
    },
  },
})
const github = await createEmulator({
  service: 'github',
  port: ports.github,
  baseUrl: urlOf('github'),
  seed: {
    github: {
      users: [
        { login: 'octo', name: 'Octo Cat', email: addressOf('octo') },
        { login: 'ann-at-github', name: 'Ann', email: addressOf('ann') },
      ],
      oauth_apps: [{ ...client, ...registered('github') }],
    },
  },
})
const { redirect_uris } = registered('acme')
const acme = new Provider(urlOf('acme'), {
  clients: [{ ...client, redirect_uris }],
  pkce: { required: () => true },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['given_name', 'family_name'] },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: addressOf(id), email_verified: true, given_name: 'Given', family_name: 'Family' }),
  }),
  cookies: { keys: ['a key of the test'] },
})
const acmeServer = createServer((request, response) => void acme.callback()(request, response))
await new Promise<void>(resolve => acmeServer.listen(ports.acme, '127.0.0.1', resolve))
after(async () => {
  await Promise.all([google.close(), github.close()])
  acmeServer.closeAllConnections()
  acmeServer.close()
})

/** All the way through the look-alike's page, where the account is chosen by its address. */
async function comeBack(
  provider: 'google' | 'github',
  email: string,
  browser: Browser = app.newBrowser(),
  query = '',
): Promise<Answer & { url: string }> {
  const page = await browser.follow(`${app.publicUrl}/oauth/${provider}/initiate${query}`)
  return browser.submit(page, email, {}, FRONTEND)
}

const identitiesOf = async (email: string) =>
  (
    await app.admin.query<{ provider: string; issuer: string }>(
      'select provider, issuer from identities join users on users.id = user_id where users.email = $1 order by identities.id',
      [email],
    )
  ).rows

// Red when: email_verified is not passed on, or names are omitted.
test('a new user signs in with Google and gets an account with a verified address and names', async () => {
  const { status, body, headers } = await comeBack('google', addressOf('ann'))
  assert.equal(status, 200, JSON.stringify(body))
  const { email, email_verified, full_name, given_name } = body.user
  assert.deepEqual([email, email_verified, full_name, given_name], [addressOf('ann'), true, 'Ann Archer', 'Ann'])
  assert.equal(body.organization.kind, 'personal')
  assert.equal(headers['cache-control'], 'no-store')
  const me = await app.call('GET', '/api/v1/auth/me', undefined, { authorization: `Bearer ${body.access_token}` })
  assert.equal(me.body.user.id, body.user.id)
  assert.deepEqual(await identitiesOf(email), [{ provider: 'google', issuer: urlOf('google') }])
  assert.deepEqual(await app.mailTo(email), [], 'an account is no news to who has just made it')
})

// Red when: an identity is looked up by address, or a session is reused.
test('a second sign-in leads to the same account and a new session', async () => {
  const [first, second] = [await comeBack('google', addressOf('bea')), await comeBack('google', addressOf('bea'))]
  assert.equal(first.body.user.id, second.body.user.id)
  const sessions = await app.call('GET', '/api/v1/users/sessions', undefined, {
    authorization: `Bearer ${second.body.access_token}`,
  })
  assert.equal(sessions.body.items.length, 2)
  assert.equal((await identitiesOf(addressOf('bea'))).length, 1)
})

// Red when: createGithub ignores the verified address, or compares the callback's issuer with another.
test('a new user signs in with GitHub', async () => {
  const { status, body } = await comeBack('github', addressOf('octo'))
  assert.equal(status, 200, JSON.stringify(body))
  assert.deepEqual(
    [body.user.email, body.user.email_verified, body.user.full_name],
    [addressOf('octo'), true, 'Octo Cat'],
  )
  assert.deepEqual(await identitiesOf(addressOf('octo')), [
    { provider: 'github', issuer: `${urlOf('github')}/login/oauth` },
  ])
})

// Red when: withAccountOnce creates another account, or omits the event.
test('a second provider with the same verified address leads to the same account, and its owner is notified', async () => {
  const here = await comeBack('google', addressOf('ann'))
  const there = await comeBack('github', addressOf('ann'))
  assert.equal(there.body.user.id, here.body.user.id)
  assert.deepEqual(
    (await identitiesOf(addressOf('ann'))).map(({ provider }) => provider),
    ['google', 'github'],
  )
  const [mail] = await app.mailTo(addressOf('ann'))
  assert.match(mail!.text, /GitHub/)
})

// Red when: userinfo is not requested, the verifier is not sent, or credentials are sent only in the body.
test('an OpenID Connect provider with its own pages, PKCE and userinfo signs a user in', async () => {
  const browser = app.newBrowser()
  const signIn = await browser.follow(`${app.publicUrl}/oauth/acme/initiate`)
  const consent = await browser.submit(signIn, 'name="login"', { login: 'wile', password: 'any' })
  const back = await browser.submit(consent, 'value="consent"')
  assert.equal(back.status, 200, back.text)
  assert.deepEqual([back.body.user.email, back.body.user.full_name], [addressOf('wile'), 'Given Family'])
  // The user is already signed in there and has consented, so the provider redirects at once.
  const again = await browser.follow(`${app.publicUrl}/oauth/acme/initiate?redirect_to=${FRONTEND}/in`, FRONTEND)
  assert.match(again.url, /^http:\/\/localhost:3999\/in\?code=/)
})

// Red when: an error of the provider is reported as a fault of ours, or its flow can be used again.
test('a refusal at the provider is reported, here or at the front end', async () => {
  for (const query of ['', `?redirect_to=${FRONTEND}/in`]) {
    const browser = app.newBrowser()
    const page = await browser.follow(`${app.publicUrl}/oauth/acme/initiate${query}`)
    const abort = /href="([^"]*abort)"/.exec(page.text)?.[1] ?? ''
    const back = await browser.follow(new URL(abort, page.url).href, FRONTEND)
    if (query === '') assert.deepEqual([back.status, back.body.code], [403, 'provider-refused'])
    else assert.equal(back.url, `${FRONTEND}/in?error=provider-refused`)
  }
})

// Red when: platform/server/legacy.ts handles /oauth differently, or a provider without credentials is listed.
test('the configured providers are listed, at both addresses', async () => {
  for (const path of ['/oauth/providers', '/api/v1/oauth/providers']) {
    const { status, body } = await app.call('GET', path)
    assert.equal(status, 200)
    assert.deepEqual(
      body.items,
      ['google', 'acme', 'github'].map(name => ({ name, initiate_url: `${app.publicUrl}/oauth/${name}/initiate` })),
    )
  }
  assert.equal((await app.call('GET', '/oauth/unknown/initiate')).status, 404)
})

// Red when: issueCode or exchangeCode ignores the browser or the revocation.
test('a front end gets a code, which its browser exchanges once: a second use revokes the session', async () => {
  const browser = app.newBrowser()
  const back = await comeBack(
    'google',
    addressOf('bea'),
    browser,
    `?redirect_to=${encodeURIComponent(`${FRONTEND}/in?next=a%26b`)}`,
  )
  const url = new URL(back.url)
  assert.deepEqual([url.origin, url.pathname, url.searchParams.get('next')], [FRONTEND, '/in', 'a&b'])
  const exchange = (who: Browser) =>
    who.open(`${app.publicUrl}/oauth/exchange`, {
      method: 'POST',
      body: JSON.stringify({ code: url.searchParams.get('code') }),
      headers: { 'content-type': 'application/json', origin: FRONTEND },
    })
  const stranger = await exchange(app.newBrowser())
  assert.deepEqual([stranger.status, stranger.body.code], [403, 'browser-unknown'])
  const { status, body, headers } = await exchange(browser)
  assert.equal(status, 200, JSON.stringify(body))
  assert.equal(headers['access-control-allow-credentials'], 'true')
  const me = () => app.call('GET', '/api/v1/auth/me', undefined, { authorization: `Bearer ${body.access_token}` })
  assert.equal((await me()).status, 200)
  const second = await exchange(browser)
  assert.deepEqual([second.status, second.body.code], [422, 'invalid-token'])
  assert.equal((await me()).body.code, 'session-ended')
})
