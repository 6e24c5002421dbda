import pg from 'pg'

/** What the errors of PostgreSQL and its driver say about the connection and the server. */

export const isDatabaseError = (error: unknown): error is pg.DatabaseError => error instanceof pg.DatabaseError

/**
 * Whether the connection cannot be used any more: the server closed it (classes 57P and 08, 25P03 and 25P04) or takes no
 * changes any more, so that another connection may lead to its successor (25006), the socket failed, or a migration
 * changed what its prepared statements return (0A000), or it has other prepared statements than the driver believes, after a
 * failure before one was prepared (26000, 42P05).
 */
export function isBroken(error: unknown): error is Error {
  if (isDatabaseError(error)) return /^(57P|08|53300|25006|25P03|25P04|0A000|26000|42P05)/.test(error.code ?? '')
  return (
    error instanceof Error &&
    (/Connection terminated|Client has encountered a connection error|not queryable/.test(error.message) ||
      'syscall' in error)
  )
}

/** Whether a migration changed what the connection's prepared statement returns, so that the statement has not run. */
export const isOutdated = (error: unknown): boolean => isDatabaseError(error) && /^(0A000|26000)/.test(error.code ?? '')

/**
 * Whether something else came in between and rolled back the statement, which succeeds when it runs again: a deadlock, or a
 * migration that replaced a function after the statement had begun to call it.
 */
export const isOvertaken = (error: unknown): boolean =>
  isDatabaseError(error) &&
  (/^(40P01|42883)/.test(error.code ?? '') ||
    (error.code === 'XX000' && error.message.startsWith('cache lookup failed')))

/** Whether the statement has waited for a lock as long as it may. */
export const isLockTimeout = (error: unknown): boolean => isDatabaseError(error) && error.code === '55P03'

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
