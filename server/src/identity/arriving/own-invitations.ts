import { sql } from 'kysely'
import type { NotNull } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { HeldRole } from '../../directory/organizations/held-role.ts'
import { OwnOrganization, writeWithin } from '../../directory/organizations/organizations.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { affect, execute, raw, statement, tables } from '../../platform/database/statement.ts'
import { isProblem, Problem } from '../../platform/problems.ts'
import { Id, Name, Nullable, Time } from '../../platform/schemas.ts'
import { accepted, join, joining } from './joining.ts'
import type { AcceptedInvitation } from './messages.ts'

const query = tables('tenant', 'own_invitations', 'own_organizations', 'self')
const system = tables('system', 'invitations', 'live_users')

export const OwnInvitation = Type.Object(
  {
    id: Id,
    organization: Type.Object({ id: Id, name: Name }),
    inviter: Type.Object({ full_name: Nullable(Name) }),
    ...HeldRole,
    title: Nullable(Name),
    company: Nullable(Name),
    expires_at: Time,
    created_at: Time,
  },
  { title: 'OwnInvitation' },
)

const Count = Type.Integer({ minimum: 0, maximum: 2147483647 })
export const OwnPlaces = Type.Object(
  {
    organizations: Type.Array(OwnOrganization, { maxItems: 100, description: 'The oldest membership first.' }),
    organization_count: Count,
    invitations: Type.Array(OwnInvitation, { maxItems: 100, description: 'The newest first.' }),
    invitation_count: Count,
  },
  { title: 'OwnPlaces' },
)
type OwnPlaces = Static<typeof OwnPlaces>

const columns = ['id', 'role', 'role_id', 'role_name', 'title', 'company', 'expires_at', 'created_at'] as const
const organization = sql<{
  id: string
  name: string
}>`jsonb_build_object('id', organization_id, 'name', organization_name)`
const inviter = sql<{ full_name: string | null }>`jsonb_build_object('full_name', inviter_name)`

const invitationPages = pagesOf(() =>
  query
    .selectFrom('own_invitations')
    .select(columns)
    .select([organization.as('organization'), inviter.as('inviter')])
    // A view on a view has no column that is known to be set.
    .$narrowType<{ id: NotNull; role: NotNull; expires_at: NotNull; created_at: NotNull }>(),
)

/**
 * The open invitations to the verified address of the current user, the newest first. None while the address is
 * unverified, because it may be a stranger's.
 */
export const listOwnInvitations = (page: Page) => invitationPages({}, orderOf('-created_at', 'own_invitations'), page)

/** Where the current user is a member and is invited, at most 100 of each, with their numbers; in one statement. */
export const listOwnPlaces = statement(
  raw(
    query,
    sql<{ part: 'organization' | 'invitation' | null; organization_count: number; invitation_count: number }>`
      select place.*, (select count(*)::int from own_organizations) as organization_count, (select count(*)::int from own_invitations) as invitation_count
      from self left join lateral (
        (select 'organization' as part, row_number() over (order by joined_at, id) as position, id, kind, name, slug, second_factor_required,
            suspended_at, role, role_id, role_name, created_at, updated_at, null::jsonb as organization, null::jsonb as inviter, null as title, null as company, null::timestamptz as expires_at
          from own_organizations order by joined_at, id limit 100)
        union all
        (select 'invitation', row_number() over (order by id desc), id, null, null, null, null, null, role, role_id, role_name, created_at, null,
            ${organization}, ${inviter}, title, company, expires_at
          from own_invitations order by id desc limit 100)) as place on true
      order by part desc, position`,
  ),
  (rows): OwnPlaces => {
    const [first] = rows
    if (first === undefined) throw new Problem('session-ended')
    const { organization_count, invitation_count } = first
    const of = (part: string) => rows.filter(row => row.part === part) as unknown
    return {
      organizations: of('organization') as OwnPlaces['organizations'],
      organization_count,
      invitations: of('invitation') as OwnPlaces['invitations'],
      invitation_count,
    }
  },
)

/** An invitation of the current user. */
interface OwnRef {
  id: string
  user_id: string
}

/**
 * Accepts an invitation to the verified address of the current user, without its link.
 * @throws Problem not-found, invitation-ended, organization-suspended, already-member
 */
export const acceptOwnInvitation = async (
  visitor: SystemRunner,
  { id, user_id }: OwnRef,
): Promise<AcceptedInvitation> =>
  accepted(
    await joining(visitor, user_id, async transaction => {
      const { organization_id } = await transaction.run(findOrganization({ id, user_id }))
      const invited = { organization_id, invitation_id: id }
      return join(transaction, invited, { user_id, address: 'must-be-verified' })
    }),
  )

/**
 * Declines an invitation, which revokes it. The audit log of the organization names the account, but not its client
 * address: the user is no member. @throws Problem not-found, invitation-ended
 */
export const declineOwnInvitation = (visitor: SystemRunner, { id, user_id }: OwnRef): Promise<void> =>
  joining(visitor, user_id, async transaction => {
    const { organization_id } = await transaction.run(findOrganization({ id, user_id }))
    await transaction.run(writeWithin(organization_id))
    await transaction.run(hideClient)
    await decline(transaction, organization_id, { id, user_id })
  })

/** The organization of an invitation to the user's verified address, in any state. @throws Problem not-found (when read) */
const findOrganization = ({ id, user_id }: OwnRef) =>
  statement(
    system
      .selectFrom('invitations')
      .innerJoin('live_users', 'live_users.email', 'invitations.email')
      .select('invitations.organization_id')
      .where('invitations.id', '=', id)
      .where('live_users.id', '=', user_id)
      .where('live_users.email_verified', '=', true),
    // An id is unique only within its organization.
    ([found, ...others]) => {
      if (found === undefined || others.length > 0) throw new Problem('not-found')
      return found
    },
  )

const hideClient = execute(
  raw(
    system,
    sql`select set_config('app.context', (current_setting('app.context')::jsonb - 'ip' - 'user_agent')::text, true)`,
  ),
)

/** @throws Problem invitation-ended */
async function decline(
  transaction: Transaction<'system'>,
  organization_id: string,
  { id, user_id }: OwnRef,
): Promise<void> {
  const revoke = system
    .updateTable('invitations')
    .from('live_users')
    .set({ revoked_at: sql<string>`now()` })
    .where('invitations.organization_id', '=', organization_id)
    .where('invitations.id', '=', id)
    .where('invitations.accepted_at', 'is', null)
    .where('invitations.revoked_at', 'is', null)
    .whereRef('live_users.email', '=', 'invitations.email')
    .where('live_users.id', '=', user_id)
    .where('live_users.email_verified', '=', true)
    .returning('invitations.id')
  await transaction.run(affect(revoke)).catch((error: unknown) => {
    throw isProblem(error, 'not-found') ? new Problem('invitation-ended') : error
  })
}
