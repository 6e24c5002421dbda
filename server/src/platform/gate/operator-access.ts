import type { FastifyRequest } from 'fastify'
import { get, tables } from '../database/statement.ts'
import { hasToken } from './metrics-token.ts'
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
