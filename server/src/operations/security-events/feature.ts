import { feature } from '../../platform/feature.ts'
import type { Codes } from '../../platform/problems.ts'
import { securityEventRoutes } from './routes.ts'

const permissions = { 'admin:security-events:read': 'superuser' } as const

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}

/** The security events of all accounts, for operators, and a user's own. */
export const securityEvents = feature({
  name: 'security-events',
  uses: ['history', 'superusers'],
  tags: { 'Operators: security events': 'What happened to accounts and sessions. Only for superusers.' },
  permissions,
  routes: [securityEventRoutes],
})
