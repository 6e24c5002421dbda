import { sql } from 'kysely'
import { execute, tables } from '../../platform/database/statement.ts'
import { feature } from '../../platform/feature.ts'
import { scheduled } from '../../platform/jobs/jobs.ts'
import { sessionRoutes } from './routes.ts'
import { noteSessionsOver } from './sessions.ts'

const query = tables('system', 'sessions')

/** Sessions: one for each sign-in on a device. */
export const sessions = feature({
  name: 'sessions',
  uses: ['users'],
  tables: [new URL('sessions.sql', import.meta.url)],
  sql: [new URL('sessions-policies.sql', import.meta.url)],
  tags: { Sessions: "The current user's signed-in devices." },
  jobs: {
    'sessions-over': {
      queue: scheduled,
      concurrency: 1,
      pollingSeconds: 30,
      schedule: '4,19,34,49 * * * *',
      handler:
        ({ system }) =>
        async (_data, _id, signal) =>
          void (await noteSessionsOver(system, signal)),
    },
  },
  retention: [
    {
      table: 'sessions',
      key: 'id',
      // A session lasts at most 90 days, so a recent id already shows that the session cannot be due for deletion.
      isOver: ({ before }) => sql`id < ${before(90)} and coalesce(revoked_at, expires_at) < now() - interval '90 days'`,
    },
  ],
  erasure: ({ id }) => [execute(query.deleteFrom('sessions').where('user_id', '=', id))],
  export: [
    {
      name: 'sessions',
      description: 'Live sessions, and those that expired or were revoked recently.',
      columns: sql`id, organization_id, device_id, methods, authenticated_at, second_factor_at, user_agent, ip, created_at,
        last_seen_at, expires_at, revoked_at, revoked_reason`,
      from: sql`sessions where user_id = (select user_id from self)`,
      key: sql`id`,
    },
  ],
  routes: [sessionRoutes],
})
