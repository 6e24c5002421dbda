import { PageSchema } from '../../platform/schemas.ts'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { AuditEntry, AuditQuery, listAuditLog } from './history.ts'

export function historyRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/audit-logs',
    {
      access: 'audit:read',
      // A search may read the whole audit log, so its limit is lower than others.
      perMinute: 30,
      schema: {
        operationId: 'listAuditLog',
        summary: 'List audit events',
        tags: ['Audit'],
        querystring: AuditQuery,
        response: { 200: PageSchema(AuditEntry) },
      },
    },
    request => request.actor.run(listAuditLog(request.actor.organization_id, request.query, cursors.open(request))),
  )
}
