import { sql } from 'kysely'
import { roleNameOf } from '../../directory/organizations/held-role.ts'
import { withinOrganization } from '../../directory/organizations/within-organization.ts'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { deleteInvitations, invitationToken } from './invitations.ts'
import { invitationLinkToken } from './links.ts'
import { mails, tokenMails } from './mails.ts'
import { bulkRoutes, invitationRoutes, peopleInvitationRoutes } from './routes.ts'

const permissions = { 'invitations:read': 'admin', 'invitations:write': 'admin' } as const

const problems = {
  'invitation-not-open': [
    409,
    'Invitation not open',
    'The invitation was accepted or revoked. To invite the address again, create a new invitation.',
  ],
  'too-many-open-invitations': [
    409,
    'Too many open invitations',
    'The organization has 1,000 open invitations. Revoke some, or wait until some are accepted or expire.',
  ],
  'invitation-ended': [
    410,
    'Invitation ended',
    'The invitation was accepted, replaced or revoked, has expired, or the organization was deleted, or the inviter may no longer invite. Ask for a new one.',
  ],
  'unreadable-csv': [
    422,
    'Unreadable CSV',
    'Send CSV in UTF-8 whose first line names the columns email and role, and optionally role_id, title and company; `errors` says what was found.',
  ],
  'too-many-invitations': [
    429,
    'Too many invitations',
    'This address was sent five invitations within an hour. An open invitation stays valid; wait as long as Retry-After says.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Invitations to an organization, by email. */
export const invitations = feature({
  name: 'invitations',
  uses: ['users', 'organizations', 'roles'],
  sql: [
    new URL('invitations.sql', import.meta.url),
    new URL('live-invitations.sql', import.meta.url),
    new URL('links.sql', import.meta.url),
  ],
  tags: { Invitations: 'Invitations to an organization.' },
  permissions,
  problems,
  tokens: [invitationToken, invitationLinkToken],
  mails,
  tokenMails,
  retention: [
    {
      table: 'invitations',
      key: 'id',
      ofOrganizations: true,
      isOver: () => sql`coalesce(accepted_at, revoked_at, expires_at) < now() - interval '30 days'`,
    },
  ],
  erase: (transaction, { id }) => deleteInvitations(transaction, id),
  export: [
    {
      name: 'invitations',
      description: "Invitations to the user's verified address.",
      columns: sql`i.id, i.organization_id, ${roleNameOf('i')} as role, i.role_id, i.guest, i.title, i.company, i.created_at, i.expires_at, i.accepted_at, i.revoked_at`,
      from: sql`invitations i join users u on u.email = i.email and u.email_verified where u.id = (select user_id from self)`,
      key: sql`i.id`,
    },
  ],
  firstSteps: { createInvitation: 40 },
  routes: [withinOrganization(invitationRoutes), withinOrganization(bulkRoutes), peopleInvitationRoutes],
})
