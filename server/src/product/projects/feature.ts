import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { projectRoutes } from './routes.ts'

const permissions = { 'projects:read': 'viewer', 'projects:write': 'member' } as const

const problems = {
  'project-slug-taken': [
    409,
    'Project slug taken',
    'Another project of this organization has this slug. Choose another.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** The first resource of an organization, and the model for all others. */
export const projects = feature({
  name: 'projects',
  uses: ['organizations', 'limits'],
  sql: [new URL('projects.sql', import.meta.url)],
  tags: { Projects: "An organization's projects." },
  permissions,
  supportPermissions: ['projects:read', 'projects:write'],
  problems,
  firstSteps: { createProject: 50 },
  routes: [projectRoutes],
})
