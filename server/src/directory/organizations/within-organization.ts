import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { getOrganization } from './organizations.ts'

/**
 * Routes below `/organizations/{id}`. The id is checked once, before any of them: an organization that is not the
 * caller's current one is answered like one that does not exist, and the gate says first whether the caller may know.
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
