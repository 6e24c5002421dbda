// Writes docs/license-client/vectors.json: license files with the verdict that every implementation must reach. It is run
// by hand when the format changes (`node server/tools/generate-license-vectors.ts`), because encryption is random. The
// keys are examples: they are derived from their names.
import { createHash, createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { encryptFile, signFile } from '../src/product/license-files/sealing.ts'

/** A private key whose 32 bytes are the SHA-256 of its name. */
function exampleKey(name: string, curve: 'Ed25519' | 'X25519'): KeyObject {
  const prefix = curve === 'Ed25519' ? '302e020100300506032b657004220420' : '302e020100300506032b656e04220420'
  const seed = createHash('sha256').update(name).digest()
  return createPrivateKey({ key: Buffer.concat([Buffer.from(prefix, 'hex'), seed]), format: 'der', type: 'pkcs8' })
}

const publicOf = (key: KeyObject) => createPublicKey(key).export({ format: 'jwk' })

const signing = ['example-1', 'example-2', 'example-3'].map(id => ({ id, privateKey: exampleKey(id, 'Ed25519') }))
const [current, retired, stranger] = signing as [(typeof signing)[0], (typeof signing)[0], (typeof signing)[0]]
const device = exampleKey('example device', 'X25519')
const otherDevice = exampleKey('another device', 'X25519')

const DAY = 86_400
/** 2026-12-01T00:00:00Z */
const issued = 1_796_083_200
const claims = {
  iss: 'https://licenses.example.com',
  jti: '0193802a-7c00-7000-8000-000000000001',
  sub: '0193802a-7c00-7000-8000-000000000002',
  organization_id: '0193802a-7c00-7000-8000-000000000003',
  activation_id: '0193802a-7c00-7000-8000-000000000004',
  fingerprint: '4f1c9d02',
  plan: 'pro',
  product: 'editor',
  max_version: '2',
  entitlements: ['export', 'offline'],
  iat: issued,
  exp: issued + 30 * DAY,
  license_expires_at: null,
  on_expiry: 'restrict',
} as const

const file = signFile(claims, current)
const ending = (on_expiry: string) => signFile({ ...claims, on_expiry, license_expires_at: issued + 7 * DAY }, current)
const encrypted = encryptFile(file, publicOf(device).x as string)

const encode = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A file that the service would not sign: with other members in its header, or with anything as its claims. */
function signAnything(content: object, header: object, { id, privateKey }: (typeof signing)[0] = current): string {
  const signed = `${encode({ alg: 'EdDSA', typ: 'license+jwt', kid: id, ...header })}.${encode(content)}`
  return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`
}
const { exp: _end, ...endless } = claims

/** An algorithm with a shared secret, for which a verifier that trusts the header would take its public key. */
function signWithPublicKey(): string {
  const signed = `${encode({ alg: 'HS256', typ: 'license+jwt', kid: current.id })}.${encode(claims)}`
  const secret = Buffer.from(publicOf(current.privateKey).x as string, 'base64url')
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

/** The text with one character replaced by another of the alphabet. */
const change = (text: string, index: number): string =>
  `${text.slice(0, index)}${text[index] === 'A' ? 'B' : 'A'}${text.slice(index + 1)}`

interface Vector {
  name: string
  file: string
  code: string
  access?: string
  /** Seconds after the file was issued. */
  after?: number
  fingerprint?: string
  /** What the program is, and its version. */
  product?: string
  version?: string
  /** Seconds after the file was issued: the time of the last verification. */
  last_seen_after?: number
}

const vectors: Vector[] = [
  { name: 'a file in its first hour', file, code: 'valid', access: 'full' },
  { name: 'line ends around the file', file: `\n${file}\r\n`, code: 'valid', access: 'full' },
  { name: 'the last second of the file', file, after: 30 * DAY - 1, code: 'valid', access: 'full' },
  { name: 'the end of the file', file, after: 30 * DAY, code: 'file-expired' },
  { name: 'a retired key that is still trusted', file: signFile(claims, retired), code: 'valid', access: 'full' },
  { name: 'a key that is not trusted', file: signFile(claims, stranger), code: 'unknown-key' },
  {
    name: 'a stranger who uses the id of a trusted key',
    file: signFile(claims, { ...stranger, id: current.id }),
    code: 'signature-invalid',
  },
  { name: 'a changed byte in the claims', file: change(file, file.indexOf('.') + 20), code: 'signature-invalid' },
  { name: 'a changed byte in the signature', file: change(file, file.lastIndexOf('.') + 5), code: 'signature-invalid' },
  {
    name: 'a last character with other unused bits',
    file: `${file.slice(0, -1)}${String.fromCharCode(file.charCodeAt(file.length - 1) + 1)}`,
    code: 'malformed',
  },
  {
    name: 'another algorithm',
    file: file.replace(
      /^[^.]+/,
      Buffer.from('{"alg":"none","typ":"license+jwt","kid":"example-1"}').toString('base64url'),
    ),
    code: 'malformed',
  },
  {
    name: 'an access token of the service',
    file: file.replace(/^[^.]+/, Buffer.from('{"alg":"EdDSA","typ":"at+jwt","kid":"example-1"}').toString('base64url')),
    code: 'malformed',
  },
  { name: 'no signature', file: file.slice(0, file.lastIndexOf('.')), code: 'malformed' },
  { name: 'an empty text', file: '', code: 'malformed' },
  {
    name: 'another service',
    file: signFile({ ...claims, iss: 'https://other.example.com' }, current),
    code: 'issuer-mismatch',
  },
  { name: 'another device', file, fingerprint: '00000000', code: 'fingerprint-mismatch' },
  {
    name: 'the product of the license, in a version that it covers',
    file,
    product: 'editor',
    version: '2.9.1',
    code: 'valid',
    access: 'full',
  },
  { name: 'another product', file, product: 'viewer', code: 'product-mismatch' },
  { name: 'a version that the license does not cover', file, version: '3.0', code: 'version-mismatch' },
  {
    name: 'a license for any product in any version',
    file: signFile({ ...claims, product: null, max_version: null }, current),
    product: 'viewer',
    version: '3.0',
    code: 'valid',
    access: 'full',
  },
  { name: 'a clock that is four minutes slow', file, after: -240, code: 'valid', access: 'full' },
  { name: 'a clock that was set back by a year', file, after: -365 * DAY, code: 'clock-set-back' },
  {
    name: 'a clock that was set back since the last verification',
    file,
    after: DAY,
    last_seen_after: 2 * DAY,
    code: 'clock-set-back',
  },
  {
    name: 'an expired file, and a clock that was set back after it was noticed',
    file,
    after: DAY,
    last_seen_after: 31 * DAY,
    code: 'clock-set-back',
  },
  { name: 'a license that ends before its file', file: ending('restrict'), after: 8 * DAY, code: 'license-expired' },
  {
    name: 'a license that becomes read-only at its end',
    file: ending('read-only'),
    after: 8 * DAY,
    code: 'valid',
    access: 'read-only',
  },
  {
    name: 'a license that stays usable after its end',
    file: ending('keep'),
    after: 8 * DAY,
    code: 'valid',
    access: 'full',
  },
  { name: 'a file that is encrypted to this device', file: encrypted, code: 'valid', access: 'full' },
  {
    name: 'a file that is encrypted to another device',
    file: encryptFile(file, publicOf(otherDevice).x as string),
    code: 'not-decryptable',
  },
  {
    name: 'a changed byte in an encrypted file',
    file: change(encrypted, encrypted.lastIndexOf('.') - 5),
    code: 'not-decryptable',
  },
  {
    name: 'a changed byte in the header of an encrypted file',
    file: encrypted.replace(/^[^.]+/, header =>
      Buffer.from(Buffer.from(header, 'base64url').toString().replace('license+jwt', 'license+jws')).toString(
        'base64url',
      ),
    ),
    code: 'not-decryptable',
  },
  {
    name: 'an encrypted file without a tag',
    file: encrypted.slice(0, encrypted.lastIndexOf('.') + 1),
    code: 'malformed',
  },
  { name: 'the public key as the secret of another algorithm', file: signWithPublicKey(), code: 'malformed' },
  {
    name: 'a stranger who sends a key along',
    file: signAnything(claims, { jwk: publicOf(stranger.privateKey) }, { ...stranger, id: current.id }),
    code: 'signature-invalid',
  },
  {
    name: 'a second end among the claims',
    file: file.replace(/\.[^.]+/, `.${encode(`${JSON.stringify(claims).slice(0, -1)},"exp":${issued + 365 * DAY}}`)}`),
    code: 'signature-invalid',
  },
  {
    name: 'a header that a verifier must understand',
    file: signAnything(claims, { crit: ['b64'], b64: true }),
    code: 'malformed',
  },
  { name: 'claims without an end', file: signAnything(endless, {}), code: 'malformed' },
  { name: 'an end that is a text', file: signAnything({ ...claims, exp: String(claims.exp) }, {}), code: 'malformed' },
  {
    name: 'entitlements that are no list',
    file: signAnything({ ...claims, entitlements: 'export' }, {}),
    code: 'malformed',
  },
  { name: 'claims that are a list', file: signAnything([claims], {}), code: 'malformed' },
  {
    name: 'an unknown rule for the end of the license',
    file: ending('forever'),
    after: 8 * DAY,
    code: 'license-expired',
  },
]

const text = {
  description: 'License files and the verdicts on them; see docs/reference/license-file.md. Times are Unix seconds.',
  issuer: claims.iss,
  keys: [current, retired].map(({ id, privateKey }) => ({ kid: id, ...publicOf(privateKey) })),
  device_key: device.export({ format: 'jwk' }),
  claims,
  vectors: vectors.map(({ after = 60, fingerprint = claims.fingerprint, last_seen_after, ...vector }) => ({
    ...vector,
    fingerprint,
    now: issued + after,
    ...(last_seen_after !== undefined && { last_seen: issued + last_seen_after }),
  })),
}
writeFileSync(new URL('../../docs/license-client/vectors.json', import.meta.url), `${JSON.stringify(text, null, 2)}\n`)
