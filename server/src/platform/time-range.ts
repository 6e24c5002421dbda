import { Type } from 'typebox'
import { firstIdAt } from './database/ids.ts'
import { invalidField } from './problems.ts'
import { Time } from './schemas.ts'

/** The filters of a list by time: the first moment is included, the last one excluded. */
export const timeRange = { from: Type.Optional(Time), to: Type.Optional(Time) }

interface Range {
  from?: string | undefined
  to?: string | undefined
}

const readTime = (filter: keyof Range, time: string | undefined): number | undefined => {
  if (time === undefined) return undefined
  const milliseconds = Date.parse(time)
  // RFC 3339 has leap seconds, JavaScript has none.
  if (Number.isNaN(milliseconds)) throw invalidField(`?${filter}`, 'must be a time such as 2026-11-21T09:30:00Z')
  return milliseconds
}

/** The moments of a range. @throws Problem invalid-fields if one of them is no time, or they are in the wrong order */
export function readRange(range: Range): { from: number | undefined; to: number | undefined } {
  const [from, to] = [readTime('from', range.from), readTime('to', range.to)]
  if (from !== undefined && to !== undefined && to < from) throw invalidField('?to', 'must not be earlier than `from`')
  return { from, to }
}

/** PostgreSQL and RFC 3339 do not write the same years: nothing is older than 1970, or younger than this. */
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

const textOf = (moment: number | undefined) =>
  moment === undefined ? undefined : new Date(Math.min(Math.max(0, moment), LATEST)).toISOString()

/** A range as texts that PostgreSQL reads. @throws Problem invalid-fields */
export function readTextRange(range: Range): { from: string | undefined; to: string | undefined } {
  const { from, to } = readRange(range)
  return { from: textOf(from), to: textOf(to) }
}

/** A range as the UUIDv7s of its moments: the first is included, the last excluded. @throws Problem invalid-fields */
export function readIdRange(range: Range): { first_id: string | undefined; end_id: string | undefined } {
  const { from, to } = readRange(range)
  return {
    first_id: from === undefined ? undefined : firstIdAt(from),
    end_id: to === undefined ? undefined : firstIdAt(to),
  }
}
