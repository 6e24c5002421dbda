import { isDatabaseError } from '../connections/error-codes.ts'
import { Problem } from '../problems.ts'
import { refusalOf } from './statement.ts'
import type { Refusals } from './statement.ts'

/** What the errors of PostgreSQL mean to a request. */

/** The gate returned no row: the transaction ends, and the reason is read. */
export class ClosedGate extends Error {}

export const unavailable = (cause: unknown): Problem => new Problem('database-unavailable', { retryAfter: 1, cause })

/** The problem that a database error means to the caller; our own faults are returned unchanged and become a 500. */
export function meaningOf(error: unknown, statement?: { refusals: Refusals }): unknown {
  if (!isDatabaseError(error)) return error
  if (['40001', '40P01', '55P03', '57014'].includes(error.code ?? ''))
    return new Problem('busy', { retryAfter: 1, cause: error })
  return (error.code?.startsWith('23') && statement && refusalOf(statement.refusals, error)) || error
}
