import { Type } from 'typebox'
import { IdParams, PageQueryOf, PageSchema } from '../../platform/schemas.ts'
import type { Pages } from '../../platform/http/cursors.ts'
import type { App } from '../../platform/http/route.ts'
import { listSessions, revokeSession, Session } from './sessions.ts'

export function sessionRoutes(app: App, pages: Pages): void {
  app.get(
    '/users/sessions',
    {
      access: 'session',
      schema: {
        operationId: 'listOwnSessions',
        summary: "List one's own live sessions",
        tags: ['Sessions'],
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Session) },
      },
    },
    request => request.actor.run(listSessions(request.actor.session_id, pages.open(request))),
  )

  app.delete(
    '/users/sessions/:id',
    {
      access: 'session',
      schema: {
        operationId: 'revokeOwnSession',
        summary: "End one of one's own sessions",
        tags: ['Sessions'],
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await request.actor.run(revokeSession(request.params.id, 'revoked'))
      return reply.code(204).send(null)
    },
  )
}
