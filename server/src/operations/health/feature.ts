import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
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

/** Health checks, and the public keys of access tokens. */
export const health = feature({
  name: 'health',
  tags: { System: 'Health, keys and documents.' },
  problems,
  rootRoutes: [healthRoutes],
})
