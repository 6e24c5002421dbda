import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import { addAuthenticator, noBrowser, openBrowser, phone, serveSite } from '../../../test/browsers/browser.ts'
import { onTestDatabase, startServiceProcess } from '../../../test/programs/service-process.ts'

// Chromium with a virtual authenticator, on a page of a front end, with the service on a real socket.

const PASSWORD = 'Correct-horse-7'

/** What a front end does, in its own words: everything but the library is what docs/guides/passkeys.md shows. */
const script = `
  const api = new URLSearchParams(location.search).get('api') + '/api/v1'
  async function call(method, path, body) {
    const headers = { ...(body && { 'content-type': 'application/json' }), ...(window.token && { authorization: 'Bearer ' + token }) }
    const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) })
    const text = await answer.text()
    return { status: answer.status, body: text && JSON.parse(text) }
  }
  const { startRegistration, startAuthentication } = SimpleWebAuthnBrowser
  async function addPasskey(name, proof) {
    const { options, challenge_token } = (await call('POST', '/auth/passkeys/registration-options')).body
    const response = await startRegistration({ optionsJSON: options })
    return call('POST', '/auth/passkeys', { challenge_token, name, response, proof })
  }
  async function answerChallenge(path, body) {
    const { options, challenge_token } = (await call('POST', path, body)).body
    return { challenge_token, response: await startAuthentication({ optionsJSON: options }) }
  }
  const signIn = async () =>
    call('POST', '/auth/passkeys/login', await answerChallenge('/auth/passkeys/authentication-options'))
  async function signInWithPassword(email, password) {
    const paused = await call('POST', '/auth/login', { email, password })
    const { mfa_token } = paused.body
    if (!mfa_token) return paused
    return call('POST', '/auth/mfa/verify', { mfa_token, passkey: await answerChallenge('/auth/mfa/passkey-options', { mfa_token }) })
  }
  const proveByPasskey = async () => ({ passkey: await answerChallenge('/auth/step-up/passkey-options') })
  const stepUp = async () => call('POST', '/auth/step-up', { passkey: await answerChallenge('/auth/step-up/passkey-options') })
`

const library = import.meta.resolve('@simplewebauthn/browser')
const files = {
  '/': {
    type: 'text/html',
    text: '<!doctype html><title>App</title><script src="/library.js"></script><script src="/app.js"></script>',
  },
  '/library.js': {
    type: 'text/javascript',
    text: readFileSync(new URL('../dist/bundle/index.umd.min.js', library), 'utf8'),
  },
  '/app.js': { type: 'text/javascript', text: script },
}

interface Answer {
  status: number
  // eslint-disable-next-line typescript/no-explicit-any
  body: any
}

/** A page of the front end in a browser of its own, maybe signed in. */
async function openApp(browser: Awaited<ReturnType<typeof openBrowser>>, origin: string, api: string) {
  const context = await browser.newContext(phone)
  const page = await context.newPage()
  await page.goto(`${origin}/?api=${api}`)
  return page
}

const run = (page: Page, expression: string): Promise<Answer> => page.evaluate<Answer>(expression)
const words = (...texts: string[]): string => texts.map(text => JSON.stringify(text)).join(', ')

// Red when: an origin of the front end is not among PASSKEY_ORIGINS' default, or any of the routes responds
// differently.
test('a user adds two passkeys, signs in with each, and removes one', { skip: noBrowser }, async () => {
  const [site, foreign] = [await serveSite(files), await serveSite(files)]
  const service = await startServiceProcess({ ...onTestDatabase(), FRONTEND_URL: site.origin })
  after(() => service.end('SIGTERM'))
  const browser = await openBrowser()
  const email = `browser-${process.pid}-${Date.now()}@example.com`

  const laptop = await openApp(browser, site.origin, service.url)
  const lock = await addAuthenticator(laptop)
  const signedUp = await run(
    laptop,
    `call('POST', '/auth/signup', { email: ${words(email)}, password: ${words(PASSWORD)} })`,
  )
  assert.equal(signedUp.status, 201)
  await laptop.evaluate(`window.token = ${words(signedUp.body.access_token)}`)
  const added = await run(laptop, `addPasskey('Laptop', { password: ${words(PASSWORD)} })`)
  assert.equal(added.status, 201, JSON.stringify(added.body))
  assert.equal(added.body.recovery_codes.length, 10)
  const held = await lock.credentials()
  assert.equal(held.length, 1)
  assert.equal(Buffer.from(held[0]!.userHandle, 'base64url').toString('hex'), signedUp.body.user.id.replaceAll('-', ''))
  await assert.rejects(run(laptop, `addPasskey('Again')`), /InvalidStateError|previously registered/)

  // Without a username, in a new browser.
  await laptop.evaluate('window.token = undefined')
  const signedIn = await run(laptop, 'signIn()')
  assert.equal(signedIn.status, 200, JSON.stringify(signedIn.body))
  assert.equal(signedIn.body.user.id, signedUp.body.user.id)
  assert.ok((await lock.credentials())[0]!.signCount > held[0]!.signCount)
  await lock.unlock(false)
  await assert.rejects(run(laptop, 'signIn()'), /NotAllowedError/)
  await lock.unlock(true)

  // A second one, a security key, in another browser, where the password sign-in asks for a passkey that it does not
  // have.
  const desk = await openApp(browser, site.origin, service.url)
  const key = await addAuthenticator(desk, { transport: 'usb' })
  const afterPassword = await run(laptop, `signInWithPassword(${words(email, PASSWORD)})`)
  assert.equal(afterPassword.status, 200, JSON.stringify(afterPassword.body))
  await desk.evaluate(`window.token = ${words(afterPassword.body.access_token)}`)
  const [recovery_code, another] = added.body.recovery_codes
  const second = await run(desk, `addPasskey('Key', { recovery_code: ${words(recovery_code)} })`)
  assert.equal(second.status, 201, JSON.stringify(second.body))
  assert.deepEqual(second.body.transports, ['usb'])
  assert.equal(second.body.recovery_codes, undefined)
  await desk.evaluate('window.token = undefined')
  assert.equal((await run(desk, 'signIn()')).status, 200)

  // After re-authentication with one passkey, the other is renamed and removed.
  await laptop.evaluate(`window.token = ${words(signedIn.body.access_token)}`)
  const proved = await run(laptop, 'stepUp()')
  assert.equal(proved.status, 200, JSON.stringify(proved.body))
  const listed = await run(laptop, `call('GET', '/auth/passkeys')`)
  assert.deepEqual(
    listed.body.items.map(({ name }: { name: string }) => name),
    ['Key', 'Laptop'],
  )
  const one = `/auth/passkeys/${second.body.id}`
  assert.equal((await run(laptop, `call('PATCH', ${words(one)}, { name: 'Key at work' })`)).body.name, 'Key at work')
  assert.equal(
    (await run(laptop, `proveByPasskey().then(proof => call('DELETE', ${words(one)}, { proof }))`)).status,
    204,
  )
  assert.equal((await key.credentials()).length, 1)
  assert.equal((await run(desk, 'signIn()')).body.code, 'invalid-passkey')

  // Another port of the same domain is another origin: the browser signs, and states the origin.
  const phishing = await openApp(browser, foreign.origin, service.url)
  const lured = await addAuthenticator(phishing)
  await phishing.evaluate(`window.token = ${words(proved.body.access_token)}`)
  assert.equal(
    (await run(phishing, `addPasskey('Lured', { recovery_code: ${words(another)} })`)).body.errors[0].pointer,
    '/response',
  )
  await phishing.evaluate('window.token = undefined')
  assert.equal((await lured.credentials()).length, 1)
  assert.equal((await run(phishing, 'signIn()')).body.code, 'invalid-passkey')
})
