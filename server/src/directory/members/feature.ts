import { sql } from 'kysely'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { withinOrganization } from '../organizations/within-organization.ts'
import { mails, membershipRestored } from './mails.ts'
import { memberRoutes } from './routes.ts'

const permissions = { 'members:read': 'viewer', 'members:write': 'admin' } as const

const problems = {
  'already-member': [409, 'Already a member', 'This person belongs to the organization already.'],
  'last-owner': [
    409,
    'Last owner',
    'An organization keeps one owner. Make another member an owner, transfer the organization, or delete it first.',
  ],
  'member-account-deleted': [
    409,
    'Account of the member deleted',
    'The account of this member is deleted and may be restored, with the membership. Remove the member, or wait.',
  ],
  'member-not-restorable': [
    409,
    'Member not restorable',
    'Only a member whom an administrator removed in the last 30 days, and whose account is there, can be restored. Invite the address instead.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Who belongs to an organization, in which role. */
export const members = feature({
  name: 'members',
  uses: ['users', 'organizations', 'history'],
  sql: [new URL('members.sql', import.meta.url)],
  tags: { Members: 'Who belongs to an organization, in which role.' },
  permissions,
  problems,
  events: [membershipRestored],
  mails,
  export: [
    {
      name: 'memberships',
      description: 'Present and past. Of a past one the organization is not named any more.',
      columns: sql`m.organization_id, case when m.deleted_at is null then o.name end as name,
        case when m.deleted_at is null then o.slug end as slug, o.kind, m.role, m.title, m.company, m.disabled_at, m.created_at, m.deleted_at as ended_at, m.removed_at`,
      from: sql`memberships m join organizations o on o.id = m.organization_id where m.user_id = (select user_id from self)`,
      key: sql`m.organization_id`,
    },
  ],
  routes: [withinOrganization(memberRoutes)],
})
