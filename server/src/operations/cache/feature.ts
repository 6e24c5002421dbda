import { feature } from '../../platform/feature.ts'
import type { Codes } from '../../platform/problems.ts'
import { cacheRoutes } from './routes.ts'

const permissions = { 'admin:cache:read': 'superuser', 'admin:cache:write': 'superuser' } as const

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}

/** What operators see of the cache and of Redis, and how they clear it. */
export const cache = feature({
  name: 'cache',
  permissions,
  routes: [cacheRoutes],
})
