import pg from 'pg'
import { Problem } from '../problems.ts'
import { refusalOf } from './statement.ts'
import type { Refusals } from './statement.ts'

/** What the errors of PostgreSQL and its driver mean to a request. */

/** The gate returned no row: the transaction ends, and the reason is read. */
export class ClosedGate extends Error {}

export const isDatabaseError = (error: unknown): error is pg.DatabaseError => error instanceof pg.DatabaseError

/**
 * Whether the connection cannot be used any more: the server closed it (classes 57P and 08, 25P03 and 25P04) or takes no
 * changes any more, so that another connection may lead to its successor (25006), the socket failed, or a migration
 * changed what its prepared statements return (0A000), or it has other prepared statements than the driver believes, after a
 * failure before one was prepared (26000, 42P05).
 */
export function isBroken(error: unknown): error is Error {
  if (error instanceof Problem || error instanceof ClosedGate) return false
  if (isDatabaseError(error)) return /^(57P|08|53300|25006|25P03|25P04|0A000|26000|42P05)/.test(error.code ?? '')
  return (
    error instanceof Error &&
    (/Connection terminated|Client has encountered a connection error|not queryable/.test(error.message) ||
      'syscall' in error)
  )
}

/** Whether a migration changed what the connection's prepared statement returns, so that the statement has not run. */
export const isOutdated = (error: unknown): boolean => isDatabaseError(error) && /^(0A000|26000)/.test(error.code ?? '')

/** Whether the server lacks space, memory or another resource (class 53), or its disk fails (class 58). */
export const isShortage = (error: unknown): boolean =>
  isDatabaseError(error) && /^(53(?!300)|58)/.test(error.code ?? '')

/** How long a shortage counts: as long as load balancers need to notice it. Milliseconds. */
const SHORTAGE_MS = 10_000

export interface Shortages {
  note(error: unknown): void
  latest(): unknown
}

export function noteShortages(): Shortages {
  let last: { error: unknown; until: number } | undefined
  return {
    note: error => void (last = { error, until: Date.now() + SHORTAGE_MS }),
    latest: () => (last !== undefined && Date.now() < last.until ? last.error : undefined),
  }
}

export const unavailable = (cause: unknown): Problem => new Problem('database-unavailable', { retryAfter: 1, cause })

/** The problem that a database error means to the caller; our own faults are returned unchanged and become a 500. */
export function meaningOf(error: unknown, statement?: { refusals: Refusals }): unknown {
  if (!isDatabaseError(error)) return error
  if (['40001', '40P01', '55P03', '57014'].includes(error.code ?? ''))
    return new Problem('busy', { retryAfter: 1, cause: error })
  return (error.code?.startsWith('23') && statement && refusalOf(statement.refusals, error)) || error
}
