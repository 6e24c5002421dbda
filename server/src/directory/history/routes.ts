import { PageSchema } from '../../platform/schemas.ts'
import type { Pages } from '../../platform/http/cursors.ts'
import type { App } from '../../platform/http/route.ts'
import { AuditEntry, AuditQuery, listAuditLog } from './history.ts'

export function auditRoutes(app: App, pages: Pages): void {
  app.get(
    '/audit-logs',
    {
      access: 'audit:read',
      // A search may read the whole history: less often than others.
      perMinute: 30,
      schema: {
        operationId: 'listAuditLog',
        summary: "Read the organization's history",
        tags: ['Audit'],
        querystring: AuditQuery,
        response: { 200: PageSchema(AuditEntry) },
      },
    },
    request => request.actor.run(listAuditLog(request.actor.organization_id, request.query, pages.open(request))),
  )
}
