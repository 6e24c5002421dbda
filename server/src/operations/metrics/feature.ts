import { feature } from '../../platform/feature.ts'
import type { Metrics } from './metrics.ts'
import { metricsRoutes } from './routes.ts'

declare module '../../platform/services.ts' {
  interface Services {
    /** Undefined unless ENABLE_METRICS is set. */
    readonly metrics: Metrics | undefined
  }
}

/** Metrics for Prometheus. */
export const metrics = feature({
  name: 'metrics',
  uses: ['health', 'history', 'passwords'],
  // The library is loaded only if it is used.
  provide: async services => ({
    metrics: services.config.metrics.enabled ? (await import('./metrics.ts')).createMetrics(services) : undefined,
  }),
  close: services => services.metrics?.stop(),
  rootRoutes: [metricsRoutes],
})
