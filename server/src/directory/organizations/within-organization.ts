import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { getOrganization } from './organizations.ts'

/**
 * Routes below `/organizations/{id}`. The id is checked once, before all of them: an organization that is not the
 * caller's current one gets the same response as one that does not exist, after the gate has checked the permission.
 */
export const withinOrganization =
  (routes: (app: App, services: Services) => void) =>
  (app: App, services: Services): void => {
    void app.register(
      async (scoped: App) => {
        scoped.addHook('preHandler', async ({ actor, params }) => {
          const { id } = params as { id: string }
          if (id !== actor.organization_id) await actor.run(getOrganization(id))
        })
        routes(scoped, services)
      },
      { prefix: '/organizations/:id' },
    )
  }
