import { createHmac, timingSafeEqual } from 'node:crypto'
import { bytesOfId, idOf } from '../../platform/database/ids.ts'

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
  bytesOfId(session_id).copy(head)
  head.writeUInt32BE(generation, 16)
  return Buffer.concat([head, macOf(key, head)]).toString('base64url')
}

/** The content of the token; undefined if the token is not valid. */
export function openRefreshToken(key: Buffer, token: string): RefreshToken | undefined {
  const bytes = Buffer.from(token, 'base64url')
  const head = bytes.subarray(0, HEAD_BYTES)
  const mac = bytes.subarray(HEAD_BYTES)
  if (mac.length !== 32 || !timingSafeEqual(mac, macOf(key, head))) return undefined
  return { session_id: idOf(head), generation: head.readUInt32BE(16) }
}

const macOf = (key: Buffer, head: Buffer): Buffer => createHmac('sha256', key).update(head).digest()
