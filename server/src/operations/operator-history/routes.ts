import type { App } from '../../platform/http/route.ts'
import { PageSchema } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { pageOfKnown } from '../superusers/known-rows.ts'
import {
  listAuditLogs,
  listOperatorLog,
  OperatedAuditEntry,
  OperatedAuditQuery,
  OperatorLogEntry,
  OperatorLogQuery,
} from './operator-history.ts'

const tags = ['Operators: history']

/** The audit logs of all organizations, and the log of what operators did. */
export function operatorHistoryRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/admin/audit-logs',
    {
      access: 'admin:audit:read',
      schema: {
        operationId: 'operatorListAuditLogs',
        summary: 'List the audit events of all organizations',
        description:
          'The newest first. It has what members, operators and support did. The values are those of what operators administer; ' +
          'of anything else, such as projects, an entry names the columns. Without `organization_id` or `actor_id`, the ' +
          'other filters search a range of at most 31 days.',
        tags,
        querystring: OperatedAuditQuery,
        response: { 200: PageSchema(OperatedAuditEntry) },
      },
    },
    request => {
      const { organization_id } = request.query
      return pageOfKnown(request.operator, listAuditLogs(request.query, cursors.open(request)), { organization_id })
    },
  )

  app.get(
    '/admin/operator-log',
    {
      access: 'admin:operator-log:read',
      schema: {
        operationId: 'listOperatorLog',
        summary: 'List what operators did',
        description:
          'The newest first: an entry for each request of an operator that may have changed something. No login of the service can ' +
          'change or delete an entry. What concerns an organization is in its audit log, too.',
        tags,
        querystring: OperatorLogQuery,
        response: { 200: PageSchema(OperatorLogEntry) },
      },
    },
    request => {
      const { organization_id } = request.query
      return pageOfKnown(request.operator, listOperatorLog(request.query, cursors.open(request)), { organization_id })
    },
  )
}
