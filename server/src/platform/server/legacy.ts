import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Paths of before the versioned API: `/api/auth/*` and `/api/org/*` are their `/api/v1` counterparts. */
const LEGACY = /^\/api\/(auth|org)(?=\/|\?|$)/

/** 21 November 2026 (RFC 9745). */
export const DEPRECATION = '@1795219200'
export const SUNSET = 'Fri, 31 Dec 2027 23:59:59 GMT'

/** The documents stand at two addresses, both current. */
const DOCUMENTS = /^\/api\/(docs|redoc|openapi\.json)(?=\/|\?|$)/

/** Where providers send browsers back to, and what leads there: current at both addresses. */
const SOCIAL = /^\/oauth\/(providers|exchange|[^/?]+\/(initiate|callback))(?=\?|$)/

const marked = new WeakSet<IncomingMessage>()

const unreadable = new WeakSet<IncomingMessage>()

/** Leads a path to the route that answers it, before it is routed. */
export function rewriteUrl(request: IncomingMessage): string {
  const url = request.url ?? '/'
  // Node and the router would answer these by themselves, past every hook. RFC 9112, section 3.2: no host, no request.
  const hasHost = request.headers.host !== undefined || request.httpVersion === '1.0'
  if (!hasHost || (url.includes('%') && !isDecodable(url.split('?', 1)[0] as string))) {
    unreadable.add(request)
    return '/malformed'
  }
  if (SOCIAL.test(url)) return `/api/v1${url}`
  if (!url.startsWith('/api/') || url.startsWith('/api/v1/')) return url
  if (LEGACY.test(url)) {
    marked.add(request)
    return url.replace(LEGACY, '/api/v1/$1')
  }
  return url.replace(DOCUMENTS, (_path, name: string) =>
    name === 'openapi.json' ? '/api/v1/openapi.json' : `/${name}`,
  )
}

/** Whether a request names no host, or its path is no text: its percent-encoding is broken. */
export const isUnreadable = (request: IncomingMessage): boolean => unreadable.has(request)

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

/** The older path of a current one, if it has one. */
export const legacyPathOf = (path: string): string | undefined =>
  /^\/api\/v1\/(auth|org)\//.test(path) ? path.replace('/api/v1/', '/api/') : undefined

/** Says on every legacy answer that it is one (RFC 9745, RFC 8594, RFC 5829). */
export function announceSuccessors(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (marked.has(request.raw)) {
      reply.headers({
        deprecation: DEPRECATION,
        sunset: SUNSET,
        link: `<${request.url.split('?', 1)[0]}>; rel="successor-version"`,
      })
    }
    done()
  })
}
