import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'

const permissions = {
  'licenses:read': 'admin',
  'admin:licenses:read': 'superuser',
  'admin:licenses:write': 'superuser',
  'admin:licenses:reinstate': 'superuser',
} as const

const problems = {
  'malformed-key': [
    422,
    'Malformed key',
    'This is not a licence key: a character is wrong, missing or swapped. Compare it with the key that was issued.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** What an organization has acquired: a key for its programs, and an allowance for itself. */
export const licenses = feature({
  name: 'licenses',
  uses: ['organizations', 'license-plans', 'limits'],
  sql: [new URL('licenses.sql', import.meta.url)],
  permissions,
  problems,
})
