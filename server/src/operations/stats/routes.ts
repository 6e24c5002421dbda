import type { App } from '../../platform/http/route.ts'
import { IdOf, Strict } from '../../platform/schemas.ts'
import { readDays, readMetrics, SeriesQuery } from './series.ts'
import { metrics, organizationMetrics, OrganizationStats, readOrganizationStats, readStats, Stats } from './stats.ts'

const freshness = 'Computed every hour; the numbers of today grow until the day has ended.'

/** The statistics of the service, for operators. */
export function statsRoutes(app: App): void {
  app.get(
    '/admin/stats',
    {
      access: 'admin:stats:read',
      schema: {
        operationId: 'getStats',
        summary: 'Get statistics of the service for charts',
        description: freshness,
        tags: ['Statistics'],
        querystring: SeriesQuery,
        response: { 200: Stats },
      },
    },
    ({ operator, query }) => operator.run(readStats(readDays(query), readMetrics(query, metrics))),
  )
}

/** The statistics of the current organization, below `/organizations/{id}`. */
export function organizationStatsRoutes(app: App): void {
  app.get(
    '/stats',
    {
      access: 'stats:read',
      schema: {
        operationId: 'getOrganizationStats',
        summary: 'Get statistics of the organization for charts',
        description: freshness,
        tags: ['Statistics'],
        params: Strict({ id: IdOf('organization') }),
        querystring: SeriesQuery,
        response: { 200: OrganizationStats },
      },
    },
    ({ actor, query, params: { id } }) =>
      actor.run(readOrganizationStats(id, readDays(query), readMetrics(query, organizationMetrics))),
  )
}
