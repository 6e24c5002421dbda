import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { allowInsecureRequests, customFetch, validateJwtAccessToken } from 'oauth4webapi'
import { createTestApp } from '../../../test/test-app.ts'
import { TEST_SECRET } from '../../../test/test-database.ts'
import { systemFor } from '../database/runners.ts'
import { createAccessTokens } from './access-tokens.ts'
import { loadSigningKeys } from './signing-keys.ts'

// Every forged token is a true one with one thing changed, sent to a route that reads the caller. The control is the
// same token made anew by this file with nothing changed, under the service's own key: it passes.
// Red when: tokens.ts looks the verifier up by `kid` alone and verifies without `algorithms`, `allowedIss` or `allowedAud`.

const { admin, database, tokens, call, signUp } = await createTestApp()
const person = await signUp('Acme')

type Json = Record<string, unknown>
const encode = (part: Json | Buffer | string): string =>
  Buffer.from(Buffer.isBuffer(part) || typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
const decode = (part: string): Json => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json

const [head, payload, signature] = person.access_token.split('.') as [string, string, string]
const [header, claims] = [decode(head), decode(payload)]
const { rows } = await admin.query<{ public_key: string }>('select public_key from signing_keys where id = $1', [
  header['kid'],
])
const publicPem = rows[0]!.public_key
const publicJwk = createPublicKey(publicPem).export({ format: 'jwk' })
const foreign = generateKeyPairSync('ed25519')

const signed = (changes: Json, claimChanges: Json, key: KeyObject): string => {
  const text = `${encode({ ...header, ...changes })}.${encode({ ...claims, ...claimChanges })}`
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`
}
const hmac = (changes: Json, secret: string | Buffer): string => {
  const text = `${encode({ ...header, ...changes })}.${payload}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}
/** Signed by the service's own key, as if it had been asked to. */
const own = (changes: Json): string => tokens.sign({ ...claims, ...changes } as never)
const now = Math.floor(Date.now() / 1000)

const forged: Record<string, string> = {
  'algorithm none': `${encode({ ...header, alg: 'none' })}.${payload}.`,
  'algorithm None': `${encode({ ...header, alg: 'None' })}.${payload}.`,
  'algorithm none with the signature left on': `${encode({ ...header, alg: 'none' })}.${payload}.${signature}`,
  'no signature': `${head}.${payload}.`,
  'HS256 with the public key': hmac({ alg: 'HS256' }, publicPem),
  'HS256 with the public key, its line ends trimmed': hmac({ alg: 'HS256' }, publicPem.trim()),
  'HS256 with the raw public key': hmac({ alg: 'HS256' }, Buffer.from(publicJwk.x as string, 'base64url')),
  'HS256 with an empty secret': hmac({ alg: 'HS256' }, ''),
  'a foreign key under our kid': signed({}, {}, foreign.privateKey),
  'a foreign key under a foreign kid': signed({ kid: 'elsewhere' }, {}, foreign.privateKey),
  'a kid that is a path': signed({ kid: '../../../dev/null' }, {}, foreign.privateKey),
  'a kid that is SQL': signed({ kid: "' or true --" }, {}, foreign.privateKey),
  'no kid': signed({ kid: undefined }, {}, foreign.privateKey),
  'an embedded key (jwk)': signed({ jwk: foreign.publicKey.export({ format: 'jwk' }) }, {}, foreign.privateKey),
  'a key elsewhere (jku)': signed({ jku: 'https://example.com/keys' }, {}, foreign.privateKey),
  'a certificate elsewhere (x5u)': signed({ x5u: 'https://example.com/certificate' }, {}, foreign.privateKey),
  'a certificate chain (x5c)': signed({ x5c: ['MIIB'] }, {}, foreign.privateKey),
  'an extra header field (crit)': signed({ crit: ['exp'] }, {}, foreign.privateKey),
  'another type (JWT)': signed({ typ: 'JWT' }, {}, foreign.privateKey),
  'no type': signed({ typ: undefined }, {}, foreign.privateKey),
  'a true signature under a header with a space': `${encode(`${JSON.stringify(header)} `)}.${payload}.${signature}`,
  'a tampered payload': `${head}.${encode({ ...claims, role: 'owner', organization_id: '0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e' })}.${signature}`,
  'a tampered signature': `${head}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
  'a cut signature': `${head}.${payload}.${signature.slice(0, 40)}`,
  'a fourth part': `${person.access_token}.x`,
  'a refresh token': person.refresh_token,
  'an empty one': '..',
  'no token at all': 'null',
}

test('the token that the forgeries are made of passes, and so does one signed anew with the same key', async () => {
  assert.equal(
    (await call('GET', '/api/v1/auth/me', undefined, { authorization: `Bearer ${person.access_token}` })).status,
    200,
  )
  assert.equal(
    (await call('GET', '/api/v1/auth/me', undefined, { authorization: `Bearer ${own({ exp: now + 60 })}` })).status,
    200,
  )
})

for (const [name, token] of Object.entries(forged)) {
  test(`a token with ${name} is refused`, async () => {
    for (const path of ['/api/v1/auth/me', '/api/v1/projects']) {
      const answer = await call('GET', path, undefined, { authorization: `Bearer ${token}` })
      assert.deepEqual([answer.status, answer.body.code], [401, 'not-signed-in'], answer.text)
      assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/)
    }
  })
}

test('a token of ours for another issuer, audience or time is refused', async () => {
  const refused: [Json, string][] = [
    [{ iss: 'https://elsewhere.example.com' }, 'not-signed-in'],
    [{ aud: 'https://elsewhere.example.com' }, 'not-signed-in'],
    [{ exp: now - 1 }, 'access-token-expired'],
    [{ nbf: now + 600 }, 'not-signed-in'],
    [{ sub: undefined }, 'not-signed-in'],
    [{ sid: undefined }, 'not-signed-in'],
  ]
  const key = await ownKey()
  for (const [changes, code] of refused) {
    const answer = await call('GET', '/api/v1/auth/me', undefined, {
      authorization: `Bearer ${signed({}, changes, key)}`,
    })
    assert.deepEqual([answer.status, answer.body.code], [401, code], JSON.stringify(changes))
  }
  const control = await call('GET', '/api/v1/auth/me', undefined, { authorization: `Bearer ${signed({}, {}, key)}` })
  assert.equal(control.status, 200, 'signed by this file with the same key and nothing changed')
})

test('a header field that we never set is refused even under our own key', async () => {
  const key = await ownKey()
  for (const changes of [
    { jku: 'https://example.com' },
    { jwk: publicJwk },
    { x5u: 'https://example.com' },
    { typ: 'JWT' },
    { typ: undefined },
    { crit: ['exp'] },
    { kid: undefined },
  ]) {
    const answer = await call('GET', '/api/v1/auth/me', undefined, {
      authorization: `Bearer ${signed(changes, {}, key)}`,
    })
    assert.equal(answer.status, 401, JSON.stringify(changes))
  }
})

// Red when: an access token has no client_id or another type, or the key set lacks a kid or an algorithm.
test('a strict resource server takes our access tokens by the key set alone', async () => {
  for (const JWT_ALGORITHM of ['EdDSA', 'ES256', 'RS256']) {
    const service = await createTestApp({ JWT_ALGORITHM })
    const { user_id, access_token, organization_id } = await service.signUp('Acme')
    const issuer = 'http://localhost:8000'
    const server = { issuer, jwks_uri: `${issuer}/.well-known/jwks.json` }
    const request = new Request(issuer, { headers: { authorization: `Bearer ${access_token}` } })
    const fetchKeys = async (url: string) => Response.json((await service.call('GET', new URL(url).pathname)).body)
    const accepted = await validateJwtAccessToken(server, request, issuer, {
      [allowInsecureRequests]: true,
      [customFetch]: fetchKeys,
    })
    assert.deepEqual(
      [accepted.sub, accepted.client_id, accepted['organization_id']],
      [user_id, 'freehold', organization_id],
      JWT_ALGORITHM,
    )
  }
})

// Red when: a remembered token is not looked at again; the keys are exchanged and what they verified is remembered.
test('a token that was verified before is refused once it has expired, and once its key is gone', async t => {
  const made = createAccessTokens({ issuer: 'http://localhost:8000', accessTokenSeconds: 60 })
  const [key] = await loadSigningKeys(systemFor(database, 'signing-keys'), TEST_SECRET, 'EdDSA')
  made.useKeys([key!])
  const token = made.sign({ sub: 'u', jti: 'j', sid: 's', auth_time: 0, email: 'e', user_id: 'u' })
  assert.equal(made.verify(token), made.verify(token), 'remembered')
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 })
  assert.throws(() => made.verify(token), { code: 'access-token-expired' })
  t.mock.timers.reset()
  assert.equal(made.verify(token).sub, 'u')
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  made.useKeys([{ ...key!, id: 'another', privateKey, publicKey }])
  assert.throws(() => made.verify(token), { code: 'not-signed-in' })
})

test('an access token is no refresh token', async () => {
  const answer = await call('POST', '/api/v1/auth/refresh', { refresh_token: person.access_token })
  assert.deepEqual([answer.status, answer.body.code], [401, 'invalid-refresh-token'])
})

test('only one bearer token in one header counts', async () => {
  for (const authorization of [
    person.access_token,
    `Basic ${person.access_token}`,
    `Bearer  ${person.access_token} x`,
    `Bearer ${person.access_token}, Bearer x`,
    'Bearer',
    'Bearer ',
  ]) {
    assert.equal((await call('GET', '/api/v1/auth/me', undefined, { authorization })).status, 401, authorization)
  }
  assert.equal((await call('GET', `/api/v1/auth/me?access_token=${person.access_token}`)).status, 401)
  assert.equal(
    (await call('GET', '/api/v1/auth/me', undefined, { cookie: `access_token=${person.access_token}` })).status,
    401,
  )
})

/** The service's own private key, as only someone who holds SECRET_KEY can read it. */
async function ownKey(): Promise<KeyObject> {
  const keys = await loadSigningKeys(systemFor(database, 'signing-keys'), TEST_SECRET, 'EdDSA')
  return createPrivateKey(keys.find(({ id }) => id === header['kid'])!.privateKey)
}
