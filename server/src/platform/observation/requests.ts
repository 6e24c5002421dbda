import type { FastifyInstance, FastifyRequest } from 'fastify'
import { sentMethodOf } from '../server/head.ts'
import { refusalOf } from '../server/logging.ts'
import { answers, arrivals } from './channels.ts'

/** Publishes every request: its arrival before all other hooks, and its answer. */
export function observeRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => arrivals.within({ request }, done))
  app.addHook('onResponse', (request, reply, done) => {
    if (answers.isHeard)
      answers.publish({
        request,
        method: sentMethodOf(request.raw),
        route: request.is404 ? undefined : request.routeOptions.url,
        status: reply.statusCode,
        milliseconds: reply.elapsedTime,
        received: receivedBy(request),
        sent: lengthOf(reply.getHeader('content-length')),
        problem: refusalOf(request),
      })
    done()
  })
}

const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'])

/** The method, for a name of a metric or span, if it is one of a fixed list: a client can send any text. */
export const knownMethod = (sent: string): string | undefined => (METHODS.has(sent) ? sent : undefined)

/** A longer body is refused unread, so that a client could announce any number of bytes. */
function receivedBy({ headers, routeOptions }: FastifyRequest): number | undefined {
  const length = lengthOf(headers['content-length'])
  return length !== undefined && length <= (routeOptions.bodyLimit ?? 0) ? length : undefined
}

function lengthOf(field: unknown): number | undefined {
  const length = Number(field)
  return field !== undefined && Number.isSafeInteger(length) ? length : undefined
}
