import { createHash, randomUUID } from 'node:crypto'
import type { RouteOptions } from 'fastify'
import type { App } from '../http/route.ts'

/**
 * A digest of everything that the OpenAPI documents are made from: all routes that are registered after this call, and
 * `rest`. In development the code changes without a new version, so there each process has a digest of its own.
 */
export function digestRoutes(app: App, rest: object, isDevelopment: boolean): () => string {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', route => void routes.push(route))
  let digest: string | undefined
  // Functions are left out, such as handlers and hooks.
  const make = () =>
    createHash('sha256')
      .update(JSON.stringify([rest, routes]))
      .digest('hex')
      .slice(0, 16)
  return () => (digest ??= isDevelopment ? randomUUID() : make())
}
