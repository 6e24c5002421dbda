import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { answerHeadAsGet } from './head.ts'

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
  answerHeadAsGet(request)
  const url = request.url ?? '/'
  // Node and the router would answer these by themselves, past every hook. RFC 9112, section 3.2: one host, or no request.
  const hasHost = request.headers.host !== undefined || request.httpVersion === '1.0'
  const isDouble = SINGLE.some(name => countFields(request, name) > 1)
  if (!hasHost || isDouble || (url.includes('%') && !isDecodable(url.split('?', 1)[0] as string))) {
    unreadable.add(request)
    return '/malformed'
  }
  if (LEGACY.test(url)) marked.add(request)
  return currentPathOf(url)
}

/** Where what has an older or a second address is answered. */
export function currentPathOf(url: string): string {
  if (SOCIAL.test(url)) return `/api/v1${url}`
  if (!url.startsWith('/api/') || url.startsWith('/api/v1/')) return url
  if (LEGACY.test(url)) return url.replace(LEGACY, '/api/v1/$1')
  return url.replace(DOCUMENTS, (_path, name: string) =>
    name === 'openapi.json' ? '/api/v1/openapi.json' : `/${name}`,
  )
}

/** How often a field stands in the head of a request; the parser hands on the first of some, and joins others. */
function countFields({ rawHeaders }: IncomingMessage, wanted: string): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.length === wanted.length && rawHeaders[at]?.toLowerCase() === wanted) count++
  return count
}

/** Fields of which a proxy may read another one than we do. */
const SINGLE = ['host', 'authorization', 'content-type', 'idempotency-key']

/** Whether a request says one thing twice or names no host, or its path is no text: its percent-encoding is broken. */
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
