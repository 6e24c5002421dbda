import { sql } from 'kysely'
import { withinOrganization } from '../../directory/organizations/within-organization.ts'
import { feature } from '../../platform/feature.ts'
import { scheduled } from '../../platform/jobs/jobs.ts'
import type { Codes } from '../../platform/problems.ts'
import { computeStats } from './computing.ts'
import { organizationStatsRoutes, statsRoutes } from './routes.ts'

const permissions = { 'stats:read': 'admin', 'admin:stats:read': 'superuser' } as const

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}

/** Sums of each day, for charts: of the whole service, and of each organization. */
export const stats = feature({
  name: 'stats',
  uses: ['organizations', 'history', 'lockout', 'mfa', 'passkeys', 'sign-in'],
  sql: [new URL('stats.sql', import.meta.url)],
  tags: { Statistics: 'Sums of each day, for charts.' },
  permissions,
  jobs: {
    stats: {
      queue: scheduled,
      concurrency: 1,
      pollingSeconds: 30,
      schedule: '7 * * * *',
      handler:
        ({ system }) =>
        async (_data, _id, signal) =>
          void (await computeStats(system, signal)),
    },
  },
  retention: [{ table: 'organization_daily_stats', key: 'day', isOver: () => sql`day < current_date - 400` }],
  routes: [statsRoutes, withinOrganization(organizationStatsRoutes)],
})
