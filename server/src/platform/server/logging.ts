import type { FastifyInstance, FastifyRequest } from 'fastify'
import { pino } from 'pino'
import type { Logger } from 'pino'
import { clientAddress } from '../http/client-address.ts'
import { sentMethodOf } from './head.ts'

export interface LogOptions {
  level: string
  format: 'json' | 'text'
  /** A path; undefined is standard output. */
  file: string | undefined
}

/** One line an event: JSON for machines, or readable text. Nothing here ever logs a header, a body or a query string. */
export async function createLogger({ level, format, file }: LogOptions): Promise<Logger> {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: serializeError } }
  // A write for each line would cost more than making it: lines of JSON leave by the page, or after a fifth of a second, or at the exit.
  const buffered = format === 'json' ? { minLength: 4096, periodicFlush: 200 } : {}
  const sink = pino.destination({ dest: file ?? 1, mkdir: true, append: true, sync: false, ...buffered })
  // A reader that has gone or a disk that is full costs the lines, never the service.
  sink.on('error', () => {})
  if (format === 'json') return pino(options, sink)
  const { default: pretty } = await import('pino-pretty')
  return pino(
    options,
    pretty({ destination: sink, singleLine: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' }),
  )
}

/** Of a database error only what the schema says: messages of classes 22 and 23, `detail` and `where` quote rows and parameters. */
function serializeError(
  error: Error & { code?: string; constraint?: string; table?: string; severity?: string },
): object {
  const { name, code, constraint, table } = error
  const quotes = error.severity !== undefined && /^2[23]/.test(code ?? '')
  const message = quotes ? 'a value was refused' : error.message
  const stack = error.stack?.replace(error.message, message)
  return {
    name,
    message,
    code,
    constraint,
    table,
    stack,
    ...(error.cause instanceof Error ? { cause: serializeError(error.cause) } : {}),
  }
}

const refusals = new WeakMap<FastifyRequest, string>()

/** Remembers for the request's line why it was refused: the status alone does not tell a wrong password from a dead session. */
export const noteRefusal = (request: FastifyRequest, code: string): void => void refusals.set(request, code)

/** One line a request: method, route pattern, status, why it was refused, milliseconds, and the ids that lead further. */
export function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { actor } = request
    const refusal = refusals.get(request)
    request.log.info(
      {
        method: sentMethodOf(request.raw),
        route: request.routeOptions.url ?? null,
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
