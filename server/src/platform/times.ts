import { invalidField } from './problems.ts'

const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

/**
 * The time in a filter, in milliseconds since 1970, where the service's oldest rows could be.
 * @throws Problem invalid-fields for a leap second: RFC 3339 has them, JavaScript has none
 */
export function readTime(filter: string, time: string): number {
  const milliseconds = Date.parse(time)
  if (Number.isNaN(milliseconds)) throw invalidField(`?${filter}`, 'must be a time such as 2026-11-21T09:30:00Z')
  return Math.min(Math.max(0, milliseconds), LATEST)
}

/** The same as text for the database, which does not know all years and offsets. @throws Problem invalid-fields */
export const normalizeTime = (filter: string, time: string | undefined): string | undefined =>
  time === undefined ? undefined : new Date(readTime(filter, time)).toISOString()
