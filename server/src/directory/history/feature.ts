import { sql } from 'kysely'
import { execute, raw, tables } from '../../platform/database/statement.ts'
import { feature } from '../../platform/feature.ts'
import type { Codes } from '../../platform/problems.ts'
import { historyRoutes } from './routes.ts'

const query = tables('system', 'security_events', 'operator_log')

const permissions = { 'audit:read': 'admin', 'admin:audit:read': 'superuser' } as const

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}

/** The audit log of each organization, and the security events of accounts. */
export const history = feature({
  name: 'history',
  uses: ['users', 'sessions', 'organizations'],
  sql: [new URL('history.sql', import.meta.url)],
  tags: { Audit: 'Who changed what, when and from where.' },
  permissions,
  retention: [
    {
      table: 'security_events',
      key: 'id',
      isOver: ({ before, services }) => sql`id < ${before(services.config.securityEventsDays)}`,
    },
  ],
  erasure: ({ id }) => [
    execute(raw(query, sql`update security_events set ip = null, user_agent = null where user_id = ${id}`)),
    execute(
      raw(
        query,
        sql`update security_events set ip = null, user_agent = null where actor_id = ${id} and actor_id is distinct from user_id`,
      ),
    ),
    execute(raw(query, sql`update operator_log set ip = null, user_agent = null where actor_id = ${id}`)),
  ],
  export: [
    {
      name: 'security_events',
      description: 'What happened to the account.',
      // The IP address and user agent of another user are that user's data.
      columns: sql`id, type, session_id, actor_id, request_id, details, created_at,
        case when actor_id is null or actor_id = user_id then ip end as ip, case when actor_id is null or actor_id = user_id then user_agent end as user_agent`,
      from: sql`security_events where user_id = (select user_id from self)`,
      key: sql`id`,
    },
  ],
  routes: [historyRoutes],
})
