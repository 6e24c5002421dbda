import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { compactDecrypt, importJWK, jwtVerify } from 'jose'
import { makeDeviceKey, verifyLicenseFile } from '../../../../docs/license-client/license-file.ts'
import type { DeviceKey, PublicKey, Verdict } from '../../../../docs/license-client/license-file.ts'
import { Problem } from '../../platform/problems.ts'
import { encryptFile, signFile } from './sealing.ts'

interface Vectors {
  issuer: string
  keys: PublicKey[]
  device_key: DeviceKey
  claims: Parameters<typeof signFile>[0]
  vectors: {
    name: string
    file: string
    code: Verdict['code']
    access?: string
    fingerprint: string
    now: number
    product?: string
    version?: string
    last_seen?: number
  }[]
}

const { issuer, keys, device_key, claims, vectors } = JSON.parse(
  readFileSync(new URL('../../../../docs/license-client/vectors.json', import.meta.url), 'utf8'),
) as Vectors

/** Now, in terms of the examples. */
const at = { keys, issuer, fingerprint: claims.fingerprint, now: (claims.iat + 60) * 1000 }

// Red when: a check of the verifier is left out, or two of them change places.
for (const { name, file, code, access, fingerprint, product, version, now, last_seen } of vectors)
  test(`${name}: ${code}`, async () => {
    const lastSeen = last_seen === undefined ? undefined : last_seen * 1000
    const verdict = await verifyLicenseFile(file, {
      keys,
      issuer,
      fingerprint,
      product,
      version,
      now: now * 1000,
      lastSeen,
      deviceKey: device_key,
    })
    assert.equal(verdict.code, code)
    if (verdict.code !== 'valid') return
    assert.equal(verdict.access, access)
    assert.equal(verdict.license.sub, claims.sub)
    assert.ok(verdict.lastSeen >= now * 1000)
  })

test('the examples show every code', () => {
  const codes = new Set(vectors.map(({ code }) => code))
  assert.equal(codes.size, 12, [...codes].join())
})

// Red when: `bytesOf` accepts unused bits, or the header is not part of what is signed.
test('a file with any changed character is refused', async () => {
  const [{ file }] = vectors as [Vectors['vectors'][0]]
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'
  await fc.assert(
    fc.asyncProperty(fc.nat(file.length - 1), fc.constantFrom(...alphabet.split('')), async (index, letter) => {
      fc.pre(file[index] !== letter)
      const { code } = await verifyLicenseFile(`${file.slice(0, index)}${letter}${file.slice(index + 1)}`, at)
      assert.ok(['malformed', 'unknown-key', 'signature-invalid'].includes(code), `${code} at ${index}`)
    }),
    { numRuns: 400 },
  )
})

test('no text makes the verifier throw', async () => {
  const part = fc.oneof(
    fc.string(),
    fc.json().map(text => Buffer.from(text).toString('base64url')),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 6 }), async parts => {
      assert.equal((await verifyLicenseFile(parts.join('.'), { ...at, deviceKey: device_key })).code, 'malformed')
    }),
    { numRuns: 300 },
  )
})

// Red when: isLicense() leaves out a claim that decides.
test('not even the service can sign claims that mean nothing and are valid', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const known = { kid: 'own', kty: 'OKP', crv: 'Ed25519', x: publicKey.export({ format: 'jwk' }).x as string } as const
  const verdictOf = (signed: unknown) =>
    verifyLicenseFile(signFile(signed as typeof claims, { id: 'own', privateKey }), { ...at, keys: [known] })
  assert.equal((await verdictOf(claims)).code, 'valid')
  const name = fc.constantFrom('iss', 'fingerprint', 'iat', 'exp', 'license_expires_at', 'entitlements', 'product')
  const fraction = fc.double({ noInteger: true, noNaN: true, noDefaultInfinity: true })
  const wrong = fc.oneof(fc.constantFrom(undefined, true, [1], {}), fc.string(), fraction)
  await fc.assert(
    fc.asyncProperty(name, wrong, async (claim, value) => {
      fc.pre(claim !== 'product' || typeof (value ?? '') !== 'string') // a text, or no product
      const { code } = await verdictOf({ ...claims, [claim]: value })
      assert.notEqual(code, 'valid', `${claim}: ${JSON.stringify(value)}`)
    }),
    { numRuns: 300 },
  )
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async value => {
      assert.equal((await verdictOf(value)).code, 'malformed')
    }),
    { numRuns: 100 },
  )
})

// Red when: the key is imported outside `importKey`, or a value of the state is used as it is.
test('hostile values from elsewhere get a verdict, too', async () => {
  const [{ file }] = vectors as [Vectors['vectors'][0]]
  const [known] = keys as [PublicKey]
  for (const x of ['', 'AAAA', '!', 1, null, undefined])
    assert.equal((await verifyLicenseFile(file, { ...at, keys: [{ ...known, x } as PublicKey] })).code, 'unknown-key')
  for (const wrong of [{ kty: 'EC' }, { crv: 'P-256' }, { crv: 'X25519' }])
    assert.equal(
      (await verifyLicenseFile(file, { ...at, keys: [{ ...known, ...wrong } as PublicKey] })).code,
      'unknown-key',
    )
  for (const other of [undefined, null, 1, {}, [file], 'a'.repeat(200_001), '.'.repeat(100_000), `${file}.${file}`])
    assert.equal((await verifyLicenseFile(other as string, at)).code, 'malformed')
  for (const lastSeen of [NaN, 'later', null, {}, -Infinity] as number[]) {
    const verdict = await verifyLicenseFile(file, { ...at, lastSeen, now: at.now - 86_400_000 })
    assert.deepEqual(verdict, { code: 'clock-set-back', lastSeen: claims.iat * 1000 })
  }
  for (const deviceKey of [{}, { kty: 'OKP', crv: 'X25519', x: '', d: '' }] as DeviceKey[])
    assert.equal(
      (await verifyLicenseFile(encryptFile(file, device_key.x), { ...at, deviceKey })).code,
      'not-decryptable',
    )
})

test('a device that has generated its key opens what is encrypted to it, and no other does', async () => {
  const [{ file }] = vectors as [Vectors['vectors'][0]]
  const [own, other] = [await makeDeviceKey(), await makeDeviceKey()]
  const encrypted = encryptFile(file, own.x)
  assert.equal((await verifyLicenseFile(encrypted, { ...at, deviceKey: own })).code, 'valid')
  assert.equal((await verifyLicenseFile(encrypted, { ...at, deviceKey: other })).code, 'not-decryptable')
  assert.equal((await verifyLicenseFile(encrypted, at)).code, 'not-decryptable')
  assert.ok(!encrypted.includes(file.split('.')[1] as string))
})

// Red when: a key of small order is accepted: everyone could decrypt the file.
test('no file is encrypted to a key that is none', () => {
  const [{ file }] = vectors as [Vectors['vectors'][0]]
  const low = Buffer.alloc(32).toString('base64url')
  for (const x of [low, Buffer.from([1, ...Buffer.alloc(31)]).toString('base64url'), 'short'])
    assert.throws(
      () => encryptFile(file, x),
      (error: unknown) => error instanceof Problem && error.errors?.[0]?.pointer === '/device_public_key',
    )
})

// Other implementations of the same standards: the format is what docs/reference/license-file.md says.
test('jose verifies and decrypts the examples', async () => {
  const key = await importJWK(keys[0] as PublicKey, 'EdDSA')
  const options = { issuer, typ: 'license+jwt', algorithms: ['EdDSA'], currentDate: new Date(at.now) }
  const named = (name: string) => vectors.find(vector => vector.name === name)?.file as string
  const { payload } = await jwtVerify(named('a file in its first hour'), key, options)
  assert.deepEqual(payload, claims)
  const device = await importJWK(device_key, 'ECDH-ES')
  const opened = await compactDecrypt(named('a file that is encrypted to this device'), device)
  assert.equal(Buffer.from(opened.plaintext).toString(), named('a file in its first hour'))
})

test('openssl verifies a file', t => {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-license-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const file = signFile(claims, { id: 'key', privateKey })
  const [header, payload, signature = ''] = file.split('.')
  writeFileSync(join(folder, 'content'), `${header}.${payload}`)
  writeFileSync(join(folder, 'signature'), Buffer.from(signature, 'base64url'))
  writeFileSync(
    join(folder, 'key.pem'),
    createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })).export({ type: 'spki', format: 'pem' }),
  )
  const { error, status, stdout, stderr } = spawnSync(
    'openssl',
    ['pkeyutl', '-verify', '-rawin', '-pubin', '-inkey', 'key.pem', '-in', 'content', '-sigfile', 'signature'],
    { cwd: folder, encoding: 'utf8' },
  )
  if (error !== undefined) return t.skip('openssl is not installed')
  assert.equal(status, 0, stdout + stderr)
})
