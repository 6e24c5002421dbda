import { sql } from 'kysely'
import { requireGivenRole, roleRules } from '../../directory/organizations/held-role.ts'
import type { RoleColumns } from '../../directory/organizations/held-role.ts'
import { refusalOfRole, requirePlace, requireTeam } from '../../directory/organizations/organizations.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { get, raw, statement, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import type { FieldError, ProblemCode } from '../../platform/problems.ts'
import { columnsOf, invitationColumns, isOpen, statusOf } from './invitations.ts'
import type { Invitation, NewInvitation } from './invitations.ts'

/** How many invitations of an organization may be open at once. The trigger `keep_open_limit` has the same number. */
const MAX_OPEN = 1000

const query = tables('tenant', 'invitations', 'memberships', 'users', 'roles', 'self')

/** An invitation to send; `row` is its number in the request. */
export type InvitationRow = Omit<NewInvitation, 'role' | 'role_id'> & RoleColumns & { row: number }

/** What became of one: an invitation (a new one, or the one that is open), or the problem. */
export interface SentInvitation {
  row: number
  email: string
  result: 'invited' | 'kept' | 'member' | 'full' | 'refused'
  problem: ProblemCode | undefined
  invitation: Invitation | undefined
}

const problems = {
  member: 'already-member',
  full: 'too-many-open-invitations',
  refused: 'too-many-invitations',
} as const

/** Too many emails within an hour: when to try again. Seconds. */
const RETRY_SECONDS = 3600

/** The organization, and the member who invites to it; null: an operator. */
export interface InvitingPlace {
  organization_id: string
  user_id: string | null
}

/**
 * Invites an address by email, whether or not it has an account: the statements reveal only whether it belongs to a
 * member of this organization, whom the inviter can see. Replaces an open invitation of the address, and its link.
 * @throws Problem already-member, email-unverified, owner-required, personal-organization, step-up-required,
 * role-exceeds-own, too-many-invitations, too-many-open-invitations; invalid-fields when there is no such role, `role`
 * and `role_id` differ, or a guest is to be more than a viewer
 */
export async function createInvitation(
  transaction: Transaction<'tenant'>,
  place: InvitingPlace,
  invitation: NewInvitation,
  hasRecentSignIn: boolean,
): Promise<Invitation> {
  const faults = faultsOfGuest(invitation)
  if (faults.length > 0) throw new Problem('invalid-fields', { errors: faults })
  const { sent, used } = await sendInvitations(
    transaction,
    place,
    [{ ...invitation, ...requireGivenRole(invitation), row: 1 }],
    hasRecentSignIn,
    'replace',
  )
  const [one] = sent
  if (one?.invitation !== undefined) return one.invitation
  throw refusalOf(one?.problem ?? 'internal-error', used)
}

/** A guest is always a viewer. */
export const faultsOfGuest = ({ role, guest }: NewInvitation): FieldError[] =>
  guest === true && role !== 'viewer' ? [{ pointer: '/role', detail: 'must be viewer for a guest' }] : []

/**
 * Invites many addresses with a fixed number of statements. Of rows with one address the first counts. An open
 * invitation of the address is replaced or kept. The results are those of the rows, in their order, and `used` is how
 * many invitations were open before. @throws Problem not-found, email-unverified, personal-organization
 */
export async function sendInvitations(
  transaction: Transaction<'tenant'>,
  place: InvitingPlace,
  rows: readonly InvitationRow[],
  hasRecentSignIn: boolean,
  ofOpen: 'replace' | 'keep',
): Promise<{ sent: SentInvitation[]; used: number }> {
  const { organization_id, user_id } = place
  const inviter = await transaction.run(user_id === null ? requireTeam(organization_id) : requirePlace(organization_id))
  await lockMails(transaction, organization_id)
  const allowed: InvitationRow[] = []
  const refused: SentInvitation[] = []
  const refusals = ofOpen === 'keep' ? await transaction.run(findRefusals(rows)) : new Map<number, ProblemCode>()
  for (const { row, email: given, ...rest } of rows) {
    const email = given.toLowerCase()
    const problem = refusalOfRole(inviter, rest.role, hasRecentSignIn) ?? refusals.get(row)
    if (problem === undefined) allowed.push({ row, email, ...rest })
    else refused.push({ row, email, result: 'refused', problem, invitation: undefined })
  }
  const written =
    allowed.length === 0 ? [] : await transaction.run(writeInvitations(place, allowed, ofOpen === 'replace'))
  const sent = written.map(({ row, invited_email: email, result, used: _used, ...columns }): SentInvitation => {
    const invitation = columns.id === null ? undefined : (columns as Invitation)
    return { row, email, result, invitation, problem: result in problems ? problems[result as 'full'] : undefined }
  })
  return { sent: [...sent, ...refused].sort((one, other) => one.row - other.row), used: written[0]?.used ?? 0 }
}

/**
 * Sends an invitation again: a new link for seven days, which replaces the earlier ones, from the caller. One that is
 * still waiting keeps its time.
 * @throws Problem not-found, invitation-not-open, email-unverified, owner-required, personal-organization,
 * step-up-required, too-many-invitations, too-many-open-invitations
 */
export async function resendInvitation(
  transaction: Transaction<'tenant'>,
  { organization_id, user_id }: InvitingPlace,
  id: string,
  hasRecentSignIn: boolean,
): Promise<Invitation> {
  const inviter = await transaction.run(requirePlace(organization_id))
  await lockMails(transaction, organization_id)
  const { role, status, used } = await transaction.run(lockInvitation(organization_id, id))
  if (status === 'accepted' || status === 'revoked') throw new Problem('invitation-not-open')
  const refusal = refusalOfRole(inviter, role, hasRecentSignIn)
  if (refusal !== undefined) throw new Problem(refusal)
  if (status === 'expired' && used >= MAX_OPEN) throw refusalOf('too-many-open-invitations', used)
  const sent = await transaction.run(
    statement(
      query
        .updateTable('invitations')
        .set({ mail_at: sql<string>`now()`, invited_by: user_id })
        .where('organization_id', '=', organization_id)
        .where('id', '=', id)
        .returning(invitationColumns),
      ([renewed]) => renewed,
      roleRules,
    ),
  )
  // mail_invitation() has skipped the row: its address has had too many emails.
  if (sent === undefined) throw refusalOf('too-many-invitations', used)
  return sent
}

const refusalOf = (code: ProblemCode, used: number): Problem =>
  new Problem(code, {
    ...(code === 'too-many-invitations' && { retryAfter: RETRY_SECONDS }),
    ...(code === 'too-many-open-invitations' && { extension: { limit: MAX_OPEN, used } }),
  })

/**
 * The emails of an organization are scheduled and its open invitations counted one transaction at a time. A statement of
 * its own, so that the next one sees what the one before has committed; and before any invitation is locked.
 * @throws Problem email-unverified: otherwise anyone could email strangers, with a new sign-up for each email
 */
async function lockMails(transaction: Transaction<'tenant'>, organization_id: string): Promise<void> {
  const { email_verified } = await transaction.run(
    get(
      query
        .selectFrom('self')
        .select('email_verified')
        .select(sql`pg_advisory_xact_lock(lock_key('mail', ${`organization ${organization_id}`}))`.as('locked')),
    ),
  )
  if (!email_verified) throw new Problem('email-unverified')
}

/**
 * The rows with a role that the caller may not offer. The trigger `guard_role` refuses them too, but then with the whole
 * statement.
 */
const findRefusals = (rows: readonly InvitationRow[]) =>
  statement(
    raw(
      query,
      sql<{ row: number; refusal: ProblemCode }>`
      with given as materialized (
        select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as given (row integer, role text, role_id uuid)),
      offered as materialized (
        select role, role_id, refusal_of_offer(role, role_id) as refusal from (select distinct role, role_id from given) as each_role)
      select given.row, offered.refusal from given join offered
        on offered.role = given.role and offered.role_id is not distinct from given.role_id and offered.refusal is not null`,
    ),
    found => new Map(found.map(({ row, refusal }) => [row, refusal])),
  )

/** How many invitations of the organization are open. */
const openOf = (organization_id: string) =>
  sql<number>`(select count(*)::int from invitations where organization_id = ${organization_id}::uuid and ${isOpen})`

/** @throws Problem not-found */
const lockInvitation = (organization_id: string, id: string) =>
  get(
    query
      .selectFrom('invitations')
      .select(['role', statusOf.as('status')])
      .select(openOf(organization_id).as('used'))
      .where('organization_id', '=', organization_id)
      .where('id', '=', id)
      .forNoKeyUpdate(),
  )

interface WrittenRow extends Record<keyof Invitation, unknown> {
  row: number
  invited_email: string
  result: SentInvitation['result']
  used: number
}

/**
 * One statement for all rows: sorts out members, open invitations and what exceeds the limit, renews the expired ones
 * (and the open ones, if they are replaced) and adds the others, in the order of the rows. It returns every row. Of a
 * row whose address has had too many emails, mail_invitation() skips the write.
 */
const writeInvitations = (
  { organization_id, user_id }: InvitingPlace,
  rows: readonly InvitationRow[],
  replaces: boolean,
) =>
  statement(
    raw(
      query,
      sql<WrittenRow>`
      with given as materialized (
        select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as given (row integer, email text, role text, role_id uuid, guest boolean, title text, company text)),
      known as materialized (
        select given.*, i.id, coalesce(i.expires_at > now(), false) as is_open, row_number() over (partition by given.email order by given.row) as nth,
          exists (select from users u join memberships m on m.user_id = u.id and m.organization_id = ${organization_id} and m.deleted_at is null
            where u.email = given.email) as is_member
        from given left join invitations i
          on i.organization_id = ${organization_id} and i.email = given.email and i.accepted_at is null and i.revoked_at is null),
      room as materialized (select ${openOf(organization_id)} as used),
      chosen as materialized (
        select * from (select *, count(*) filter (where not is_open) over (order by row) as place from known
          where nth = 1 and not is_member and (not is_open or ${replaces}::boolean)) as wanted
        where is_open or place + (select used from room) <= ${MAX_OPEN}::integer),
      renewed as (
        update invitations i set role = c.role, role_id = c.role_id, guest = coalesce(c.guest, false), title = c.title, company = c.company, invited_by = ${user_id}::uuid, mail_at = now()
        from chosen c where i.organization_id = ${organization_id} and i.id = c.id returning i.*),
      added as (
        insert into invitations (organization_id, email, role, role_id, guest, title, company, invited_by)
        select ${organization_id}::uuid, email, role, role_id, coalesce(guest, false), title, company, ${user_id}::uuid from chosen where id is null order by row returning *),
      shown as (
        select ${columnsOf('renewed')} from renewed union all select ${columnsOf('added')} from added union all
        select ${columnsOf('invitations')} from invitations where organization_id = ${organization_id}
          and id in (select id from known where is_open and not is_member) and id not in (select id from chosen where id is not null))
      select known.row, known.email as invited_email, room.used, shown.*,
        case when known.is_member then 'member' when shown.id is not null then case when known.nth = 1 and chosen.row is not null then 'invited' else 'kept' end
          when chosen.row is not null then 'refused' else 'full' end as result
      from known cross join room left join chosen on chosen.email = known.email left join shown on shown.email = known.email and not known.is_member
      order by known.row`,
    ),
    written => written,
    roleRules,
  )
