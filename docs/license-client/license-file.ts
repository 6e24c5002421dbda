/**
 * Verifies license files without a connection. It needs the public keys of the service and nothing else: no dependency,
 * only Web Crypto, which Node 20, Deno, Bun and current browsers have. The format is written down in
 * docs/reference/license-file.md.
 */

/** A public key from `/.well-known/license-jwks.json`. */
export interface PublicKey {
  kid: string
  kty: 'OKP'
  crv: 'Ed25519'
  x: string
}

/** The key pair of a device, to which files can be encrypted; `makeDeviceKey` generates one. */
export interface DeviceKey {
  kty: 'OKP'
  crv: 'X25519'
  x: string
  d: string
}

/** What a license file says. Times are Unix seconds. */
interface LicenseClaims {
  iss: string
  jti: string
  /** The id of the license. */
  sub: string
  organization_id: string
  activation_id: string
  fingerprint: string
  plan: string
  /** The product that the license is for, and the highest version that it covers; null or left out: any. */
  product?: string | null
  max_version?: string | null
  entitlements: string[]
  iat: number
  /** The end of the file; the license itself may last longer. */
  exp: number
  /** The end of the license; null if it has none. */
  license_expires_at: number | null
  /** What the program may do after the end of the license. */
  on_expiry: 'restrict' | 'read-only' | 'keep'
}

type Refusal =
  | 'malformed'
  | 'not-decryptable'
  | 'unknown-key'
  | 'signature-invalid'
  | 'issuer-mismatch'
  | 'fingerprint-mismatch'
  | 'product-mismatch'
  | 'version-mismatch'
  | 'clock-set-back'
  | 'file-expired'
  | 'license-expired'

export type Verdict =
  | { code: 'valid'; access: 'full' | 'read-only'; license: LicenseClaims; lastSeen: number }
  /** `lastSeen` is there if the file is authentic: store it, whatever the code is. */
  | { code: Refusal; lastSeen?: number }

export interface Expected {
  /** The public keys that the program trusts. */
  keys: readonly PublicKey[]
  /** The URL of the service, as in `iss`; several while it changes. */
  issuer: string | readonly string[]
  /** The fingerprint of this device. */
  fingerprint: string
  /** What the program is, and its version, such as 2.4.1. */
  product?: string | undefined
  version?: string | undefined
  /** `lastSeen` of the previous verdict; the program stores it, so that a clock that was set back is noticed. */
  lastSeen?: number | undefined
  /**
   * The longest life of a file that the program accepts, in seconds. The holder of the key can ask the service for a longer
   * file; such a file ends after this time. No limit by default.
   */
  maxSeconds?: number | undefined
  /** Needed for an encrypted file. */
  deviceKey?: DeviceKey | undefined
  /** Milliseconds since 1970; the clock of the device by default. */
  now?: number
}

/** By how much a clock may be corrected backwards between two verifications. Milliseconds. */
const CLOCK_TOLERANCE = 5 * 60_000

/** No file is longer. Characters. */
const MAX_LENGTH = 200_000

/**
 * Verifies one file: first that it is authentic, then that it is for this device, then the time. Never throws, whatever
 * the file is: it may come from a disk that others write.
 */
export async function verifyLicenseFile(file: string, expected: Expected): Promise<Verdict> {
  if (typeof file !== 'string' || file.length > MAX_LENGTH) return { code: 'malformed' }
  const parts = file.trim().split('.')
  if (parts.length !== 5) return verifySigned(parts, expected)
  const opened = await decrypt(parts, expected.deviceKey)
  return 'code' in opened ? opened : verifySigned(opened.text.split('.'), expected)
}

async function verifySigned(parts: readonly string[], expected: Expected): Promise<Verdict> {
  const [header = '', payload = '', signature = ''] = parts
  const { alg, typ, kid, crit } = readJson(header) ?? {}
  const signed = bytesOf(signature)
  // `crit` names what a verifier must understand (RFC 7515, section 4.1.11): there is nothing.
  if (parts.length !== 3 || alg !== 'EdDSA' || typ !== 'license+jwt' || crit !== undefined || signed === undefined)
    return { code: 'malformed' }
  const publicKey = await importKey(expected.keys.find(known => known.kid === kid))
  if (publicKey === undefined) return { code: 'unknown-key' }
  const isAuthentic = await crypto.subtle.verify('Ed25519', publicKey, signed, ascii(`${header}.${payload}`))
  if (!isAuthentic) return { code: 'signature-invalid' }
  const claims = readJson(payload)
  return claims !== undefined && isLicense(claims) ? judge(claims, expected) : { code: 'malformed' }
}

/** Undefined if it is no key of this algorithm. */
async function importKey(key: PublicKey | undefined): Promise<CryptoKey | undefined> {
  if (key === undefined) return undefined
  const { kty, crv, x } = key
  return crypto.subtle.importKey('jwk', { kty, crv, x }, 'Ed25519', false, ['verify']).catch(() => undefined)
}

/** Whether the claims that decide are there: without `exp`, for example, a file would never end. */
function isLicense(claims: object): claims is LicenseClaims {
  const { iat, exp, license_expires_at, entitlements, product, max_version } = claims as Partial<LicenseClaims>
  const times = license_expires_at === null ? [iat, exp] : [iat, exp, license_expires_at]
  return (
    times.every(Number.isSafeInteger) &&
    [product ?? '', max_version ?? ''].every(text => typeof text === 'string') &&
    Array.isArray(entitlements) &&
    entitlements.every(code => typeof code === 'string')
  )
}

function judge(license: LicenseClaims, expected: Expected): Verdict {
  const { issuer, fingerprint, product, version, lastSeen, maxSeconds = Infinity, now = Date.now() } = expected
  if (![issuer].flat().includes(license.iss)) return { code: 'issuer-mismatch' }
  if (license.fingerprint !== fingerprint) return { code: 'fingerprint-mismatch' }
  if (product !== undefined && (license.product ?? product) !== product) return { code: 'product-mismatch' }
  if (version !== undefined && !covers(license.max_version ?? version, version)) return { code: 'version-mismatch' }
  // A file was not used before it was issued, and time does not run backwards between two verifications.
  const latest = Math.max(Number.isFinite(lastSeen) ? Number(lastSeen) : 0, license.iat * 1000)
  const seen = { lastSeen: Math.max(latest, now) }
  if (now < latest - CLOCK_TOLERANCE) return { code: 'clock-set-back', ...seen }
  if (now >= Math.min(license.exp, license.iat + maxSeconds) * 1000) return { code: 'file-expired', ...seen }
  const isOver = license.license_expires_at !== null && now >= license.license_expires_at * 1000
  if (!isOver || license.on_expiry === 'keep') return { code: 'valid', access: 'full', license, ...seen }
  if (license.on_expiry === 'read-only') return { code: 'valid', access: 'read-only', license, ...seen }
  return { code: 'license-expired', ...seen }
}

/** Whether a version is at most the highest one: `2` covers 2.9.1, and `2.4` covers 2.4.7 but not 2.5. */
function covers(highest: string, version: string): boolean {
  const given = version.split('.').map(part => Number.parseInt(part, 10))
  for (const [index, most] of highest
    .split('.')
    .map(part => Number.parseInt(part, 10))
    .entries()) {
    const part = given[index] ?? 0
    if (part !== most) return part < most
  }
  return true
}

/** JWE (RFC 7516) with ECDH-ES over X25519 (RFC 8037) and A256GCM: the text inside, or why there is none. */
async function decrypt(
  [header = '', wrapped = '', nonce = '', sealed = '', tag = '']: readonly string[],
  deviceKey: DeviceKey | undefined,
): Promise<{ text: string } | { code: 'malformed' | 'not-decryptable' }> {
  const { alg, enc, epk } = (readJson(header) ?? {}) as { alg?: string; enc?: string; epk?: { x?: string } }
  const [ephemeral, iv, ciphertext, authentication] = [epk?.x, nonce, sealed, tag].map(part => bytesOf(part ?? ''))
  const isComplete = ephemeral?.length === 32 && iv?.length === 12 && authentication?.length === 16
  if (alg !== 'ECDH-ES' || enc !== 'A256GCM' || wrapped !== '' || !isComplete || ciphertext === undefined)
    return { code: 'malformed' }
  if (deviceKey === undefined) return { code: 'not-decryptable' }
  const { kty, crv, x, d } = deviceKey
  try {
    const own = await crypto.subtle.importKey('jwk', { kty, crv, x, d }, 'X25519', false, ['deriveBits'])
    const theirs = await crypto.subtle.importKey('raw', ephemeral, 'X25519', false, [])
    const shared = await crypto.subtle.deriveBits({ name: 'X25519', public: theirs }, own, 256)
    const derived = await crypto.subtle.digest('SHA-256', joinBytes(uint32(1), new Uint8Array(shared), KEY_INFO))
    const key = await crypto.subtle.importKey('raw', derived, 'AES-GCM', false, ['decrypt'])
    const parameters = { name: 'AES-GCM', iv, additionalData: ascii(header) }
    const text = await crypto.subtle.decrypt(parameters, key, joinBytes(ciphertext, authentication))
    return { text: new TextDecoder().decode(text) }
  } catch {
    return { code: 'not-decryptable' }
  }
}

/** Generates the key pair of a device. The private half stays on it; `x` is sent as `device_public_key`. */
export async function makeDeviceKey(): Promise<DeviceKey> {
  const made = await crypto.subtle.generateKey('X25519', true, ['deriveBits'])
  const { privateKey } = made as { privateKey: CryptoKey }
  const { x, d } = (await crypto.subtle.exportKey('jwk', privateKey)) as { x: string; d: string }
  return { kty: 'OKP', crv: 'X25519', x, d }
}

/** The bytes of base64url without padding; undefined if another text would have the same bytes. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[\w-]*$/.test(text)) return undefined
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    const same = btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '') === text
    return same ? Uint8Array.from(binary, letter => letter.charCodeAt(0)) : undefined
  } catch {
    return undefined
  }
}

function readJson(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(part)))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

const ascii = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

const uint32 = (value: number): Uint8Array<ArrayBuffer> => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)

function joinBytes(...parts: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** The names that the key is derived for (Concat KDF, RFC 7518, section 4.6.2): A256GCM, no parties, 256 bits. */
const KEY_INFO = joinBytes(uint32(7), ascii('A256GCM'), uint32(0), uint32(0), uint32(256))
