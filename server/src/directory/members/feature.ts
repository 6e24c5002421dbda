import { sql } from 'kysely'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { roleNameOf } from '../organizations/held-role.ts'
import { withinOrganization } from '../organizations/within-organization.ts'
import { mails, membershipRestored, ownerEvents } from './mails.ts'
import { memberRoutes, membershipRoutes, peopleRoutes } from './routes.ts'

const permissions = { 'members:read': 'viewer', 'members:write': 'admin' } as const

const problems = {
  'already-member': [409, 'Already a member', 'This user is already a member of the organization.'],
  'last-owner': [
    409,
    'Last owner',
    'An organization must have an owner. First make another member an owner, transfer the organization, or delete it.',
  ],
  'own-membership': [
    409,
    'Own membership',
    'You cannot disable your own membership. Leave the organization, or ask another administrator.',
  ],
  'member-account-deleted': [
    409,
    'Account of the member deleted',
    'The account of this member is deleted; it may still be restored together with the membership. Remove the member, or wait.',
  ],
  'member-not-restorable': [
    409,
    'Member not restorable',
    'A member can be restored only within 30 days of the removal by an administrator, and while the account exists. Invite the address instead.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** The members of an organization and their roles. */
export const members = feature({
  name: 'members',
  uses: ['users', 'organizations', 'history'],
  sql: [
    new URL('members.sql', import.meta.url),
    new URL('member-words.sql', import.meta.url),
    new URL('owners.sql', import.meta.url),
  ],
  tags: { Members: 'The members of an organization and their roles.' },
  permissions,
  problems,
  events: [membershipRestored, ...ownerEvents],
  mails,
  export: [
    {
      name: 'memberships',
      description: 'Current and former memberships. The organization of a former membership has no name here.',
      columns: sql`m.organization_id, case when m.deleted_at is null then o.name end as name,
        case when m.deleted_at is null then o.slug end as slug, o.kind, ${roleNameOf('m')} as role, m.role_id, m.title, m.company, m.disabled_at, m.created_at, m.deleted_at as ended_at, m.removed_at`,
      from: sql`memberships m join organizations o on o.id = m.organization_id where m.user_id = (select user_id from self)`,
      key: sql`m.organization_id`,
    },
  ],
  routes: [withinOrganization(memberRoutes), withinOrganization(membershipRoutes), peopleRoutes],
})
