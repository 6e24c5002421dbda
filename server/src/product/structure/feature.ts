import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { branchRoutes, companyRoutes, departmentRoutes, structureRoutes } from './routes.ts'

const permissions = { 'structure:read': 'viewer', 'structure:write': 'admin' } as const

const problems = {
  'company-code-taken': [
    409,
    'Company code taken',
    'Another company of this organization has this code. Choose another.',
  ],
  'branch-code-taken': [409, 'Branch code taken', 'Another branch of this company has this code. Choose another.'],
  'department-code-taken': [
    409,
    'Department code taken',
    'Another department of this company has this code. Choose another; if a branch moves, change the code of its department first.',
  ],
  'parent-in-another-company': [
    409,
    'Parent in another company',
    'A department is below a department of the same branch, and this parent belongs to another company. Choose another parent.',
  ],
  'parent-in-another-branch': [
    409,
    'Parent in another branch',
    'A department is below a department of the same branch, and this parent belongs to another one. Choose another parent, or send `branch_id` and `parent_id` together.',
  ],
  'department-below-itself': [
    409,
    'Department below itself',
    'This parent is the department itself or one of those below it. Choose another parent, or move that one first.',
  ],
  'department-too-deep': [
    409,
    'Department too deep',
    'Departments nest at most 30 levels deep, and with this parent there would be more. Choose a parent further up.',
  ],
  'structure-too-large': [
    422,
    'Structure too large',
    'The tree would have more than 20000 nodes. Ask for a part with `root`, for fewer levels with `depth`, or use the lists.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Companies, branches and departments, and who works where. */
export const structure = feature({
  name: 'structure',
  uses: ['users', 'organizations'],
  sql: [new URL('structure.sql', import.meta.url)],
  tags: { Structure: 'The companies, branches and departments of an organization, and the people in them.' },
  permissions,
  supportPermissions: ['structure:read'],
  problems,
  routes: [companyRoutes, branchRoutes, departmentRoutes, structureRoutes],
})
