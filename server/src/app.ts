import { providerOriginsOf } from './config/social.ts'
import type { Database } from './platform/database/database.ts'
import type { App } from './platform/http/route.ts'
import { usesOutbox } from './platform/mail/outbox.ts'
import { outboxRoutes } from './platform/mail/outbox-pages.ts'
import { documentRoutes } from './platform/openapi/documents.ts'
import { describeApi } from './platform/openapi/openapi.ts'
import { accountPageRoutes } from './platform/pages/account-pages.ts'
import { createServer } from './platform/server/server.ts'
import type { Services } from './platform/services.ts'

/**
 * The whole service but its socket: the server with its hooks, then the routes and pages of the features that the
 * services were made for, in their order.
 */
export async function createApp(services: Services, database: Database): Promise<App> {
  const { config, version, declared } = services
  const app = await createServer(services, database)
  await describeApi(app, { name: config.appName, version, declared })
  await documentRoutes(app, {
    name: config.appName,
    problems: declared.problems,
    cspMode: config.cspMode,
    providers: providerOriginsOf(config.social),
    areOpen: config.publicDocuments,
    token: config.metrics.token,
  })
  if (usesOutbox(config)) outboxRoutes(app, services)
  for (const { rootRoutes = [] } of declared.features) for (const routes of rootRoutes) routes(app, services)
  await app.register(
    async (v1: App) => {
      for (const { routes = [] } of declared.features) for (const register of routes) register(v1, services)
    },
    { prefix: '/api/v1' },
  )
  const pages = Object.assign({}, ...declared.features.map(({ pages: make }) => make?.(services)))
  await app.register(async (account: App) => accountPageRoutes(account, pages, services), { prefix: '/account' })
  return app
}
