import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBentProvider } from '../../../test/browsers/bent-provider.ts'
import { noBrowser, openBrowser, serveSite } from '../../../test/browsers/browser.ts'
import { openTestApp } from '../../../test/browsers/provider-browser.ts'

// A front end in Chromium: the exchange with the cookies, CORS and policies of a real browser.

/** A page that signs in, and shows whom; `api` stands in its address, and how it proves that it began: by `cookie` or `verifier`. */
const page = `<!doctype html><title>Front end</title><button>Sign in</button><output></output><script>
const address = new URL(location.href)
const api = address.searchParams.get('api')
const hasVerifier = address.searchParams.get('proof') === 'verifier'
const base64 = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
document.querySelector('button').onclick = async () => {
  const initiate = new URL(api + '/oauth/bent/initiate')
  initiate.searchParams.set('redirect_to', address.href)
  if (hasVerifier) {
    sessionStorage.verifier = base64(crypto.getRandomValues(new Uint8Array(32)))
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(sessionStorage.verifier))
    initiate.searchParams.set('code_challenge', base64(digest))
  }
  location.assign(initiate)
}
const code = address.searchParams.get('code')
if (code) {
  fetch(api + '/oauth/exchange', {
    method: 'POST',
    credentials: 'include',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code, ...(hasVerifier && { code_verifier: sessionStorage.verifier }) }),
  })
    .then(answer => answer.json())
    .then(({ user, code }) => (document.querySelector('output').textContent = user?.email ?? code))
}
</script>`

const site = await serveSite({ '/in': { type: 'text/html', text: page } })
const elsewhere = site.origin.replace('localhost', '127.0.0.1')
const bent = await createBentProvider()
const app = await openTestApp(
  () => ({
    SOCIAL_REDIRECTS: `${site.origin},${elsewhere}`,
    CORS_ORIGINS: `${site.origin},${elsewhere}`,
    OIDC_PROVIDERS: JSON.stringify([
      { name: 'bent', issuer: bent.url, client_id: bent.clientId, client_secret: bent.clientSecret },
    ]),
  }),
  'localhost',
)

// Red when: the cookie is Strict, credentials are not allowed across origins (server.ts), or a verifier works without
// the cookie.
test(
  'a front end on the same site signs in by the cookie, with a verifier as well, and one elsewhere does not',
  { skip: noBrowser },
  async () => {
    const browser = await openBrowser()
    for (const [origin, proof, outcome] of [
      [site.origin, 'cookie', 'signed in'],
      [site.origin, 'verifier', 'signed in'],
      [elsewhere, 'verifier', 'browser-unknown'],
      [elsewhere, 'cookie', 'browser-unknown'],
    ] as const) {
      const email = `${proof}-${process.pid}-${Date.now()}@example.com`
      bent.behave({ claims: { sub: email, email, email_verified: true } })
      const tab = await (await browser.newContext()).newPage()
      await tab.goto(`${origin}/in?${new URLSearchParams({ api: app.publicUrl, proof })}`)
      await tab.click('button')
      const output = tab.locator('output:not(:empty)')
      assert.equal(await output.textContent(), outcome === 'signed in' ? email : outcome)
      assert.equal(new URL(tab.url()).origin, origin)
      await tab.context().close()
    }
  },
)
