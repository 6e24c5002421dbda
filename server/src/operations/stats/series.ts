import { Type } from 'typebox'
import type { Static } from 'typebox'
import { invalidField } from '../../platform/problems.ts'
import { OneOf, Strict } from '../../platform/schemas.ts'

// The form of statistics in requests and responses: some metrics of each day of a range.

const Day = Type.String({
  format: 'date',
  maxLength: 10,
  description: 'A day in UTC.',
  examples: ['2026-11-21'],
})

/** The longest range of one request, in days. */
const MAX_DAYS = 366
const DAY_MS = 86_400_000

export const SeriesQuery = Strict({
  from: Type.Optional(
    Type.String({ ...Day, description: `The first day; by default 30 days up to \`to\`, and at most ${MAX_DAYS}.` }),
  ),
  to: Type.Optional(Type.String({ ...Day, description: 'The last day, by default today (in UTC).' })),
  metrics: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: '^[a-z_]+(,[a-z_]+)*$',
      description: 'Names of metrics, separated by commas; by default all.',
      examples: ['sign_ins'],
    }),
  ),
})
type SeriesQuery = Static<typeof SeriesQuery>

/** The response: the days in order, and for each metric one value for each day. */
export const seriesOf = <const Metrics extends readonly string[]>(
  metrics: Metrics,
  title: string,
  description: string,
) =>
  Type.Object(
    {
      days: Type.Array(Day, { maxItems: MAX_DAYS }),
      series: Type.Array(
        Type.Object({
          metric: OneOf(metrics, { description }),
          values: Type.Array(Type.Integer({ minimum: 0, maximum: 2147483647 }), {
            maxItems: MAX_DAYS,
            description: 'In the order of `days`; 0 for a day without anything.',
          }),
        }),
        { maxItems: 20 },
      ),
    },
    { title },
  )

/** The days of a range, in order. */
export interface Days {
  days: readonly string[]
  first: string
  last: string
}

const dayOf = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 10)

/** The days of a request. @throws Problem invalid-fields if they are in the wrong order or too many */
export function readDays({ from, to }: SeriesQuery, now = Date.now()): Days {
  const end = to === undefined ? Date.parse(dayOf(now)) : Date.parse(to)
  const start = from === undefined ? Math.max(0, end - 29 * DAY_MS) : Date.parse(from)
  // PostgreSQL does not know all years, and nothing is older than the service.
  if (end < 0) throw invalidField('?to', 'must not be before 1970-01-01')
  if (start < 0) throw invalidField('?from', 'must not be before 1970-01-01')
  if (start > end)
    throw to === undefined
      ? invalidField('?from', 'must not be after today')
      : invalidField('?to', 'must not be before from')
  const count = (end - start) / DAY_MS + 1
  if (count > MAX_DAYS)
    throw invalidField('?from', `must be at most ${MAX_DAYS - 1} days before to: ask for longer ranges in parts`)
  const days = Array.from({ length: count }, (_, index) => dayOf(start + index * DAY_MS))
  return { days, first: dayOf(start), last: dayOf(end) }
}

/** The metrics of a request. @throws Problem invalid-fields for one that does not exist */
export function readMetrics<Metric extends string>({ metrics }: SeriesQuery, known: readonly Metric[]): Metric[] {
  const asked = new Set<string>(metrics?.split(',') ?? known)
  if ([...asked].some(name => !known.includes(name as Metric)))
    throw invalidField('?metrics', `must be some of ${known.join(',')}, separated by commas`)
  return known.filter(name => asked.has(name))
}

/** The series of some metrics, from the rows of the days that have one. */
export function fillSeries<Metric extends string>(
  { days }: Days,
  metrics: readonly Metric[],
  rows: readonly ({ day: string | null } & { [M in Metric]: number | null })[],
) {
  const byDay = new Map(rows.map(row => [row.day, row]))
  return {
    days: [...days],
    series: metrics.map(metric => ({ metric, values: days.map(day => byDay.get(day)?.[metric] ?? 0) })),
  }
}
