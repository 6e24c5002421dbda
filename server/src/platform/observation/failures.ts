import type { FastifyRequest } from 'fastify'
import { faults } from './channels.ts'
import { messageOf } from './redaction.ts'

/** The service's own logger, so that the failures of all requests are counted together. */
export interface FailureSink {
  warn(details: object, message: string): void
}

export interface FailureLog {
  /** Logs an expected failure in one line; repetitions are counted and summed up in another line. */
  note(message: string, error: unknown, details?: object): void
}

/** How long repetitions are counted. Milliseconds. */
const WINDOW_MS = 10_000

/** How many kinds of failure are distinguished; further ones are counted by their message alone. */
const MAX_KINDS = 500

/** Counts failures by message and reason, so that an outage makes a few lines, however many requests fail. */
export function createFailureLog(sink: FailureSink, windowMs = WINDOW_MS): FailureLog {
  /** How often each failure was repeated since its line was logged. */
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
      if (error instanceof Error) faults.publish({ level: 'warning', message, error, details })
      setTimeout(() => sumUp(kind, message, isKnown ? reason : undefined), windowMs).unref()
    },
  }
}

const logs = new WeakMap<FailureSink, FailureLog>()

/** Logs an expected failure, counted with all others in the same log. */
export function noteFailure(sink: FailureSink, message: string, error: unknown, details?: object): void {
  const log = logs.get(sink) ?? createFailureLog(sink)
  logs.set(sink, log)
  log.note(message, error, details)
}

/** Logs an unexpected error, with its stack. */
export function reportFault(request: FastifyRequest, message: string, error: unknown): void {
  request.log.error({ err: error }, message)
  faults.publish({ level: 'error', message, error, request })
}

/** Errors of the language are faults in the code, which are found by their stack. */
const isFault = (error: unknown): boolean =>
  [TypeError, RangeError, ReferenceError, SyntaxError].some(kind => error instanceof kind)

/** How many causes of a failure are named; an error may be its own cause. */
const MAX_CAUSES = 5

/** The reason in one line without a stack, and without what the error quotes. */
function reasonOf(error: unknown, causes = MAX_CAUSES): string {
  if (!(error instanceof Error)) return String(error).slice(0, 500)
  const words = [(error as { code?: string }).code, messageOf(error)]
  const own = [...new Set(words.filter(word => word !== undefined && word !== ''))].join(': ') || error.name
  const line = own.replaceAll(/\s+/g, ' ').slice(0, 500)
  return error.cause instanceof Error && causes > 0 ? `${line} (${reasonOf(error.cause, causes - 1)})` : line
}
