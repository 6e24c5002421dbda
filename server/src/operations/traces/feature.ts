import { feature } from '../../platform/feature.ts'
import type { Tracing } from './tracing.ts'

declare module '../../platform/services.ts' {
  interface Services {
    /** Undefined unless OTEL_EXPORTER_OTLP_ENDPOINT is set. */
    readonly tracing: Tracing | undefined
  }
}

/** Traces of requests, statements and jobs for OpenTelemetry. */
export const traces = feature({
  name: 'traces',
  // The libraries are loaded only if they are used.
  provide: async ({ config, version, log }) => ({
    tracing:
      config.traces === undefined
        ? undefined
        : (await import('./tracing.ts')).startTracing(config.traces, {
            version,
            environment: config.environment,
            log,
          }),
  }),
  close: async ({ tracing }) => tracing?.close(),
})
