import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { openToken, sealToken } from '../src/platform/tokens/one-time-tokens.ts'
import { socialToken } from '../src/identity/social/flows.ts'
import { createBentProvider } from './browsers/bent-provider.ts'
import { openTestApp } from './browsers/provider-browser.ts'
import type { Browser } from './browsers/provider-browser.ts'
import type { Answer } from './test-app.ts'

// Whatever a browser can navigate to ends in a page, or at the front end with an error code. Never in JSON.

const FRONTEND = 'http://localhost:3997'
const bent = await createBentProvider()
const dead = { name: 'dead', issuer: 'http://127.0.0.1:9', client_id: 'i', client_secret: 's' }
const providers = [{ name: 'bent', issuer: bent.url, client_id: bent.clientId, client_secret: bent.clientSecret }, dead]
const app = await openTestApp(() => ({
  FRONTEND_URL: FRONTEND,
  OIDC_PROVIDERS: JSON.stringify(providers),
  PUBLIC_DOCUMENTS: 'false',
}))

/** As browsers ask when they navigate. */
const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'
const navigate = (browser: Browser, url: string, headers: Record<string, string> = {}): Promise<Answer> =>
  browser.open(new URL(url, app.publicUrl).href, { headers: { accept, ...headers } })
const isPage = ({ headers }: Answer) => (headers['content-type'] ?? '').startsWith('text/html')
const claims = () => {
  const sub = randomBytes(8).toString('hex')
  return { sub, email: `${sub}@example.com`, email_verified: true }
}

// Red when: errors.ts does not ask isNavigation, or a route that browsers reach is not `browsed`.
test('every path outside the API, and every operation for browsers, answers a navigation with a page', async () => {
  const { paths } = (await app.app.openApi()) as { paths: Record<string, Record<string, { responses: object }>> }
  const operations = Object.entries(paths).flatMap(([path, { get }]) =>
    get !== undefined && /text\/html/.test(JSON.stringify(get.responses)) ? [path] : [],
  )
  assert.deepEqual(operations.toSorted(), [
    '/',
    '/api/v1/oauth/{provider}/callback',
    '/api/v1/oauth/{provider}/initiate',
  ])
  const refused = [
    '/nowhere',
    '/account/nowhere',
    '/docs',
    '/redoc',
    '/api/docs',
    '/%zz',
    '/oauth/none/initiate',
    '/oauth/none/callback',
    '/oauth/bent/initiate?redirect_to=https://example.com',
    '/oauth/dead/initiate',
    '/oauth/bent/callback',
    '/oauth/bent/callback?state=bad',
    '/oauth/bent/callback?state=a&state=b',
    '/api/v1/oauth/bent/callback?error=access_denied',
    '/dev/mail/none',
    '/account/verify-email?token=bad',
    ...operations.map(path => `${path.replace('{provider}', 'none')}?unknown=1`),
  ]
  for (const url of refused) {
    const answer = await navigate(app.newBrowser(), url)
    assert.ok(answer.status >= 400, `${url}: ${answer.status}`)
    assert.ok(isPage(answer), `${url}: ${answer.text}`)
    assert.match(answer.text, /<h1>.+<\/h1>/, url)
    assert.doesNotMatch(answer.headers['content-security-policy'] ?? '', /sandbox/, url)
    const program = await app.newBrowser().open(new URL(url, app.publicUrl).href, { headers: { accept: '*/*' } })
    assert.equal(program.status, answer.status, url)
    if (!url.startsWith('/account/')) assert.match(program.headers['content-type'] ?? '', /problem\+json/, url)
  }
  const german = await navigate(app.newBrowser(), '/nowhere', { 'accept-language': 'de' })
  assert.match(german.text, /<h1>Hier ist nichts<\/h1>/)
})

test('what is for programs stays a problem, whoever asks', async () => {
  for (const [url, headers] of [
    ['/api/v1/projects', {}],
    ['/api/v1/nowhere', {}],
    ['/api/v1/auth/me', {}],
    ['/ready?unknown=1', {}],
    ['/nowhere', { accept: 'application/json, text/html' }],
    ['/nowhere', { accept: 'application/problem+json' }],
  ] as const)
    assert.match((await navigate(app.newBrowser(), url, headers)).headers['content-type'] ?? '', /problem\+json/, url)
})

test('/account offers what helps without a sign-in', async () => {
  const page = await navigate(app.newBrowser(), '/account')
  assert.equal(page.status, 200)
  const links = [...page.text.matchAll(/href="(\/account\/[^"]+)"/g)].map(([, href]) => href)
  assert.ok(links.includes('/account/reset-password') && links.includes('/account/verify-email'), page.text)
  for (const link of links) assert.equal((await navigate(app.newBrowser(), link as string)).status, 200)
})

/** Begins a flow up to the address of the callback, which is not opened. */
async function beginFlow(browser: Browser, query = ''): Promise<string> {
  bent.behave({ claims: claims() })
  const callback = `${app.publicUrl}/oauth/bent/callback`
  return (await browser.follow(`${app.publicUrl}/oauth/bent/initiate${query}`, callback)).url
}
async function expire(callback: string): Promise<void> {
  const state = new URL(callback).searchParams.get('state') ?? ''
  const id = openToken(app.services.keys.oneTime, socialToken, state)
  await app.admin.query('update one_time_tokens set expires_at = now() where id = $1', [id])
}
const toFrontEnd = `?redirect_to=${encodeURIComponent(`${FRONTEND}/in?tab=1`)}`
const ledTo = ({ headers }: Answer) => headers['location']

// Red when: recallFlow asks for an unused token, or the callback throws before it is asked.
test('a flow that has expired, was ended before or belongs to another browser returns to the front end', async () => {
  const browser = app.newBrowser()
  const first = await beginFlow(browser, toFrontEnd)
  assert.match(ledTo(await navigate(browser, first)) ?? '', /in\?tab=1&code=/)
  assert.equal(ledTo(await navigate(browser, first)), `${FRONTEND}/in?tab=1&error=invalid-token`, 'opened again')
  const late = await beginFlow(browser, toFrontEnd)
  const foreign = await navigate(app.newBrowser(), late)
  assert.equal(ledTo(foreign), `${FRONTEND}/in?tab=1&error=browser-unknown`, 'another browser')
  await expire(late)
  assert.equal(ledTo(await navigate(browser, late)), `${FRONTEND}/in?tab=1&error=invalid-token`, 'expired')
  const forged = sealToken(Buffer.alloc(32), socialToken, '0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e')
  const none = await navigate(browser, `/oauth/bent/callback?state=${forged}`)
  assert.deepEqual([none.status, isPage(none)], [422, true], 'a state that we did not sign leads nowhere')
  const elsewhere = await navigate(browser, late.replace('/oauth/bent/', '/oauth/dead/'))
  assert.deepEqual([elsewhere.status, ledTo(elsewhere)], [422, undefined], 'the callback of another provider')
})

test('a flow without a front end can be begun again from the page it ends in', async () => {
  const browser = app.newBrowser()
  const callback = await beginFlow(browser)
  await expire(callback)
  const page = await navigate(browser, callback)
  assert.ok(isPage(page), page.text)
  const again = /href="([^"]+\/oauth\/bent\/initiate)"/.exec(page.text)?.[1]
  assert.ok(again, page.text)
  assert.match(page.text, new RegExp(`href="${FRONTEND}"`))
  assert.equal((await browser.follow(again)).status, 200)
})

// Red when: initiate throws what the provider has done, or loses redirect_to.
test('a provider that is down ends at the front end, or in a page', async () => {
  const browser = app.newBrowser()
  assert.equal(
    ledTo(await navigate(browser, `/oauth/dead/initiate${toFrontEnd}`)),
    `${FRONTEND}/in?tab=1&error=provider-failed`,
  )
  const page = await navigate(browser, '/oauth/dead/initiate')
  assert.deepEqual([page.status, isPage(page)], [502, true])
  for (const query of [toFrontEnd, '']) {
    const callback = await beginFlow(browser, query)
    bent.behave({ claims: claims(), answers: { '/token': response => void response.destroy() } })
    const ended = await navigate(browser, callback)
    if (query !== '') assert.match(ledTo(ended) ?? '', /error=provider-failed$/)
    else assert.deepEqual([ended.status, isPage(ended)], [502, true])
  }
})

// Red when: the callback spends the flow before it looks at the method.
test('HEAD on the callback, by a link checker or a preview, ends no flow', async () => {
  const browser = app.newBrowser()
  const callback = await beginFlow(browser, toFrontEnd)
  for (let times = 0; times < 2; times++) {
    const head = await browser.open(callback, { method: 'HEAD' })
    assert.deepEqual([head.status, head.text, ledTo(head)], [200, '', undefined])
  }
  assert.match(ledTo(await navigate(browser, callback)) ?? '', /code=/)
})
