import type { SentryProject } from '../../config/monitoring.ts'
import { noteFailure } from '../../platform/observation/failures.ts'
import type { FailureSink } from '../../platform/observation/failures.ts'
import { faults } from '../../platform/observation/channels.ts'
import type { Fault } from '../../platform/observation/channels.ts'
import { send } from '../../platform/outbound/outbound.ts'
import { describeFault } from './event.ts'
import type { Circumstances, ErrorEvent } from './event.ts'

export interface ErrorReports {
  /** Sends what has not been sent, for at most two seconds. */
  close(): Promise<void>
}

/** How many events wait at most; if there are more, the oldest are given up. The log has all of them. */
const MAX_WAITING = 100

/** The same error is reported once within this time. Milliseconds. */
const SAME_MS = 10_000

/** How many different errors are told apart. */
const MAX_KINDS = 500

/** The pause after a failure, which doubles with each further one. Milliseconds. */
const FIRST_PAUSE_MS = 5000
const MAX_PAUSE_MS = 300_000

const LAST_EVENTS_MS = 2000

/** Failures to send must not be reported, or each would cause the next. */
const FAILURE = 'an error could not be reported to Sentry'

/**
 * Reports logged errors to Sentry, one at a time, beside everything else: no request waits for it. While it cannot be
 * reached, events wait, and are sent later.
 */
export function reportErrors(
  { url, key }: SentryProject,
  circumstances: Circumstances,
  log: FailureSink,
  { firstPauseMs = FIRST_PAUSE_MS } = {},
): ErrorReports {
  const waiting: ErrorEvent[] = []
  const reported = new Map<string, number>()
  let sending: Promise<void> | undefined
  let pauseMs = firstPauseMs
  let timer: NodeJS.Timeout | undefined

  /** @throws Error if it could not be sent, with the pause that the server asks for */
  async function sendEvent(event: ErrorEvent): Promise<void> {
    const sent_at = new Date().toISOString()
    const body = [{ event_id: event.event_id, sent_at }, { type: 'event' }, event]
      .map(part => JSON.stringify(part))
      .join('\n')
    const { status, headers } = await send(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-sentry-envelope',
        'x-sentry-auth': `Sentry sentry_version=7, sentry_client=freehold/${circumstances.version}, sentry_key=${key}`,
      },
      body,
      to: 'operator',
    })
    if (status === 429) pauseMs = Math.max(pauseMs, Number(headers.get('retry-after') ?? 60) * 1000 || 60_000)
    if (status === 429 || status >= 500) throw new Error(`Sentry answered ${status}`)
    // Any other refusal would be repeated.
    if (status >= 400) noteFailure(log, FAILURE, new Error(`Sentry answered ${status}: is SENTRY_DSN right?`))
  }

  async function sendAll(): Promise<void> {
    for (let event = waiting[0]; event !== undefined; event = waiting[0]) {
      try {
        await sendEvent(event)
        pauseMs = firstPauseMs
        // More may have come, and the oldest may have been given up.
        if (waiting[0] === event) waiting.shift()
      } catch (error) {
        noteFailure(log, FAILURE, error)
        timer = setTimeout(begin, pauseMs)
        timer.unref()
        pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)
        return
      }
    }
  }

  function begin(): void {
    timer = undefined
    sending ??= sendAll().finally(() => {
      sending = undefined
    })
  }

  /** Whether the same error has just been reported. */
  function isRepeated({ message, error, level }: Fault): boolean {
    const place = error instanceof Error ? error.stack?.split('\n', 3).join(' ') : String(error)
    const kind = `${level} ${message} ${place}`
    const now = performance.now()
    const last = reported.get(kind)
    if (last !== undefined && now - last < SAME_MS) return true
    reported.delete(kind)
    reported.set(kind, now)
    const [oldest] = reported.keys()
    if (reported.size > MAX_KINDS && oldest !== undefined) reported.delete(oldest)
    return false
  }

  const end = faults.subscribe(fault => {
    if (fault.message === FAILURE || isRepeated(fault)) return
    waiting.push(describeFault(fault, circumstances))
    if (waiting.length > MAX_WAITING) waiting.shift()
    // Later, so that the caller is not delayed by it.
    if (timer === undefined) setImmediate(begin)
  })

  return {
    close: async () => {
      end()
      clearTimeout(timer)
      begin()
      const { promise: late, resolve } = Promise.withResolvers<void>()
      setTimeout(resolve, LAST_EVENTS_MS).unref()
      await Promise.race([sending, late])
      clearTimeout(timer)
    },
  }
}
