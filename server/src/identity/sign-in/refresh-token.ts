import { createHmac, timingSafeEqual } from 'node:crypto'

/** The content of a refresh token. */
export interface RefreshToken {
  session_id: string
  generation: number
}

const HEAD_BYTES = 20

/**
 * A refresh token is derived, not stored: session id, generation and a MAC (HMAC-SHA-256) over both, base64url. A
 * reader of the database learns no token, and the same generation is the same token on every node.
 */
export function sealRefreshToken(key: Buffer, { session_id, generation }: RefreshToken): string {
  const head = Buffer.alloc(HEAD_BYTES)
  head.write(session_id.replaceAll('-', ''), 'hex')
  head.writeUInt32BE(generation, 16)
  return Buffer.concat([head, macOf(key, head)]).toString('base64url')
}

/** The content of the token; undefined if the token is not valid. */
export function openRefreshToken(key: Buffer, token: string): RefreshToken | undefined {
  const bytes = Buffer.from(token, 'base64url')
  const head = bytes.subarray(0, HEAD_BYTES)
  const mac = bytes.subarray(HEAD_BYTES)
  if (mac.length !== 32 || !timingSafeEqual(mac, macOf(key, head))) return undefined
  const hex = head.toString('hex', 0, 16)
  const session_id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { session_id, generation: head.readUInt32BE(16) }
}

const macOf = (key: Buffer, head: Buffer): Buffer => createHmac('sha256', key).update(head).digest()
