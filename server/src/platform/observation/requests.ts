import type { FastifyInstance } from 'fastify'
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
        received: lengthOf(request.headers['content-length']),
        sent: lengthOf(reply.getHeader('content-length')),
        problem: refusalOf(request),
      })
    done()
  })
}

function lengthOf(field: unknown): number | undefined {
  const length = Number(field)
  return field !== undefined && Number.isSafeInteger(length) ? length : undefined
}
