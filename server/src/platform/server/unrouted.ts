import type { FastifyInstance } from 'fastify'
import { Problem } from '../problems.ts'
import { currentPathOf, isUnreadable } from './legacy.ts'

/** Which methods a path has, for those that it does not have. */
export interface RouteTable {
  /** Those of an Allow field; empty where nothing answers. */
  methodsOf(url: string): readonly string[]
}

/** Notes every route that is registered after it. */
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

/** Refuses what no route takes before its body is read: whatever it holds, the path or the method is at fault. */
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

/** The methods of the path that a request names whose method the parser has never heard of; empty where it named none. */
export function methodsOfRefused(routes: RouteTable | undefined, packet: unknown): readonly string[] {
  const [, url] =
    /^[A-Z][\w-]{0,31} (\/\S*) HTTP\/1\.[01]\r\n/i.exec(
      Buffer.isBuffer(packet) ? packet.toString('latin1', 0, 8192) : '',
    ) ?? []
  return url === undefined ? [] : (routes?.methodsOf(currentPathOf(url)) ?? [])
}
