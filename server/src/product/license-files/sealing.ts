import {
  createCipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
  sign,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { invalidField } from '../../platform/problems.ts'

/** What a license file says; docs/reference/license-file.md describes the format. Times are Unix seconds. */
export interface LicenseClaims {
  iss: string
  jti: string
  sub: string
  organization_id: string
  activation_id: string
  fingerprint: string
  plan: string
  product: string | null
  max_version: string | null
  entitlements: readonly string[]
  iat: number
  exp: number
  license_expires_at: number | null
  on_expiry: string
}

/** A key that signs license files. */
export interface FileKey {
  id: string
  privateKey: KeyObject
}

/** Signs a license file: a JWT (RFC 7519) with Ed25519, whose type no other token of the service has. */
export function signFile(claims: LicenseClaims, { id, privateKey }: FileKey): string {
  const content = `${encode({ alg: 'EdDSA', typ: 'license+jwt', kid: id })}.${encode(claims)}`
  return `${content}.${sign(null, Buffer.from(content), privateKey).toString('base64url')}`
}

/**
 * Encrypts a signed file to a device: a JWE (RFC 7516) with ECDH-ES over X25519 (RFC 8037) and A256GCM. `x` is the
 * public key of the device, 32 bytes in base64url. @throws Problem invalid-fields if it is not a usable key
 */
export function encryptFile(signed: string, x: string): string {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  const epk = publicKey.export({ format: 'jwk' })
  const header = encode({ alg: 'ECDH-ES', enc: 'A256GCM', cty: 'license+jwt', epk })
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', agree(privateKey, x), nonce).setAAD(Buffer.from(header))
  const sealed = Buffer.concat([cipher.update(signed), cipher.final()])
  return `${header}..${[nonce, sealed, cipher.getAuthTag()].map(part => part.toString('base64url')).join('.')}`
}

/** @throws Problem invalid-fields if this is not a public key to which a file can be encrypted */
export const requireDeviceKey = (x: string): void => void agree(generateKeyPairSync('x25519').privateKey, x)

/** The key of one file (Concat KDF, RFC 7518, section 4.6.2). */
function agree(privateKey: KeyObject, x: string): Buffer {
  try {
    const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', x } })
    // It refuses a key of small order, with which everyone could decrypt the file (RFC 7748, section 6.1).
    const shared = diffieHellman({ privateKey, publicKey })
    return createHash('sha256').update(uint32(1)).update(shared).update(keyInfo).digest()
  } catch {
    throw invalidField('/device_public_key', 'is not a public key of X25519')
  }
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const keyInfo = Buffer.concat([uint32(7), Buffer.from('A256GCM'), uint32(0), uint32(0), uint32(256)])

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
