import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertFault, load, oidc } from '../../test/environments.ts'

// Red when: readProvider stops checking a field.
test('OpenID Connect providers are a checked list', () => {
  const provider = { name: 'acme', issuer: 'https://id.acme.test', clientId: 'i', clientSecret: 's' }
  assert.deepEqual(load({ OIDC_PROVIDERS: oidc({}) }).social.oidc, [provider])
  assert.equal(load({ OIDC_PROVIDERS: oidc({ issuer: 'http://localhost:9000' }) }).social.oidc.length, 1)
  for (const changes of [
    { name: 'google' },
    { name: 'password' },
    { name: 'A B' },
    { issuer: 'http://id.acme.test' },
    { issuer: 'https://id.acme.test/.well-known/openid-configuration' },
    { issuer: 'https://user@id.acme.test' },
    { client_secret: '' },
    { more: 1 },
  ]) {
    assertFault({ OIDC_PROVIDERS: oidc(changes) }, /^OIDC_PROVIDERS: entry 1 (needs|has) /)
  }
  assertFault(
    { OIDC_PROVIDERS: JSON.stringify([...JSON.parse(oidc({})), ...JSON.parse(oidc({}))]) },
    /uses one name twice/,
  )
  assertFault({ OIDC_PROVIDERS: '{}' }, /is not a list/)
})

// Red when: a self-hosted server is requested at api.github.com, or Google is left out of the list.
test('Google is one of the OpenID Connect providers, and GitHub may be a server of one’s own', () => {
  const google = { GOOGLE_CLIENT_ID: 'i', GOOGLE_CLIENT_SECRET: 's' }
  const known = { name: 'google', issuer: 'https://accounts.google.com', clientId: 'i', clientSecret: 's' }
  assert.deepEqual(load(google).social.oidc, [known])
  assert.equal(load({ ...google, GOOGLE_ISSUER: 'http://127.0.0.1:1/' }).social.oidc[0]?.issuer, 'http://127.0.0.1:1/')
  const github = { GITHUB_CLIENT_ID: 'i', GITHUB_CLIENT_SECRET: 's' }
  assert.equal(load(github).social.github?.apiUrl, 'https://api.github.com')
  const own = load({ ...github, GITHUB_URL: 'https://git.acme.test/' }).social.github
  assert.deepEqual([own?.url, own?.apiUrl], ['https://git.acme.test', 'https://git.acme.test/api/v3'])
  assertFault({ ...github, GITHUB_URL: 'http://git.acme.test' }, /^GITHUB_URL: does not begin with https/)
})

// Red when: http elsewhere is taken, or FRONTEND_URL is left out.
test('a sign-in leads back to the front end and to named origins, which are https', () => {
  const settings = {
    FRONTEND_URL: 'https://app.acme.test/start',
    SOCIAL_REDIRECTS: 'https://b.acme.test,http://localhost:3000',
  }
  assert.deepEqual(load(settings).social.redirectOrigins, [
    'https://app.acme.test',
    'https://b.acme.test',
    'http://localhost:3000',
  ])
  assertFault({ SOCIAL_REDIRECTS: 'http://b.acme.test' }, /^SOCIAL_REDIRECTS: does not begin with https/)
  assertFault({ SOCIAL_REDIRECTS: 'https://b.acme.test/path' }, /^SOCIAL_REDIRECTS/)
})
