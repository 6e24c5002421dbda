import type { Config } from '../../config/config.ts'
import { noteFailure } from '../../platform/observation/failures.ts'
import type { FailureSink } from '../../platform/observation/failures.ts'
import { answers, statements } from '../../platform/observation/channels.ts'
import { createRecentTimes } from './recent-times.ts'
import { createRecentUse } from './recent-use.ts'
import type { RecentUse } from './recent-use.ts'
import type { TimesSummary } from './recent-times.ts'

interface SlowStatement {
  /** Without its parameters, shortened. */
  statement: string
  login: 'tenant' | 'system'
  times: number
  max_ms: number
  /** RFC 3339. */
  last_at: string
}

/** How this process has been doing lately. */
export interface Pulse {
  requests(): TimesSummary
  statements(): TimesSummary
  /** Statements that took at least SLOW_QUERY_MS, the slowest first; since the start. */
  slowStatements(): readonly SlowStatement[]
  use: RecentUse['read']
  stop(): void
}

/** How many texts of slow statements are remembered; the texts come from the code, so there are not many. */
const MAX_SLOW = 50

/** How much of a statement is shown and logged. Characters. */
const SHOWN_TEXT = 1000

/** Counts requests and statements from now on, and logs slow statements. */
export function takePulse({ slowQueryMs }: Pick<Config, 'slowQueryMs'>, log: FailureSink): Pulse {
  const requests = createRecentTimes()
  const queries = createRecentTimes()
  const use = createRecentUse()
  const slow = new Map<string, SlowStatement>()
  const ends = [
    answers.subscribe(({ milliseconds, status }) => requests.add(milliseconds, status >= 500)),
    statements.subscribe(({ login, text, milliseconds, request_id, error }) => {
      queries.add(milliseconds, error !== undefined)
      if (slowQueryMs === 0 || milliseconds < slowQueryMs) return
      const ms = Math.round(milliseconds)
      const statement = text.replaceAll(/\s+/g, ' ').slice(0, SHOWN_TEXT)
      noteFailure(log, 'a statement was slow', statement, { ms, login, request_id })
      const known = slow.get(statement)
      const [first] = slow.keys()
      if (known === undefined && slow.size >= MAX_SLOW && first !== undefined) slow.delete(first)
      slow.set(statement, {
        statement,
        login,
        times: (known?.times ?? 0) + 1,
        max_ms: Math.max(known?.max_ms ?? 0, ms),
        last_at: new Date().toISOString(),
      })
    }),
  ]
  return {
    requests: requests.summarize,
    statements: queries.summarize,
    slowStatements: () => [...slow.values()].sort((one, other) => other.max_ms - one.max_ms),
    use: use.read,
    stop: () => [...ends, use.stop].forEach(end => end()),
  }
}
