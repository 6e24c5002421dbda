import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import {
  accountDisabled,
  accountEnabled,
  invitedByOperator,
  mails,
  passwordRequired,
  superuserGranted,
  superuserRevoked,
} from './mails.ts'
import { operatorUserRoutes } from './routes.ts'

const permissions = { 'admin:users:read': 'superuser', 'admin:users:write': 'superuser' } as const

const problems = {
  'own-account': [
    409,
    'Own account',
    'Operators do not do this to their own account. Ask another operator, or use /api/v1/users/me and /api/v1/auth.',
  ],
  'account-without-password': [
    409,
    'Account without a password',
    'The account has no password that could be replaced: its user signs in with a passkey or a provider.',
  ],
  'guest-holds-roles': [
    409,
    'Guest holds roles',
    'A guest is a viewer in every organization and has no personal one. First change the roles of the account.',
  ],
  'bulk-refused': [
    409,
    'Bulk action refused',
    'Nothing was changed, because some items were not found or refused: `results` says which. Leave them out, or leave out `all_or_nothing`.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** All accounts, for operators: lists, changes and bulk actions. */
export const operatorUsers = feature({
  name: 'operator-users',
  uses: [
    'users',
    'sessions',
    'organizations',
    'history',
    'members',
    'factors',
    'lockout',
    'leaving',
    'invitations',
    'superusers',
    'support',
  ],
  sql: [new URL('operator-users.sql', import.meta.url)],
  tags: { 'Operators: users': 'All accounts. Only for superusers.' },
  permissions,
  problems,
  events: [accountDisabled, accountEnabled, superuserGranted, superuserRevoked, passwordRequired, invitedByOperator],
  mails,
  routes: [operatorUserRoutes],
})
