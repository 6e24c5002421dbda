import { feature } from '../../platform/feature.ts'
import type { Codes } from '../../platform/problems.ts'
import { operatorHistoryRoutes } from './routes.ts'

// The permission for the audit logs, `admin:audit:read`, is that of the feature history, whose policies name it.
const permissions = { 'admin:operator-log:read': 'superuser' } as const

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}

/** The audit logs of all organizations and the operators' log, for operators. */
export const operatorHistory = feature({
  name: 'operator-history',
  uses: ['history', 'superusers'],
  tags: { 'Operators: history': 'The audit logs of all organizations, and what operators did.' },
  permissions,
  routes: [operatorHistoryRoutes],
})
