import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { mainPathOf } from '../http/wire-format.ts'
import type { WireFormat } from '../http/wire-format.ts'
import { answerHeadAsGet } from './head.ts'

/** Paths from before the versioned API: `/api/auth/*` and `/api/org/*` now have counterparts below `/api/v1`. */
const LEGACY = /^\/api\/(auth|org)(?=\/|\?|$)/

/** 21 November 2026 (RFC 9745). */
export const DEPRECATION = '@1795219200'
export const SUNSET = 'Fri, 31 Dec 2027 23:59:59 GMT'

/** The documents have two paths, both current. */
const DOCUMENTS = /^\/api\/(docs|redoc|openapi\.json)(?=\/|\?|$)/

/** The paths of sign-in with a provider, including its callback: current at both addresses. */
const SOCIAL = /^\/oauth\/(providers|exchange|[^/?]+\/(initiate|callback))(?=\?|$)/

const marked = new WeakSet<IncomingMessage>()

const unreadable = new WeakSet<IncomingMessage>()

/** Rewrites a path to that of the current route, before routing. */
export function rewriteUrl(formats: readonly WireFormat[], request: IncomingMessage): string {
  answerHeadAsGet(request)
  const url = request.url ?? '/'
  // Node and the router would answer these themselves, without the hooks. RFC 9112, section 3.2: exactly one host.
  const hasHost = request.headers.host !== undefined || request.httpVersion === '1.0'
  const isDouble = SINGLE.some(name => countFields(request, name) > 1)
  if (!hasHost || isDouble || (url.includes('%') && !isDecodable(url.split('?', 1)[0] as string))) {
    unreadable.add(request)
    return '/malformed'
  }
  if (LEGACY.test(url)) marked.add(request)
  return currentPathOf(formats, url)
}

/** The current path for an older or a second one. */
export function currentPathOf(formats: readonly WireFormat[], url: string): string {
  if (SOCIAL.test(url)) return `/api/v1${url}`
  if (!url.startsWith('/api/') || url.startsWith('/api/v1/')) return mainPathOf(formats, url)
  if (LEGACY.test(url)) return url.replace(LEGACY, '/api/v1/$1')
  return url.replace(DOCUMENTS, (_path, name: string) =>
    name === 'openapi.json' ? '/api/v1/openapi.json' : `/${name}`,
  )
}

/** How often a header field occurs in a request; the parser keeps only the first of some fields, and joins others. */
function countFields({ rawHeaders }: IncomingMessage, wanted: string): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.length === wanted.length && rawHeaders[at]?.toLowerCase() === wanted) count++
  return count
}

/** Fields that must occur only once, because a proxy may read another occurrence than we do. */
const SINGLE = ['host', 'authorization', 'content-type', 'idempotency-key']

/** Whether a request repeats such a field, names no host, or has a path with invalid percent-encoding. */
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

/** Marks every response of an older path as deprecated (RFC 9745, RFC 8594, RFC 5829). */
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
