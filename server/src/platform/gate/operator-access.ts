import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { get, tables } from '../database/statement.ts'
import { Problem } from '../problems.ts'

/** What is for operators on routes that are public otherwise, or in some environments. */

/** Whether the request has METRICS_TOKEN, or a live session of a superuser. @throws Problem session-ended */
export async function isFromOperator(request: FastifyRequest, token: string | undefined): Promise<boolean> {
  if (hasToken(request.headers.authorization, token)) return true
  return request.actor !== undefined && (await request.actor.account.run(ownRank)).superuser
}

/** Refuses everyone else. @throws Problem not-signed-in, permission-missing, session-ended */
export async function requireOperator(request: FastifyRequest, token: string | undefined): Promise<void> {
  if (await isFromOperator(request, token)) return
  throw new Problem(request.actor === undefined ? 'not-signed-in' : 'permission-missing')
}

const ownRank = get(tables('tenant', 'self').selectFrom('self').select('superuser'))

/** Whether the Authorization header has the token (METRICS_TOKEN). */
export function hasToken(authorization: string | undefined, token: string | undefined): boolean {
  const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1]
  // Digests have one length, so the comparison takes the same time for every token.
  return token !== undefined && given !== undefined && timingSafeEqual(digest(given), digest(token))
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
