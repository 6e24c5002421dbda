import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { withinOrganization } from '../organizations/within-organization.ts'
import { limitRoutes, operatorLimitRoutes } from './routes.ts'

const permissions = { 'admin:limits:read': 'superuser' } as const

const problems = {
  'seats-exhausted': [
    409,
    'Seats exhausted',
    'All seats of this organization are taken: `limit` is their number, `used` how many are taken. An administrator can remove or disable a member, or ask for a larger license.',
  ],
  'quota-exhausted': [
    409,
    'Quota exhausted',
    'The organization has reached the quota that `limit_key` names: `limit` is the maximum, `used` the present number. Delete what is no longer needed, or ask for a larger license.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** How much an organization may use, and what it is entitled to. */
export const limits = feature({
  name: 'limits',
  uses: ['users', 'organizations'],
  tables: [new URL('limits.sql', import.meta.url)],
  sql: [new URL('limits-policies.sql', import.meta.url)],
  tags: { Limits: 'How much an organization may use, and what it is entitled to.' },
  permissions,
  problems,
  routes: [withinOrganization(limitRoutes), operatorLimitRoutes],
})
