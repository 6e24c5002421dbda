import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createBentProvider } from '../../../test/browsers/bent-provider.ts'
import type { Behaviour } from '../../../test/browsers/bent-provider.ts'
import { openTestApp } from '../../../test/browsers/provider-browser.ts'
import { PASSWORD } from '../../../test/test-app.ts'

// What providers say of a person, and where they say it: in the ID token, at the userinfo endpoint, in both or nowhere.

const bent = await createBentProvider()
const { clientId: client_id, clientSecret: client_secret } = bent
const settings = { OIDC_PROVIDERS: JSON.stringify([{ name: 'bent', issuer: bent.url, client_id, client_secret }]) }
const app = await openTestApp(() => settings)
const strict = await openTestApp(() => ({ ...settings, EMAIL_VERIFICATION: 'required' }))

const newPerson = () => {
  const sub = randomBytes(8).toString('hex')
  return { sub, email: `${sub}@example.com` }
}
type Claims = Record<string, unknown>

/** [the ID token, the userinfo, whether the address counts as verified] for an address and another one. */
const cases: Record<string, (email: string, other: string) => [Claims, Claims | undefined, boolean | 'no address']> = {
  'all in the ID token': email => [{ email, email_verified: true }, undefined, true],
  'all at userinfo': email => [{}, { email, email_verified: true }, true],
  'verified at userinfo only': email => [{ email }, { email, email_verified: true }, true],
  'verified at userinfo, without the address': email => [{ email }, { email_verified: true }, true],
  'the address at userinfo only': email => [{ email_verified: true }, { email }, true],
  'null in the ID token': email => [{ email: null, email_verified: null }, { email, email_verified: true }, true],
  'null at userinfo': email => [{ email, email_verified: true }, { email: null, email_verified: null }, true],
  'an empty address in the ID token': email => [{ email: ' ' }, { email, email_verified: true }, true],
  'padded values': email => [{ email: `  ${email.toUpperCase()} ` }, { email, email_verified: ' True ' }, true],
  'text for a truth value': email => [{ email, email_verified: 'true' }, undefined, true],
  'nothing of being verified': email => [{ email }, { email }, false],
  'text for a falsehood': email => [{ email, email_verified: 'false' }, { email, email_verified: true }, false],
  'a number': email => [{ email, email_verified: 1 }, undefined, false],
  'the contrary of the ID token': email => [{ email, email_verified: false }, { email, email_verified: true }, false],
  'another address at userinfo': (email, other) => [{ email }, { email: other, email_verified: true }, false],
  'another user at userinfo': email => [{ email }, { sub: 'another', email, email_verified: true }, false],
  'no address': () => [{ email: null }, { email: '' }, 'no address'],
}

// Red when: mergeClaims lets null win, forgets for which address the statement was made, or userinfo is asked only without
// an address.
test('claims are taken from where the provider states them, and being verified only for that address', async () => {
  for (const [name, make] of Object.entries(cases)) {
    const { sub, email } = newPerson()
    const [idToken, userinfo, expected] = make(email, `other-${email}`)
    bent.behave({ claims: { sub, ...idToken }, ...(userinfo && { userinfo: { sub, ...userinfo }, idToken }) })
    const { status, body } = await app.newBrowser().follow(`${app.publicUrl}/oauth/bent/initiate`)
    if (expected === 'no address') assert.deepEqual([status, body.code], [403, 'provider-email-missing'], name)
    else assert.deepEqual([status, body.user?.email, body.user?.email_verified], [200, email, expected], name)
  }
})

// Red when: a userinfo endpoint that fails ends a sign-in whose ID token says enough.
test('a userinfo endpoint that fails costs only what it would have added', async () => {
  const { sub, email } = newPerson()
  const answers: Behaviour['answers'] = { '/userinfo': response => void response.writeHead(500).end('no') }
  bent.behave({ claims: { sub, email }, answers })
  const known = await app.newBrowser().follow(`${app.publicUrl}/oauth/bent/initiate`)
  assert.deepEqual([known.status, known.body.user?.email_verified], [200, false])
  bent.behave({ claims: { sub }, answers })
  const unknown = await app.newBrowser().follow(`${app.publicUrl}/oauth/bent/initiate`)
  assert.deepEqual([unknown.status, unknown.body.code], [502, 'provider-failed'])
})

// Red when: the callback does not renew the cookie of the browser: after eleven minutes the link makes an account without the
// provider, and every sign-in with it is refused from then on.
test('the browser may read the email hours later, and after several sign-ins: the provider is linked', async () => {
  const { sub, email } = newPerson()
  const browser = strict.newBrowser()
  bent.behave({ claims: { sub, email } })
  for (let times = 0; times < 2; times++) {
    const refused = await browser.follow(`${strict.publicUrl}/oauth/bent/initiate`)
    assert.deepEqual([refused.status, refused.body.code], [403, 'email-unverified'])
    const seconds = /^browser=.*Max-Age=(\d+);/.exec(refused.headers['set-cookie'] ?? '')?.[1]
    assert.equal(Number(seconds), 86_400, 'as long as the link in the email')
  }
  const [mail] = await strict.mailTo(email)
  assert.match(mail!.text, /bent/)
  const verified = await browser.open(`${strict.publicUrl}/api/v1/auth/verify-email`, {
    method: 'POST',
    body: JSON.stringify({ token: mail!.token, password: PASSWORD }),
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(verified.status, 200, verified.text)
  const { status, body } = await strict.newBrowser().follow(`${strict.publicUrl}/oauth/bent/initiate`)
  assert.deepEqual([status, body.user?.email], [200, email])
})

test('where the link was opened in another browser, the next email says how to link the provider', async () => {
  const { sub, email } = newPerson()
  bent.behave({ claims: { sub, email } })
  await strict.newBrowser().follow(`${strict.publicUrl}/oauth/bent/initiate`)
  const [mail] = await strict.mailTo(email)
  await strict.call('POST', '/api/v1/auth/verify-email', { token: mail!.token, password: PASSWORD })
  await strict.newBrowser().follow(`${strict.publicUrl}/oauth/bent/initiate`)
  const mails = await strict.mailTo(email)
  assert.ok(
    mails.some(({ text }) => /first sign in as usual, then link bent/.test(text)),
    JSON.stringify(mails),
  )
})
