import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { createLicenseClient, LicenseProblem } from '../../../../docs/license-client/license-client.ts'
import type { LicenseClientOptions, LicenseState } from '../../../../docs/license-client/license-client.ts'
import type { PublicKey } from '../../../../docs/license-client/license-file.ts'
import { signFile } from './sealing.ts'
import type { LicenseClaims } from './sealing.ts'

// The client of the guide, attacked by the person who controls its device: with a program that stands in for the service, and with
// a changed state on the disk. The program that stands in is this one.

/** What the next requests are answered, by the end of their path; without an answer the connection is closed. */
let answers: Readonly<Record<string, { status?: number; body: unknown }>> = {}
const requests: { path: string; body: Record<string, unknown> }[] = []
const server = createServer((request, response) => {
  const path = request.url?.split('/').at(-1) ?? ''
  let text = ''
  request.setEncoding('utf8').on('data', (part: string) => (text += part))
  request.on('end', () => {
    requests.push({ path, body: JSON.parse(text) as Record<string, unknown> })
    const answer = answers[path]
    if (answer === undefined) return response.destroy()
    const { status = 200, body } = answer
    return response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
}).listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => server.close())
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

function makeKey(id: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const { x = '' } = publicKey.export({ format: 'jwk' })
  return { id, privateKey, public: { kid: id, kty: 'OKP', crv: 'Ed25519', x } satisfies PublicKey }
}
/** The key of the service, which the program knows, and one of an attacker with the same id. */
const [genuine, forged] = [makeKey('key'), makeKey('key')]

const HOUR = 3600
const now = () => Math.floor(Date.now() / 1000)
const fileOf = (key: ReturnType<typeof makeKey>, claims: Partial<LicenseClaims> = {}) =>
  signFile(
    {
      iss: url,
      jti: randomUUID(),
      sub: randomUUID(),
      organization_id: randomUUID(),
      activation_id: randomUUID(),
      fingerprint: 'one',
      plan: 'pro',
      product: null,
      max_version: null,
      entitlements: ['export'],
      iat: now(),
      exp: now() + HOUR,
      license_expires_at: null,
      on_expiry: 'restrict',
      ...claims,
    },
    key,
  )
const valid = { body: { valid: true, code: 'valid', access: 'full', license: { entitlements: ['everything'] } } }
const online = (file: string) => ({ activate: { body: {} }, validate: valid, files: { status: 201, body: { file } } })

/** A program with this state on its disk. */
function programOf(state: LicenseState = {}, options: Partial<LicenseClientOptions> = {}) {
  const disk = { state }
  const client = createLicenseClient({
    url,
    key: 'the-key',
    fingerprint: 'one',
    keys: [genuine.public],
    load: () => disk.state,
    store: given => (disk.state = given),
    ...options,
  })
  const check = async () => {
    const { access, code, online: isOnline } = await client.check()
    return `${isOnline ? 'online' : 'offline'} ${access} ${code}`
  }
  return { client, check, disk }
}

test('a program asks for its file, does what that says, and works with it when the service is gone', async () => {
  answers = online(fileOf(genuine))
  const { client, check } = programOf({}, { url: `${url}/`, fileSeconds: 2 * HOUR })
  await client.activate('Laptop')
  assert.deepEqual(requests.at(-1)?.body, { key: 'the-key', fingerprint: 'one', ttl_seconds: 2 * HOUR })
  assert.deepEqual((await client.check()).entitlements, ['export'])
  assert.equal(await check(), 'online full valid')
  for (const [path, body] of [
    ['validate', undefined],
    ['validate', '<p>Sign in to the network of this hotel</p>'],
    ['files', undefined],
  ] as const) {
    answers = { ...online(fileOf(genuine)), [path]: body === undefined ? body : { body } } as typeof answers
    assert.equal(await check(), 'offline full valid', path)
  }
  answers = { ...online(fileOf(genuine)), validate: { status: 503, body: {} } }
  assert.equal(await check(), 'offline full valid', 'a service in trouble')
})

// Red when: the verifier compares neither product nor version: the key of one product would open another one offline.
test('a file for another product or for earlier versions is refused, with and without a connection', async () => {
  for (const [claims, code] of [
    [{ product: 'editor', max_version: '2' }, 'valid'],
    [{ product: null, max_version: null }, 'valid'],
    [{ product: 'viewer' }, 'product-mismatch'],
    [{ max_version: '2.4' }, 'version-mismatch'],
    [{ max_version: 'latest' }, 'version-mismatch'],
  ] as const) {
    const { check } = programOf({ file: fileOf(genuine, claims) }, { product: 'editor', version: '2.9.1' })
    const access = code === 'valid' ? 'full' : 'none'
    answers = {}
    assert.equal(await check(), `offline ${access} ${code}`)
    answers = online(fileOf(genuine, claims))
    assert.equal(await check(), `online ${access} ${code}`)
    const asked = requests.findLast(({ path }) => path === 'validate')
    assert.deepEqual(asked?.body, { key: 'the-key', fingerprint: 'one', product: 'editor', version: '2.9.1' })
  }
})

// Red when: the client believes a response, and not the file.
test('a program that stands in for the service cannot sign a file', async () => {
  const { client, check, disk } = programOf()
  for (const [file, code] of [
    [fileOf(forged), 'signature-invalid'],
    [fileOf(makeKey('other')), 'unknown-key'],
    [fileOf(genuine, { fingerprint: 'two' }), 'fingerprint-mismatch'],
    [fileOf(genuine, { iss: 'https://other.example.com' }), 'issuer-mismatch'],
    [fileOf(genuine, { iat: now() - 2 * HOUR, exp: now() - HOUR }), 'file-expired'],
    ['', 'malformed'],
  ] as const) {
    answers = online(file)
    assert.equal(await check(), `online none ${code}`)
    await assert.rejects(client.activate(), (error: unknown) => error instanceof LicenseProblem && error.code === code)
    answers = {}
    assert.equal(await check(), 'offline none no-license-file')
  }
  for (const validate of [{ body: null }, { body: 1 }, { body: [] }, { body: { access: 'root' } }]) {
    answers = { ...online(fileOf(forged)), validate }
    assert.equal(await check(), 'online none signature-invalid')
    answers = { validate, files: { body: null } }
    assert.equal(await check(), 'online none malformed')
  }
  assert.deepEqual(disk.state, {})
})

// Red when: the public keys come from the disk, or the verifier lets a value of another type pass.
test('a state that was changed on the disk allows nothing, and does not stop the program', async () => {
  answers = {}
  const keys = [forged.public]
  for (const [state, code] of [
    [{ file: fileOf(forged), keys }, 'signature-invalid'],
    [{ file: 1 }, 'malformed'],
    [{ file: null }, 'malformed'],
    [{ file: { length: 1 } }, 'malformed'],
    [{ file: 'x'.repeat(300_000) }, 'malformed'],
    [{ file: fileOf(genuine), lastSeen: Date.now() + HOUR * 1000 }, 'clock-set-back'],
    [{ file: fileOf(genuine, { iat: now() + HOUR, exp: now() + 2 * HOUR }), lastSeen: 'never' }, 'clock-set-back'],
    [{ file: fileOf(genuine, { iat: now() + HOUR, exp: now() + 2 * HOUR }), lastSeen: null }, 'clock-set-back'],
    [{ file: fileOf(genuine, { exp: now() - 1 }), lastSeen: -1e9 }, 'file-expired'],
  ] as const)
    assert.equal(await programOf(state as unknown as LicenseState).check(), `offline none ${code}`)
})

// Red when: the verifier compares with the first issuer alone, or the client passes on no issuers.
test('a service that gets another URL: programs that accept both go on, and the others refuse its files', async () => {
  const renamed = fileOf(genuine, { iss: 'https://new.example.com' })
  for (const [issuers, code] of [
    [[url, 'https://new.example.com'], 'valid'],
    [undefined, 'issuer-mismatch'],
    [[], 'issuer-mismatch'],
  ] as const) {
    const { check } = programOf({ file: renamed }, issuers && { issuers })
    const access = code === 'valid' ? 'full' : 'none'
    answers = {}
    assert.equal(await check(), `offline ${access} ${code}`)
    answers = online(renamed)
    assert.equal(await check(), `online ${access} ${code}`)
  }
})

// Red when: the program accepts the whole life of a file that someone else asked for.
test('a file that was issued for longer than the program accepts ends when the program says', async () => {
  answers = {}
  const given = (iat: number) => ({ file: fileOf(genuine, { iat, exp: iat + 366 * 24 * HOUR }) })
  const limits = { fileSeconds: 24 * HOUR }
  assert.equal(await programOf(given(now() - 23 * HOUR), limits).check(), 'offline full valid')
  assert.equal(await programOf(given(now() - 25 * HOUR), limits).check(), 'offline none file-expired')
  assert.equal(await programOf(given(now() - 29 * 24 * HOUR)).check(), 'offline full valid', '30 days by default')
  assert.equal(await programOf(given(now() - 31 * 24 * HOUR)).check(), 'offline none file-expired')
})

test('a clock that was wrong and is corrected does no harm once there is a connection', async () => {
  const ahead = { file: fileOf(genuine), lastSeen: Date.now() + 365 * 24 * HOUR * 1000 }
  const { check } = programOf(ahead)
  answers = {}
  assert.equal(await check(), 'offline none clock-set-back')
  answers = online(fileOf(genuine))
  assert.equal(await check(), 'online full valid')
  answers = {}
  assert.equal(await check(), 'offline full valid')
  // A clock that is slow: the service issues its file an hour later.
  answers = online(fileOf(genuine, { iat: now() + HOUR, exp: now() + 2 * HOUR }))
  assert.equal(await check(), 'online full valid')
})

// Red when: check() keeps the file after a refusal, or takes an error of something else for one of the service.
test('a license that ends between validation and file takes the file away; an error of a proxy does not', async () => {
  const { check, client, disk } = programOf({ file: fileOf(genuine) })
  for (const refusal of [
    { status: 403, body: { error: 'Blocked' } },
    { status: 407, body: [] },
  ]) {
    answers = { ...online(''), files: refusal, heartbeat: refusal }
    assert.equal(await check(), 'offline full valid')
    assert.equal(await client.beat(), false)
  }
  answers = {
    ...online(''),
    files: { status: 403, body: { code: 'license-not-usable', license_status: 'revoked', detail: '-' } },
  }
  await assert.rejects(client.check(), { code: 'revoked' })
  assert.deepEqual(disk.state, {})
})

test('a program shows the devices of its license, and deactivates another one without losing its own file', async () => {
  const { client, disk } = programOf({ file: 'kept' })
  const devices = [{ fingerprint: 'two', name: 'Old laptop', last_seen_at: '2026-01-01T00:00:00Z' }]
  answers = { 'activations?limit=100': { body: { items: devices } }, deactivate: { status: 204, body: '' } }
  assert.deepEqual(await client.devices(), devices)
  await client.deactivateOther('two')
  assert.deepEqual(
    requests.slice(-2).map(({ body }) => body),
    [{ key: 'the-key' }, { key: 'the-key', fingerprint: 'two' }],
  )
  assert.deepEqual(disk.state, { file: 'kept' })
  await client.deactivate()
  assert.deepEqual([requests.at(-1)?.body, disk.state], [{ key: 'the-key', fingerprint: 'one' }, {}])
})

// Red when: the client keeps its file when the license has ended.
test('a refusal takes the file away, and says why', async () => {
  const state = () => ({ file: fileOf(genuine), lastSeen: Date.now() })
  const { check, client, disk } = programOf(state())
  answers = { validate: { body: { access: 'none', code: 'revoked' } } }
  assert.equal(await check(), 'online none revoked')
  assert.deepEqual(disk.state, {})
  disk.state = state()
  answers = {
    heartbeat: { status: 403, body: { code: 'license-not-usable', license_status: 'suspended', detail: '-' } },
  }
  await assert.rejects(client.beat(), { code: 'suspended' })
  assert.deepEqual(disk.state, {})
  disk.state = state()
  answers = { heartbeat: { status: 429, body: {} } }
  assert.equal(await client.beat(), false, 'too many requests are no refusal of the license')
  assert.ok('file' in disk.state)
})
