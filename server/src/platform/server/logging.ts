import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { pino } from 'pino'
import type { Logger } from 'pino'
import { describeFileFault } from '../../config/file-faults.ts'
import { clientAddress } from '../http/client-address.ts'
import { messageOf, redact } from '../observation/redaction.ts'
import { sentMethodOf } from './head.ts'

export interface LogOptions {
  level: string
  format: 'json' | 'text'
  /** A path; undefined is standard output. */
  file: string | undefined
}

export interface Log {
  log: Logger
  /** Opens the file again, after a rename; has no effect on standard output. */
  reopen: () => void
}

/**
 * One line for each event, as JSON or as readable text. Headers, bodies and query strings are never logged.
 * @throws Error that names LOG_FILE if it cannot be written
 */
export async function createLogger({ level, format, file }: LogOptions): Promise<Log> {
  if (file !== undefined) prepareLogFile(file)
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers }
  // A write per line would cost more than the line itself: JSON is written in blocks of 4 KiB, after 200 ms, or at exit.
  const buffered = format === 'json' ? { minLength: 4096, periodicFlush: 200 } : {}
  const sink = pino.destination({ dest: file ?? 1, mkdir: true, append: true, sync: false, ...buffered })
  // If the reader has gone or the disk is full, lines are lost, but the service continues.
  sink.on('error', () => {})
  const log = await makeLogger()
  return { log, reopen: file === undefined ? () => {} : () => reopenFile(file) }

  async function makeLogger(): Promise<Logger> {
    if (format === 'json') return pino(options, sink)
    const { default: pretty } = await import('pino-pretty')
    return pino(
      options,
      pretty({ destination: sink, singleLine: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' }),
    )
  }

  /** Tests the path first: a sink that fails to open its file may later close a descriptor of another file. */
  function reopenFile(path: string): void {
    try {
      touchFile(path)
      sink.reopen()
      log.info('the log file was opened again')
    } catch (error) {
      log.warn({ err: error }, `LOG_FILE ${path} could not be opened again; the log continues in the former file`)
    }
  }
}

/** Creates the log file and its folder if missing. @throws Error that names LOG_FILE and what to do */
function prepareLogFile(path: string): void {
  try {
    touchFile(path)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`LOG_FILE: ${describeFileFault(cause, path, 'LOG_FILE') ?? message}`, { cause })
  }
}

function touchFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  closeSync(openSync(path, 'a'))
}

/** What the log shows of an error. */
export const serializers = { err: (error: Error) => serializeError(error) }

/** How many causes of an error are logged; an error may be its own cause. */
const MAX_CAUSES = 5

/** Logs an error without what it quotes: of a database error only the schema's part, not `detail` and `where`. */
function serializeError(
  error: Error & { code?: string; constraint?: string; table?: string },
  causes = MAX_CAUSES,
): object {
  const { name, code, constraint, table } = error
  const message = messageOf(error)
  const stack = error.stack?.replace(error.message, () => message)
  return {
    name,
    message,
    code,
    constraint,
    table,
    stack,
    ...(error.cause instanceof Error && causes > 0 ? { cause: serializeError(error.cause, causes - 1) } : {}),
  }
}

const refusals = new WeakMap<FastifyRequest, string>()

/** Stores the reason of a refusal for the request's log line, because the status alone is not specific enough. */
export const recordRefusal = (request: FastifyRequest, code: string): void => void refusals.set(request, code)

/** The code of the problem that a request was refused with. */
export const refusalOf = (request: FastifyRequest): string | undefined => refusals.get(request)

/** How much of a path without a route is logged. Characters. */
const LOGGED_PATH = 200

/**
 * One line for each request: method, route pattern, status, reason of a refusal, milliseconds and ids. If no route
 * matches, it has the path, to distinguish a mistyped path from a missing row.
 */
export function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { actor } = request
    const refusal = refusalOf(request)
    request.log.info(
      {
        method: sentMethodOf(request.raw),
        route: request.routeOptions.url ?? null,
        ...(request.routeOptions.url === undefined && { path: pathOf(request) }),
        status: reply.statusCode,
        ...(refusal !== undefined && { problem: refusal }),
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ...(actor && { user_id: actor.user_id, organization_id: actor.organization_id, session_id: actor.session_id }),
        ip: clientAddress(request),
      },
      'request',
    )
    done()
  })
}

/** The path without addresses, and without segments that are longer than an id, because they may be tokens. */
const pathOf = ({ originalUrl }: FastifyRequest): string =>
  redact((originalUrl.split('?', 1)[0] ?? '').replaceAll(/[^/]{37,}/g, '…')).slice(0, LOGGED_PATH)
