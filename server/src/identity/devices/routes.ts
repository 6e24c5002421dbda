import { Type } from 'typebox'
import type { App } from '../../platform/http/route.ts'
import { IdParams, PageQueryOf, PageSchema } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { Device, listDevices, revokeDevice } from './devices.ts'

export function deviceRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/auth/devices',
    {
      access: 'session',
      schema: {
        operationId: 'listDevices',
        summary: "List the current user's devices",
        description: 'A known device has its own failure counter, so that strangers cannot lock it out.',
        tags: ['Sessions'],
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Device) },
      },
    },
    request => request.actor.account.run(listDevices(request.actor.session_id, cursors.open(request))),
  )

  app.delete(
    '/auth/devices/:id',
    {
      access: 'session',
      schema: {
        operationId: 'revokeDevice',
        summary: 'Revoke a device and its sessions',
        tags: ['Sessions'],
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await request.actor.account.transaction(transaction => revokeDevice(transaction, request.params.id))
      return reply.code(204).send(null)
    },
  )
}
