import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, stepNow } from '../../../test/browsers/authenticator-app.ts'
import { createAuthenticator } from '../../../test/browsers/authenticator.ts'
import { addAuthenticator, noBrowser, openBrowser } from '../../../test/browsers/browser.ts'
import { openTestApp } from '../../../test/browsers/provider-browser.ts'
import { PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// The page of the link that undoes a change, for someone whose second factor is a passkey.

const app = await openTestApp(() => ({}), 'localhost')
const { call, mailTo, signUp, publicUrl } = app
const path = '/api/v1/auth/passkeys'

/** Adds an authenticator app to an account that has a passkey. @returns the address of the page that undoes that */
async function addApp(person: Person, prove: (options: unknown) => Promise<unknown>): Promise<URL> {
  const { secret } = (await person.call('POST', '/api/v1/auth/mfa/totp')).body
  const step = (await person.call('POST', '/api/v1/auth/step-up/passkey-options')).body
  const proof = { passkey: { challenge_token: step.challenge_token, response: await prove(step.options) } }
  const confirmed = await person.call('POST', '/api/v1/auth/mfa/totp/confirm', {
    code: codeOf(secret, stepNow()),
    proof,
  })
  assert.equal(confirmed.status, 200, confirmed.text)
  const mail = (await mailTo(person.email)).findLast(({ link }) => link.includes('/account/undo?token='))
  return new URL(mail!.link)
}

async function addPasskey(person: Person, create: (options: unknown) => Promise<unknown>): Promise<void> {
  const { options, challenge_token } = (await person.call('POST', `${path}/registration-options`)).body
  const given = { challenge_token, name: 'Key', response: await create(options), proof: { password: PASSWORD } }
  assert.equal((await person.call('POST', path, given)).status, 201)
}

const hasApp = async ({ user_id }: Person) =>
  (await app.admin.query('select from totp_factors where user_id = $1', [user_id])).rowCount === 1

// Red when: the page offers no passkey, its policy forbids the script, or the form does not take the answer.
test('the page that undoes a change takes a passkey that the account had before', async () => {
  const [person, passkey] = [await signUp(), createAuthenticator(publicUrl)]
  await addPasskey(person, async options => passkey.create(options as never))
  const page = await addApp(person, async options => passkey.get(options as never))
  const shown = await call('GET', page.pathname + page.search)
  assert.match(shown.text, /id="passkey-button" data-options="\/api\/v1\/auth\/undo\/passkey-options" hidden/)
  assert.match(shown.headers['content-security-policy'] ?? '', /script-src 'sha256-[^']+'; connect-src 'self'/)

  const token = page.searchParams.get('token') ?? ''
  const submit = (fields: Record<string, string>): Promise<Answer> =>
    call('POST', page.pathname, new URLSearchParams({ token, code: '', ...fields }).toString(), {
      'content-type': 'application/x-www-form-urlencoded',
    })
  const { options, challenge_token } = (await call('POST', '/api/v1/auth/undo/passkey-options', { token })).body
  const foreign = createAuthenticator(publicUrl)
  foreign.create({ ...options, rp: { id: 'localhost' }, user: { id: 'AAAA' } })
  for (const wrong of [
    'rubbish',
    '{}',
    JSON.stringify({ challenge_token, response: foreign.get(options) }),
    JSON.stringify({ challenge_token, response: passkey.get(options, { flags: 1 }) }),
  ]) {
    const refused = await submit({ passkey: wrong })
    assert.equal(refused.status, 422, refused.text)
    assert.match(refused.text, /The passkey is not one that your account had before/)
  }
  assert.ok(await hasApp(person))
  const done = await submit({ passkey: JSON.stringify({ challenge_token, response: passkey.get(options) }) })
  assert.equal(done.status, 200, done.text)
  assert.ok(!(await hasApp(person)))
})

// Red when: the button is shown to everyone.
test('the page offers no passkey where none counts', async () => {
  const person = await signUp()
  const { secret } = (await person.call('POST', '/api/v1/auth/mfa/totp')).body
  const proof = { password: PASSWORD }
  await person.call('POST', '/api/v1/auth/mfa/totp/confirm', { code: codeOf(secret, stepNow()), proof })
  const mail = (await mailTo(person.email)).findLast(({ link }) => link.includes('/account/undo?token='))
  const { pathname, search } = new URL(mail!.link)
  const shown = await call('GET', pathname + search)
  assert.equal(shown.status, 200)
  assert.doesNotMatch(shown.text, /passkey-button|<script/)
  assert.doesNotMatch(shown.headers['content-security-policy'] ?? '', /script-src/)
})

// Red when: the script fails, or the policy of the page does not allow it.
test('in a browser, the button undoes the change with the passkey', { skip: noBrowser }, async () => {
  const person = await signUp()
  const tab = await (await (await openBrowser()).newContext()).newPage()
  await addAuthenticator(tab)
  await tab.goto(`${publicUrl}/account`)
  const inBrowser = (method: 'create' | 'get') => (options: unknown) =>
    tab.evaluate(
      `navigator.credentials.${method}({ publicKey: PublicKeyCredential.parse${method === 'create' ? 'Creation' : 'Request'}OptionsFromJSON(${JSON.stringify(options)}) }).then(made => made.toJSON())`,
    )
  await addPasskey(person, inBrowser('create'))
  const page = await addApp(person, inBrowser('get'))
  await tab.goto(publicUrl + page.pathname + page.search)
  await tab.click('#passkey-button')
  await tab.locator('.good').waitFor()
  assert.ok(!(await hasApp(person)))
})
