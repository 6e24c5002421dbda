import { Type } from 'typebox'
import { IdParams, PageQueryOf, PageSchema } from '../../platform/schemas.ts'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { listSessions, revokeSession, Session } from './sessions.ts'

export function sessionRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/users/sessions',
    {
      access: 'session',
      schema: {
        operationId: 'listOwnSessions',
        summary: "List the current user's sessions",
        tags: ['Sessions'],
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Session) },
      },
    },
    request => request.actor.account.run(listSessions(request.actor.session_id, cursors.open(request))),
  )

  app.delete(
    '/users/sessions/:id',
    {
      access: 'session',
      schema: {
        operationId: 'revokeOwnSession',
        summary: 'Revoke a session',
        tags: ['Sessions'],
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await request.actor.account.run(revokeSession(request.params.id, 'revoked'))
      return reply.code(204).send(null)
    },
  )
}
