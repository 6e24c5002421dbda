import { Type } from 'typebox'
import { createProbe, requireConnected, requireStaying } from '../../operations/health/health.ts'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { AnyQuery, success, Success } from './messages.ts'

export function healthRoutes(app: App, services: Pick<Services, 'config' | 'declared'>): void {
  const probe = createProbe(services)
  const rules = { access: 'public', perMinute: Infinity, problems: ['database-outdated'] } as const
  const shared = { tags: ['System'], querystring: AnyQuery }
  const [Healthy, Ready] = [
    Type.Object({ status: Type.Literal('healthy') }),
    Type.Object({ status: Type.Literal('ready') }),
  ]

  app.get(
    '/health',
    {
      ...rules,
      schema: {
        ...shared,
        operationId: 'v5GetHealth',
        summary: 'Get the health of the service',
        response: { 200: Success(Healthy) },
      },
    },
    async ({ visitor }) => {
      requireConnected(await probe(visitor))
      return success({ status: 'healthy' as const })
    },
  )

  app.get(
    '/ready',
    {
      ...rules,
      schema: {
        ...shared,
        operationId: 'v5GetReady',
        summary: 'Check whether the service is ready for requests',
        response: { 200: Success(Ready) },
      },
    },
    async ({ visitor }) => {
      requireStaying(app)
      requireConnected(await probe(visitor))
      return success({ status: 'ready' as const })
    },
  )
}
