import { feature } from '../../platform/feature.ts'
import type { ErrorReports } from './error-reports.ts'

declare module '../../platform/services.ts' {
  interface Services {
    /** Undefined unless SENTRY_DSN is set. */
    readonly errorReports: ErrorReports | undefined
  }
}

/** Reports errors to Sentry. */
export const errorReports = feature({
  name: 'error-reports',
  provide: async ({ config, version, log }) => ({
    errorReports:
      config.sentry === undefined
        ? undefined
        : (await import('./error-reports.ts')).reportErrors(
            config.sentry,
            { version, environment: config.environment },
            log,
          ),
  }),
  close: async services => services.errorReports?.close(),
})
