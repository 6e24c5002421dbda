import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { createBentProvider } from '../../../test/browsers/bent-provider.ts'
import type { Behaviour, BentProvider } from '../../../test/browsers/bent-provider.ts'
import { openTestApp } from '../../../test/browsers/provider-browser.ts'
import type { Browser } from '../../../test/browsers/provider-browser.ts'
import type { Answer } from '../../../test/test-app.ts'

// Providers that lie, do not respond or are impostors, and browsers that return from flows that they did not begin.

const FRONTEND = 'http://localhost:3999'
const names = ['bent', 'other', 'none', 'secret', 'renamed', 'moved', 'clear-page', 'script', 'pageless', 'clear-token']
const bentProviders = new Map<string, BentProvider>()
for (const name of names) bentProviders.set(name, await createBentProvider())
const providerOf = (name: string): BentProvider => bentProviders.get(name) as BentProvider
const [bent, other] = [providerOf('bent'), providerOf('other')]

/** Listens and never answers. */
const silent = createServer(() => {})
await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
after(() => {
  silent.closeAllConnections()
  silent.close()
})

const app = await openTestApp(() => ({
  FRONTEND_URL: FRONTEND,
  OIDC_PROVIDERS: JSON.stringify([
    ...[...bentProviders].map(([name, { url, clientId, clientSecret }]) => ({
      name,
      issuer: url,
      client_id: clientId,
      client_secret: clientSecret,
    })),
    {
      name: 'silent',
      issuer: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
      client_id: 'i',
      client_secret: 's',
    },
  ]),
}))

let serial = 0
const newClaims = () => {
  const sub = `subject-${process.pid}-${serial++}`
  return { sub, email: `${sub}@example.com`, email_verified: true, name: 'Some Body' }
}

/** A whole sign-in with a provider that behaves like this; by default with someone new, who would otherwise be let in. */
async function signInWith(behaviour: Behaviour, name = 'bent'): Promise<Answer> {
  providerOf(name).behave({ claims: newClaims(), ...behaviour })
  return app.newBrowser().follow(`${app.publicUrl}/oauth/${name}/initiate`)
}

/** How many accounts, identities and sessions the people of this file have; other files run at the same time. */
const traces = async () =>
  (
    await app.admin.query(
      `select count(distinct u.id), count(distinct i.id) as identities, count(distinct s.id) as sessions
        from users u left join identities i on i.user_id = u.id left join sessions s on s.user_id = u.id
        where u.email like $1 or u.email like 'another@%'`,
      [`subject-${process.pid}-%`],
    )
  ).rows

async function assertRefused(answer: Answer, status: number, code: string): Promise<void> {
  assert.deepEqual([answer.status, answer.body.code], [status, code], answer.text)
}

test('an honest provider signs a user in', async () => {
  const { status, body } = await signInWith({})
  assert.equal(status, 200, JSON.stringify(body))
})

const now = () => Math.floor(Date.now() / 1000)

// Red when: enableNonRepudiationChecks is left out (signatures), expectedNonce is left out (nonce), the check of the
// library named in each line is switched off.
const lies: Record<string, () => Behaviour> = {
  'an ID token of another issuer': () => ({ claims: { ...newClaims(), iss: 'https://accounts.example.com' } }),
  'an ID token for another client': () => ({ claims: { ...newClaims(), aud: 'another client' } }),
  'an ID token for two clients, handed to the other': () => ({
    claims: { ...newClaims(), aud: [bent.clientId, 'another'], azp: 'another' },
  }),
  'a nonce of another flow': () => ({ claims: { ...newClaims(), nonce: 'another' } }),
  'no nonce': () => ({ claims: { ...newClaims(), nonce: undefined } }),
  'no subject': () => ({ claims: { ...newClaims(), sub: undefined } }),
  'an empty subject': () => ({ claims: { ...newClaims(), sub: '' } }),
  'a subject that is too long': () => ({ claims: { ...newClaims(), sub: 's'.repeat(256) } }),
  'a subject that no database stores': () => ({ claims: { ...newClaims(), sub: 'nul\0nul' } }),
  'an ID token that has expired': () => ({ claims: { ...newClaims(), iat: now() - 900, exp: now() - 600 } }),
  'an ID token that is not signed': () => ({ signature: 'none' }),
  'an ID token signed with a key of somebody else': () => ({ signature: 'stranger' }),
  'an ID token signed with a key that is not in the set': () => ({ signature: 'stranger', header: { kid: 'unknown' } }),
  'an ID token that brings its key along': () => ({
    signature: 'stranger',
    header: { kid: 'unknown', jwk: { kty: 'RSA', n: 'AQAB', e: 'AQAB' }, jku: `${other.url}/jwks` },
  }),
  'no ID token': () => ({
    answers: { '/token': reply({ access_token: 'a', token_type: 'bearer' }) },
  }),
  'an answer that is no JSON': () => ({ answers: { '/token': reply('<html>', 'text/html') } }),
  'an answer that is broken JSON': () => ({ answers: { '/token': reply('{"access_token":') } }),
  'an answer of 500': () => ({ answers: { '/token': response => void response.writeHead(500).end() } }),
  'an answer that leads elsewhere': () => ({
    answers: { '/token': response => void response.writeHead(307, { location: `${other.url}/token` }).end() },
  }),
  'an answer without an end': () => ({ answers: { '/token': pour } }),
  'a connection that breaks': () => ({ answers: { '/token': response => void response.destroy() } }),
  'the issuer of another provider in the callback': () => ({ back: { iss: other.url } }),
  'no issuer in the callback, though it was announced': () => ({ back: { iss: undefined } }),
  'a user of another subject at userinfo': () => ({
    claims: newClaims(),
    userinfo: { sub: 'another', email: 'another@example.com', email_verified: true },
  }),
  'a request that it calls invalid': () => ({ back: { code: undefined, error: 'invalid_request' } }),
  'a server error': () => ({ back: { code: undefined, error: 'server_error' } }),
}

const reply =
  (body: unknown, type = 'application/json') =>
  (response: ServerResponse): void =>
    void response.writeHead(200, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body))

/** A megabyte of JSON after another. Red when: the size is not bounded. */
function pour(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const chunk = '"'.padEnd(65_536, ' ')
  const more = () => {
    do poured += chunk.length
    while (!response.destroyed && response.write(chunk))
  }
  response.on('drain', more)
  response.on('error', () => {})
  more()
}
let poured = 0

test('an invalid response of a provider signs no one in and creates no account', async t => {
  for (const [lie, behaviour] of Object.entries(lies)) {
    await t.test(lie, async () => {
      const before = await traces()
      await assertRefused(await signInWith(behaviour()), 502, 'provider-failed')
      assert.deepEqual(await traces(), before)
      // The log may contain the same reason repeatedly.
      assert.match(app.logged(), /"reason":"bent: [^"]+/, 'the operator reads why')
    })
  }
  assert.ok(poured < 8_000_000, `${poured} bytes were read of an answer without an end`)
  assert.equal((await signInWith({})).status, 200, 'and afterwards the truth is believed as before')
})

// Metadata is read once, so each of these has its own provider.
const metadata: Record<string, { lie: Behaviour; reason: RegExp }> = {
  none: { lie: { signature: 'none', metadata: algorithms('none', 'RS256') }, reason: /unsupported/ },
  secret: { lie: { signature: 'secret', metadata: algorithms('HS256') }, reason: /unsupported JWS algorithm/ },
  renamed: { lie: { metadata: { issuer: other.url } }, reason: /does not match the expected issuer/ },
  moved: { lie: { metadata: { issuer: `${providerOf('moved').url}/elsewhere` } }, reason: /does not match/ },
  'clear-page': {
    lie: { metadata: { authorization_endpoint: 'http://provider.example.com/authorize' } },
    reason: /no safe authorization endpoint/,
  },
  script: {
    lie: { metadata: { authorization_endpoint: 'javascript:alert(1)' } },
    reason: /no safe authorization endpoint/,
  },
  pageless: { lie: { metadata: { authorization_endpoint: undefined } }, reason: /no safe authorization endpoint/ },
  'clear-token': {
    lie: { metadata: { token_endpoint: 'http://provider.example.com/token' } },
    reason: /http:\/\/provider\.example\.com is not https/,
  },
}

function algorithms(...names: string[]) {
  return { id_token_signing_alg_values_supported: names }
}

// Red when: signatures are not verified; the metadata of another issuer is accepted; another address without https is
// requested.
test('a provider with false metadata signs no one in', async t => {
  for (const [name, { lie, reason }] of Object.entries(metadata)) {
    await t.test(name, async () => {
      const logged = app.logged().length
      await assertRefused(await signInWith(lie, name), 502, 'provider-failed')
      assert.match(app.logged().slice(logged), reason)
    })
  }
  assert.equal((await signInWith({}, 'renamed')).status, 200, 'a failure to discover is not kept')
})

// Red when: a request has no timeout.
test('a request to a provider times out after five seconds', async () => {
  const began = Date.now()
  await assertRefused(await app.newBrowser().open(`${app.publicUrl}/oauth/silent/initiate`), 502, 'provider-failed')
  assert.ok(Date.now() - began < 30_000)
})

/** Where the provider sends the browser back to, not yet followed. */
async function comeBackTo(browser: Browser, name = 'bent', query = ''): Promise<URL> {
  bent.behave({ claims: newClaims() })
  other.behave({ claims: newClaims() })
  return new URL(
    (await browser.follow(`${app.publicUrl}/oauth/${name}/initiate${query}`, `${app.publicUrl}/oauth/${name}/callback`))
      .url,
  )
}

const changed = (url: URL, changes: Record<string, string | undefined>): string => {
  const next = new URL(url)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) next.searchParams.delete(name)
    else next.searchParams.set(name, value)
  }
  return next.href
}

// Red when: endFlow does not compare the browser (the attacker's sign-in in the victim's browser, RFC 6749, section 10.12).
test('a callback in another browser signs no one in, and the first browser can still finish', async () => {
  const [begun, stranger, busy] = [app.newBrowser(), app.newBrowser(), app.newBrowser()]
  const back = await comeBackTo(begun)
  await assertRefused(await stranger.open(back.href), 403, 'browser-unknown')
  // A browser that has begun a flow itself.
  await comeBackTo(busy)
  await assertRefused(await busy.open(back.href), 403, 'browser-unknown')
  assert.equal((await begun.open(back.href)).status, 200)
})

// Red when: the state is not opened, or not compared with what is stored.
test('a callback without its state, or with another, is refused and changes nothing', async () => {
  const browser = app.newBrowser()
  const back = await comeBackTo(browser)
  const state = back.searchParams.get('state') as string
  assert.equal((await browser.open(changed(back, { state: undefined }))).body.code, 'invalid-token')
  for (const wrong of [
    `${state.slice(0, -1)}${state.endsWith('A') ? 'B' : 'A'}`,
    state.slice(1),
    'state',
    'A'.repeat(64),
  ])
    await assertRefused(await browser.open(changed(back, { state: wrong })), 422, 'invalid-token')
  assert.equal((await browser.open(`${back.href}&state=${state}`)).status, 422, 'twice')
  assert.equal((await browser.open(back.href)).status, 200)
})

// Red when: the flow is not spent.
test('a repeated callback signs in once, even concurrently', async () => {
  const browser = app.newBrowser()
  const back = await comeBackTo(browser)
  const answers = await Promise.all([browser.open(back.href), browser.open(back.href)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 422])
  await assertRefused(await browser.open(back.href), 422, 'invalid-token')
})

// Red when: endFlow does not compare the provider (RFC 9700, section 4.4).
test('the code of one provider never reaches another', async () => {
  const browser = app.newBrowser()
  const back = await comeBackTo(browser)
  const asked = other.asked.length
  await assertRefused(await browser.open(back.href.replace('/oauth/bent/', '/oauth/other/')), 422, 'invalid-token')
  assert.deepEqual(other.asked.slice(asked), [])
  assert.equal((await browser.open(back.href)).status, 200)
})

// Red when: the verifier is not the flow's own (RFC 7636).
test('a code stolen from another flow does not work, because its verifier differs', async () => {
  const [victim, thief] = [app.newBrowser(), app.newBrowser()]
  const stolen = (await comeBackTo(victim)).searchParams.get('code') as string
  const own = await comeBackTo(thief)
  await assertRefused(await thief.open(changed(own, { code: stolen })), 422, 'invalid-token')
})

// Red when: a refusal is reported as a failure, or the front end's URL contains words of the provider.
test('the front end gets only a problem code of ours', async () => {
  const browser = app.newBrowser()
  const to = `?redirect_to=${encodeURIComponent(`${FRONTEND}/in?keep=1`)}`
  const led = async (changes: Record<string, string | undefined>) =>
    (await browser.open(changed(await comeBackTo(browser, 'bent', to), changes))).headers['location']
  assert.equal(
    await led({ code: undefined, error: 'access_denied', error_description: '<b>no</b>' }),
    `${FRONTEND}/in?keep=1&error=provider-refused`,
  )
  assert.equal(await led({ code: undefined, error: 'server_error' }), `${FRONTEND}/in?keep=1&error=provider-failed`)
  assert.equal(await led({ code: 'unknown' }), `${FRONTEND}/in?keep=1&error=invalid-token`)
  assert.match((await led({})) ?? '', /^http:\/\/localhost:3999\/in\?keep=1&code=[\w-]{64}$/)
})

// Red when: a token of the provider is stored, sent on or logged.
test('the tokens of a provider are stored nowhere', async () => {
  const { text, headers } = await signInWith({})
  const { rows } = await app.admin.query<{ line: string }>(
    `select to_jsonb(t)::text as line from one_time_tokens t union all select to_jsonb(i)::text from identities i
      union all select to_jsonb(e)::text from security_events e union all select to_jsonb(s)::text from sessions s`,
  )
  const everywhere = [text, JSON.stringify(headers), app.logged(), ...rows.map(({ line }) => line)].join('\n')
  assert.ok(everywhere.includes('subject-'), 'something was written')
  assert.doesNotMatch(everywhere, /Bent-access-token|bent:secret/)
})

// Red when: isAllowedRedirect compares anything but the whole origin.
test('a sign-in redirects only to allowed origins', async () => {
  const browser = app.newBrowser()
  for (const address of [
    'https://evil.example.com/',
    'http://localhost:3999.evil.example.com/',
    'http://localhost:3999@evil.example.com/',
    'http://user@localhost:3999/',
    'http://localhost:39990/',
    'https://localhost:3999/',
    'HTTP://localhost:3999/',
    'http:localhost:3999/',
    'http:\\\\localhost:3999/',
    'http://localhost:3999\\@evil.example.com/',
    '//localhost:3999/',
    '/in',
    'javascript:alert(1)//http://localhost:3999',
    ' http://localhost:3999/',
    'http://localhost:3999/\t',
    'http://local\nhost:3999/',
  ]) {
    const answer = await browser.open(`${app.publicUrl}/oauth/bent/initiate?redirect_to=${encodeURIComponent(address)}`)
    await assertRefused(answer, 422, 'invalid-fields')
    assert.equal(answer.body.errors[0].pointer, '?redirect_to')
  }
  for (const address of [FRONTEND, `${FRONTEND}/`, `${FRONTEND}/a/b?c=d#e`]) {
    const answer = await browser.open(`${app.publicUrl}/oauth/bent/initiate?redirect_to=${encodeURIComponent(address)}`)
    assert.equal(answer.status, 302, address)
  }
})
