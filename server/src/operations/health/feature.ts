import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { detailRoutes, statusRoutes } from './detail-routes.ts'
import { takePulse } from './pulse.ts'
import type { Pulse } from './pulse.ts'
import { healthRoutes } from './routes.ts'

const problems = {
  'database-outdated': [
    503,
    'Database outdated',
    'A migration that this version needs has not been applied. Repeat the request later; an operator runs `freehold migrate apply`.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

declare module '../../platform/services.ts' {
  interface Services {
    /** How this process has been doing lately. */
    readonly pulse: Pulse
  }
}

/** Health checks, and the public keys of access tokens. */
export const health = feature({
  name: 'health',
  tags: { System: 'Health, keys and documents.' },
  problems,
  provide: ({ config, log }) => ({ pulse: takePulse(config, log) }),
  close: ({ pulse }) => pulse.stop(),
  routes: [detailRoutes],
  rootRoutes: [healthRoutes, statusRoutes],
})
