import type { FastifyInstance } from 'fastify'
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

/** The methods of the path of a request whose method the parser does not know; empty if it has no path. */
export function methodsOfRefused(routes: RouteTable | undefined, packet: unknown): readonly string[] {
  const [, url] =
    /^[A-Z][\w-]{0,31} (\/\S*) HTTP\/1\.[01]\r\n/i.exec(
      Buffer.isBuffer(packet) ? packet.toString('latin1', 0, 8192) : '',
    ) ?? []
  return url === undefined ? [] : (routes?.methodsOf(currentPathOf(url)) ?? [])
}
