import { Type } from 'typebox'
import { isFromOperator, requireOperator } from '../../platform/gate/operator-access.ts'
import type { App } from '../../platform/http/route.ts'
import { OneOf } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  DatabaseHealth,
  describeDatabase,
  describeHealth,
  describeState,
  describeSystem,
  DetailedHealth,
  HealthWithComponents,
  SystemInfo,
} from './details.ts'
import { createProbe } from './health.ts'

const tags = ['System']

/** Details are public only if PUBLIC_MONITORING is set. */
const guarded = { access: 'public', problems: ['not-signed-in', 'permission-missing', 'session-ended'] } as const

const Alive = Type.Object({ status: OneOf(['healthy', 'unhealthy']) }, { title: 'Alive' })

/** The paths below `/api`. */
export function statusRoutes(app: App, services: Services): void {
  const { config } = services
  const probe = createProbe(services)

  app.get(
    '/api/healthz',
    {
      access: 'public',
      perMinute: Infinity,
      schema: {
        operationId: 'getAlive',
        summary: 'Check whether the service is healthy',
        description: 'The status of `/health`, alone.',
        tags,
        response: { 200: Alive, 503: Alive },
      },
    },
    async ({ visitor }, reply) => {
      const { state } = await probe(visitor)
      const isHealthy = state === 'connected'
      return reply.code(isHealthy ? 200 : 503).send({ status: isHealthy ? 'healthy' : 'unhealthy' })
    },
  )

  app.get(
    '/api/health',
    {
      access: 'public',
      perMinute: Infinity,
      schema: {
        operationId: 'getComponents',
        summary: 'Get the health of the service and its components',
        description: 'The components are for operators, unless `PUBLIC_MONITORING` is set.',
        tags,
        response: { 200: HealthWithComponents, 503: HealthWithComponents },
      },
    },
    async (request, reply) => {
      const probed = await probe(request.visitor)
      // The status is for everyone, so a session that has ended, or cannot be checked, is no reason to refuse.
      const isOperator =
        config.publicMonitoring || (await isFromOperator(request, config.metrics.token).catch(() => false))
      const found = isOperator
        ? await describeHealth(services, request.visitor, probed)
        : {
            ...describeState(services, probed.state === 'connected' ? 'healthy' : 'unhealthy'),
            components: undefined,
          }
      const { status, version, environment, timestamp, components } = found
      return reply.code(status === 'unhealthy' ? 503 : 200).send({
        status,
        version,
        environment,
        timestamp,
        database: probed.state,
        ...(components !== undefined && { components }),
      })
    },
  )

  app.get(
    '/api/system/info',
    {
      ...guarded,
      schema: {
        operationId: 'getSystemInfo',
        summary: 'Get the version, environment and enabled features',
        description: 'For operators, unless `PUBLIC_MONITORING` is set.',
        tags,
        response: { 200: SystemInfo },
      },
    },
    async request => {
      if (!config.publicMonitoring) await requireOperator(request, config.metrics.token)
      return describeSystem(services)
    },
  )
}

/** The paths below `/api/v1`. */
export function detailRoutes(app: App, services: Services): void {
  const { config } = services
  const probe = createProbe(services)

  app.get(
    '/health/detailed',
    {
      ...guarded,
      schema: {
        operationId: 'getDetailedHealth',
        summary: 'Get components, response times, error rate and resource use',
        description:
          'Times, errors and resources are those of the process that answers, of the last five minutes. For operators, ' +
          'unless `PUBLIC_MONITORING` is set.',
        tags,
        response: { 200: DetailedHealth, 503: DetailedHealth },
      },
    },
    async (request, reply) => {
      if (!config.publicMonitoring) await requireOperator(request, config.metrics.token)
      const found = await describeHealth(services, request.visitor, await probe(request.visitor))
      return reply.code(found.status === 'unhealthy' ? 503 : 200).send(found)
    },
  )

  app.get(
    '/health/database',
    {
      ...guarded,
      schema: {
        operationId: 'getDatabaseHealth',
        summary: 'Get connections, query times, slow queries and the oldest transaction',
        description:
          'Pools, query times and slow queries are those of the process that answers; the times of the last five minutes, and ' +
          'up to 50 slow queries since its start. For operators, unless `PUBLIC_MONITORING` is set.',
        tags,
        response: { 200: DatabaseHealth, 503: DatabaseHealth },
      },
    },
    async (request, reply) => {
      if (!config.publicMonitoring) await requireOperator(request, config.metrics.token)
      const found = await describeDatabase(services, request.visitor, await probe(request.visitor))
      return reply.code(found.status === 'unhealthy' ? 503 : 200).send(found)
    },
  )
}
