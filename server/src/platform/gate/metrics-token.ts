import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether the Authorization header has the token (METRICS_TOKEN). */
export function hasToken(authorization: string | undefined, token: string | undefined): boolean {
  const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1]
  // Digests have one length, so the comparison takes the same time for every token.
  return token !== undefined && given !== undefined && timingSafeEqual(digest(given), digest(token))
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
