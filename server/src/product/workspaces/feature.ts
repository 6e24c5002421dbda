import { feature } from '../../platform/feature.ts'
import type { Codes } from '../../platform/problems.ts'
import { workspaceRoutes } from './routes.ts'

const permissions = { 'workspaces:read': 'viewer', 'workspaces:write': 'member' } as const

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}

/** Places where members work, such as an editor with its terminal, each with the path that its tools use. */
export const workspaces = feature({
  name: 'workspaces',
  uses: ['organizations', 'limits', 'projects'],
  sql: [new URL('workspaces.sql', import.meta.url)],
  tags: { Workspaces: 'Places where members work, each with the path that its tools use.' },
  permissions,
  supportPermissions: ['workspaces:read', 'workspaces:write'],
  routes: [workspaceRoutes],
})
