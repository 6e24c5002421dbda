import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { operatorSessionRoutes } from './routes.ts'

const permissions = { 'admin:sessions:read': 'superuser', 'admin:sessions:write': 'superuser' } as const

const problems = {
  'own-session': [409, 'Own session', 'This is the session of your request. Sign out instead.'],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** The sessions of all users, for operators. */
export const operatorSessions = feature({
  name: 'operator-sessions',
  uses: ['users', 'sessions', 'organizations', 'superusers', 'support', 'operator-users'],
  tags: { 'Operators: sessions': 'The sessions of all users. Only for superusers.' },
  permissions,
  problems,
  routes: [operatorSessionRoutes],
})
