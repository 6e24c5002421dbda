import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { licensePlanRoutes } from './routes.ts'

const permissions = { 'admin:license-plans:write': 'superuser' } as const

const problems = {
  'license-plan-code-taken': [409, 'Plan code taken', 'Another plan has this code. Choose another.'],
  'plan-in-use': [
    409,
    'Plan in use',
    'Licenses have this plan, or it is the default. Give them another plan, or make another plan the default, before you delete it.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** The terms of licenses, which operators define. */
export const licensePlans = feature({
  name: 'license-plans',
  uses: ['limits'],
  sql: [new URL('license-plans.sql', import.meta.url)],
  tags: { 'License plans': 'The terms of licenses, which operators define.' },
  permissions,
  problems,
  routes: [licensePlanRoutes],
})
