import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { bytesOfId, idOf } from '../database/ids.ts'

/** A 32-byte key for one purpose, derived from SECRET_KEY: a leaked key does not reveal the others (HKDF, RFC 5869). */
export const deriveKey = (secretKey: string, use: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secretKey, '', `freehold ${use}`, 32))

/** AES-256-GCM: nonce, tag, ciphertext. `bound` names its row, so that it cannot be moved to another. */
export function encrypt(key: Buffer, text: string, bound: string): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(bound))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

/** @throws Error if the key or `bound` is not the same, or a bit has changed */
export function decrypt(key: Buffer, sealed: Buffer, bound: string): string {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(Buffer.from(bound)).setAuthTag(sealed.subarray(12, 28))
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString('utf8')
}

const macOf = (key: Buffer, use: string, id: Buffer): Buffer =>
  createHmac('sha256', key).update(`${use}\0`).update(id).digest()

/** An id as a secret that only we can make: the id and an HMAC-SHA-256 of use and id, in base64url, 64 characters. */
export function signId(key: Buffer, use: string, id: string): string {
  const bytes = bytesOfId(id)
  return Buffer.concat([bytes, macOf(key, use, bytes)]).toString('base64url')
}

/** The id in the token, or undefined if we did not make it for this use. */
export function openId(key: Buffer, use: string, token: string): string | undefined {
  const bytes = Buffer.from(token, 'base64url')
  const id = bytes.subarray(0, 16)
  // Encoded again it must be the same, because base64url can encode the same bytes in several ways.
  if (bytes.length !== 48 || token.length !== 64 || !timingSafeEqual(bytes.subarray(16), macOf(key, use, id)))
    return undefined
  return idOf(id)
}
