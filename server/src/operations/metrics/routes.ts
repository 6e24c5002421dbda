import { requireOperator } from '../../platform/gate/operator-access.ts'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'

/** `/metrics`, if metrics are turned on. */
export function metricsRoutes(app: App, { config, metrics }: Services): void {
  if (metrics === undefined) return
  app.get('/metrics', { access: 'public', perMinute: Infinity, schema: { hide: true } }, async (request, reply) => {
    if (!config.publicMonitoring) await requireOperator(request, config.metrics.token)
    return reply
      .type(metrics.type)
      .header('cache-control', 'no-store')
      .send(await metrics.render(request.visitor))
  })
}
