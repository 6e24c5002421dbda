import type { App } from '../../platform/http/route.ts'
import type { Operator } from '../../platform/gate/actor.ts'
import type { PageOf } from '../../platform/database/pagination.ts'
import type { Statement } from '../../platform/database/statement.ts'
import { PageSchema } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  listAuditLogs,
  listOperatorLog,
  OperatedAuditEntry,
  OperatedAuditQuery,
  OperatorLogEntry,
  OperatorLogQuery,
  requireOrganization,
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
          'The newest first. It has what members, operators and support did. `organization_id`, `actor_id`, `entity_id` and `request_id` ' +
          'find their entries by an index; with `action` or `entity_type` alone, also give a range of time.',
        tags,
        querystring: OperatedAuditQuery,
        response: { 200: PageSchema(OperatedAuditEntry) },
      },
    },
    request =>
      listOf(request.operator, request.query.organization_id, listAuditLogs(request.query, cursors.open(request))),
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
    request =>
      listOf(request.operator, request.query.organization_id, listOperatorLog(request.query, cursors.open(request))),
  )
}

/** The page; if it is empty, an unknown organization is told apart from one without entries. @throws Problem invalid-fields */
async function listOf<Item>(
  operator: Operator,
  organization_id: string | undefined,
  list: Statement<'system', PageOf<Item>>,
): Promise<PageOf<Item>> {
  const page = await operator.run(list)
  if (page.items.length === 0 && organization_id !== undefined) await operator.run(requireOrganization(organization_id))
  return page
}
