import type { Database } from './platform/database/database.ts'
import type { Routes } from './platform/feature.ts'
import type { App } from './platform/http/route.ts'
import { createRouteClaims } from './platform/server/route-claims.ts'
import { usesOutbox } from './platform/mail/outbox.ts'
import { outboxRoutes } from './platform/mail/outbox-pages.ts'
import { documentRoutes } from './platform/openapi/documents.ts'
import { describeApi } from './platform/openapi/openapi.ts'
import { accountPageRoutes } from './platform/pages/account-pages.ts'
import { createServer } from './platform/server/server.ts'
import type { Services } from './platform/services.ts'

/**
 * The whole service without its socket: the server with its hooks, then the routes and pages of the features in order.
 */
export async function createApp(services: Services, database: Database): Promise<App> {
  const { config, version, declared } = services
  const app = await createServer(services, database)
  describeApi(app, { name: config.appName, version, declared })
  await documentRoutes(app, services)
  if (usesOutbox(config)) outboxRoutes(app, services)
  const claim = createRouteClaims()
  const serve = async (name: string, routes: readonly Routes[], prefix: string) => {
    if (routes.length === 0) return
    await app.register(
      async (own: App) => {
        own.addHook('onRoute', claim(name))
        for (const register of routes) register(own, services)
      },
      { prefix },
    )
  }
  for (const { name, rootRoutes = [] } of declared.features) await serve(name, rootRoutes, '')
  for (const { name, routes = [] } of declared.features) await serve(name, routes, '/api/v1')
  for (const { name, format } of declared.features)
    if (format !== undefined) await serve(name, format.routes, format.path)
  const pages = Object.assign({}, ...declared.features.map(({ pages: make }) => make?.(services)))
  await app.register(async (account: App) => accountPageRoutes(account, pages, services), { prefix: '/account' })
  return app
}
