import type { App } from '../../platform/http/route.ts'
import { PageSchema } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { pageOfKnown } from '../superusers/known-rows.ts'
import {
  listOwnSecurityEvents,
  listSecurityEvents,
  OwnSecurityEvent,
  OwnSecurityEventQuery,
  SecurityEvent,
  SecurityEventQuery,
} from './security-events.ts'

export function securityEventRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/admin/security-events',
    {
      access: 'admin:security-events:read',
      schema: {
        operationId: 'listSecurityEvents',
        summary: 'List the security events of all accounts',
        description:
          'Sign-ins, failures, lockouts, changes of accounts and sessions. They are kept for a limited time.',
        tags: ['Operators: security events'],
        querystring: SecurityEventQuery,
        response: { 200: PageSchema(SecurityEvent) },
      },
    },
    request => {
      const { user_id, actor_id } = request.query
      const list = listSecurityEvents(request.query, cursors.open(request))
      return pageOfKnown(request.operator, list, { users: { user_id, actor_id } })
    },
  )

  app.get(
    '/users/me/security-events',
    {
      access: 'session',
      schema: {
        operationId: 'listOwnSecurityEvents',
        summary: "List the security events of the current user's account",
        description: 'Sign-ins, failures, lockouts, and changes of the account. They are kept for a limited time.',
        tags: ['People'],
        querystring: OwnSecurityEventQuery,
        response: { 200: PageSchema(OwnSecurityEvent) },
      },
    },
    request => request.actor.account.run(listOwnSecurityEvents(request.query, cursors.open(request))),
  )
}
