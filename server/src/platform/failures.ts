/** Where failures are written down: the service's own logger, so that those of all requests are counted together. */
export interface FailureSink {
  warn(details: object, message: string): void
}

export interface FailureLog {
  /** Writes down a failure that has to be expected, in one line; repetitions are counted, and summed up in another. */
  note(message: string, error: unknown, details?: object): void
}

/** How long repetitions are counted. Milliseconds. */
const WINDOW_MS = 10_000

/** Kinds of failure that are told apart; what comes beyond counts by its message alone. */
const MAX_KINDS = 500

/** Counts failures by what went wrong and why: an outage is a few lines, however many requests it meets. */
export function createFailureLog(sink: FailureSink, windowMs = WINDOW_MS): FailureLog {
  /** How often each was seen again since its line was written. */
  const repeated = new Map<string, number>()

  function sumUp(kind: string, message: string, reason: string | undefined): void {
    const times = repeated.get(kind) ?? 0
    repeated.delete(kind)
    if (times > 0) sink.warn({ reason, times, seconds: windowMs / 1000 }, `${message}, repeatedly`)
  }

  return {
    note: (message, error, details = {}) => {
      const reason = reasonOf(error)
      const exact = `${message} ${reason}`
      const isKnown = repeated.has(exact) || repeated.size < MAX_KINDS
      const kind = isKnown ? exact : message
      const times = repeated.get(kind)
      if (times !== undefined) {
        repeated.set(kind, times + 1)
        return
      }
      repeated.set(kind, 0)
      sink.warn({ reason, ...details, ...(isFault(error) && { err: error }) }, message)
      setTimeout(() => sumUp(kind, message, isKnown ? reason : undefined), windowMs).unref()
    },
  }
}

const logs = new WeakMap<FailureSink, FailureLog>()

/** Writes down an expected failure in this process's log, counted with all others there. */
export function noteFailure(sink: FailureSink, message: string, error: unknown, details?: object): void {
  const log = logs.get(sink) ?? createFailureLog(sink)
  logs.set(sink, log)
  log.note(message, error, details)
}

/** What the language throws is a fault in the code, which is found by its stack. */
const isFault = (error: unknown): boolean =>
  [TypeError, RangeError, ReferenceError, SyntaxError].some(kind => error instanceof kind)

/** Why, in one line without a stack; of a database error only what the schema says, as in server/logging.ts. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, 500)
  const { code, severity } = error as { code?: string; severity?: string }
  const quotes = severity !== undefined && /^2[23]/.test(code ?? '')
  const words = [code, quotes ? 'a value was refused' : error.message]
  const own = [...new Set(words.filter(word => word !== undefined && word !== ''))].join(': ') || error.name
  const line = own.replaceAll(/\s+/g, ' ').slice(0, 500)
  return error.cause instanceof Error ? `${line} (${reasonOf(error.cause)})` : line
}
