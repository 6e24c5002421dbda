import { Type } from 'typebox'
import { IdParams, PageQueryOf, PageSchema } from '../../platform/schemas.ts'
import type { Pages } from '../../platform/http/cursors.ts'
import type { App } from '../../platform/http/route.ts'
import { Device, listDevices, revokeDevice } from './devices.ts'

export function deviceRoutes(app: App, pages: Pages): void {
  app.get(
    '/auth/devices',
    {
      access: 'session',
      schema: {
        operationId: 'listDevices',
        summary: 'List the devices that one has signed in with',
        description: 'A known device has failures of its own, so strangers cannot lock it out.',
        tags: ['Sessions'],
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Device) },
      },
    },
    request => request.actor.run(listDevices(request.actor.session_id, pages.open(request))),
  )

  app.delete(
    '/auth/devices/:id',
    {
      access: 'session',
      schema: {
        operationId: 'revokeDevice',
        summary: "Forget one of one's own devices and end its sessions",
        tags: ['Sessions'],
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await request.actor.transaction(transaction => revokeDevice(transaction, request.params.id))
      return reply.code(204).send(null)
    },
  )
}
