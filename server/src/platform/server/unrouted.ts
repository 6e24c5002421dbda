import type { FastifyInstance } from 'fastify'
import type { WireFormat } from '../http/wire-format.ts'
import { Problem } from '../problems.ts'
import { currentPathOf, isUnreadable } from './legacy.ts'

/** The methods of each path, for the Allow field. */
export interface RouteTable {
  /** The methods for the Allow field; empty if the path has no route. */
  methodsOf(url: string): readonly string[]
}

/** Records all routes that are registered after this call. */
export function noteRoutes(app: FastifyInstance): RouteTable {
  const routes: { pattern: RegExp; methods: readonly string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    const methods = [method].flat().filter(name => name !== 'OPTIONS')
    const parts = url.split(/:\w+/).map(part => RegExp.escape(part).replace('\\*', '.*'))
    if (methods.length > 0) routes.push({ pattern: new RegExp(`^${parts.join('[^/]+')}$`), methods })
  })
  return {
    methodsOf: url => {
      const path = url.split('?', 1)[0] as string
      const found = new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods))
      if (found.size === 0) return []
      return [...found, ...(found.has('GET') ? ['HEAD'] : []), 'OPTIONS'].sort()
    },
  }
}

/** Refuses requests without a route before the body is read, because the body cannot change the result. */
export function refuseUnrouted(app: FastifyInstance, routes: RouteTable): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) {
      done()
      return
    }
    const methods = routes.methodsOf(request.url)
    if (isUnreadable(request.raw)) done(new Problem('malformed-request'))
    else if (methods.length === 0) done(new Problem('not-found'))
    else {
      reply.header('allow', methods.join(', '))
      done(new Problem('method-not-allowed'))
    }
  })
}

/** The path of a request that the parser has refused; undefined if it has none. */
export const pathOfRefused = (packet: unknown): string | undefined =>
  /^[A-Z][\w-]{0,31} (\/\S*) HTTP\/1\.[01]\r\n/i.exec(
    Buffer.isBuffer(packet) ? packet.toString('latin1', 0, 8192) : '',
  )?.[1]

/** The methods of the path of a request whose method the parser does not know; empty if it has no path. */
export const methodsOfRefused = (
  routes: RouteTable | undefined,
  formats: readonly WireFormat[],
  url: string | undefined,
): readonly string[] => (url === undefined ? [] : (routes?.methodsOf(currentPathOf(formats, url)) ?? []))
