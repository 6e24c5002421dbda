import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { invitationPages } from './pages.ts'
import { acceptanceRoutes, ownInvitationRoutes } from './routes.ts'

const problems = {
  'invitation-for-another': [
    403,
    'Invitation for another address',
    'The invitation was sent to an address other than that of your account. Sign in with the account of that address.',
  ],
  'invitation-needs-sign-in': [
    401,
    'Sign in to accept',
    'This link was handed over, so it does not verify the address, and an account with the address may exist. Sign in with that account, and accept with its access token.',
  ],
  'account-unavailable': [
    409,
    'Account unavailable',
    'The account of this address is deleted or disabled, or the address belonged to an erased account. Restore the account, or ask for an invitation to another address.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** How an invited user finds, accepts and declines an invitation. */
export const arriving = feature({
  name: 'arriving',
  uses: ['users', 'organizations', 'accounts', 'passwords', 'factors', 'invitations'],
  sql: [new URL('own-invitations.sql', import.meta.url)],
  problems,
  routes: [acceptanceRoutes, ownInvitationRoutes],
  pages: invitationPages,
})
