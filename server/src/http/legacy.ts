import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Document 003's older paths: `/api/auth/*` and `/api/org/*` are their `/api/v1` counterparts. */
const LEGACY = /^\/api\/(auth|org)(?=\/|\?|$)/

const marked = new WeakSet<IncomingMessage>()

/** The documents stand at two addresses, both current. */
const DOCUMENTS = /^\/api\/(docs|redoc|openapi\.json)(?=\/|\?|$)/

/** Leads a path to the route that answers it, before it is routed. */
export function rewriteUrl(request: IncomingMessage): string {
  const url = request.url ?? '/'
  if (LEGACY.test(url)) {
    marked.add(request)
    return url.replace(LEGACY, '/api/v1/$1')
  }
  return url.replace(DOCUMENTS, (_path, name: string) => (name === 'openapi.json' ? '/api/v1/openapi.json' : `/${name}`))
}

/** Says on every legacy answer that it is one (RFC 9745, RFC 8594, RFC 5829). */
export function announceSuccessors(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!marked.has(request.raw)) return
    reply.headers({
      deprecation: '@1763683200',
      sunset: 'Fri, 31 Dec 2027 23:59:59 GMT',
      link: `<${request.url.split('?', 1)[0]}>; rel="successor-version"`,
    })
  })
}
