import { sql } from 'kysely'
import { withinOrganization } from '../../directory/organizations/within-organization.ts'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { deleteInvitations, invitationToken } from './invitations.ts'
import { mails, tokenMails } from './mails.ts'
import { invitationPages } from './pages.ts'
import { acceptanceRoutes, invitationRoutes } from './routes.ts'

const permissions = { 'invitations:read': 'admin', 'invitations:write': 'admin' } as const

const problems = {
  'invitation-for-another': [
    403,
    'Invitation for another address',
    'The invitation went to another address than that of your account. Sign in with the account of that address.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Inviting people into an organization, by mail. */
export const invitations = feature({
  name: 'invitations',
  uses: ['users', 'organizations', 'accounts', 'passwords'],
  sql: [new URL('invitations.sql', import.meta.url)],
  tags: { Invitations: 'Inviting people into an organization.' },
  permissions,
  problems,
  tokens: [invitationToken],
  mails,
  tokenMails,
  erase: (transaction, { email }) => deleteInvitations(transaction, email),
  export: [
    {
      name: 'invitations',
      description: "To the user's address, once it is confirmed.",
      columns: sql`i.id, i.organization_id, i.role, i.created_at, i.expires_at, i.accepted_at, i.revoked_at`,
      from: sql`invitations i join users u on u.email = i.email and u.email_verified where u.id = (select user_id from self)`,
      key: sql`i.id`,
    },
  ],
  routes: [withinOrganization(invitationRoutes), acceptanceRoutes],
  pages: invitationPages,
})
