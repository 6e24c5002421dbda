import { sql } from 'kysely'
import type { RoleColumns } from '../../directory/organizations/held-role.ts'
import { joinOrganization, lockPlace, writeWithin } from '../../directory/organizations/organizations.ts'
import { announceOrganization } from '../../directory/users/users.ts'
import { openId } from '../../platform/crypto/sealing.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { execute, find, raw, tables } from '../../platform/database/statement.ts'
import { isProblem, Problem } from '../../platform/problems.ts'
import { openToken, presentedToken } from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken, TokenKind } from '../../platform/tokens/one-time-tokens.ts'
import { runForLink } from '../accounts/links.ts'
import { invitationToken } from '../invitations/invitations.ts'
import { invitationLinkToken, mayHandOver, mayStillInvite } from '../invitations/links.ts'
import type { AcceptedInvitation, InvitationPreview } from './messages.ts'

const query = tables('system', 'invitations', 'organizations', 'users', 'live_users', 'account_addresses')

/** An invitation, as a link names it. */
interface Invited {
  organization_id: string
  invitation_id: string
  /** The version that the link was made for; any, if the user accepts without a link. */
  version?: number | undefined
  /** Who made the link, if it was handed over. */
  made_by?: string | undefined
}

export type InvitationToken = OpenToken<Invited>

/** Runs `work`, in which a user joins an organization or declines to. */
export const joining = <Result>(
  visitor: SystemRunner,
  user_id: string,
  work: (transaction: Transaction<'system'>) => Promise<Result>,
): Promise<Result> =>
  // system: an invited user has no role in the organization yet, and the tenant login cannot read links
  visitor.with({ user_id }).transaction(work)

/**
 * The token that a client presents. A used or expired token of ours is distinguished from an invalid one. @throws
 * Problem invalid-token, invitation-ended
 */
export async function presentedInvitation(
  visitor: SystemRunner,
  key: Buffer,
  sealed: string,
): Promise<InvitationToken> {
  const isHandedOver = openId(key, invitationLinkToken.purpose, sealed) !== undefined
  const kind: TokenKind = isHandedOver ? invitationLinkToken : invitationToken
  openToken(key, kind, sealed)
  try {
    return (await presentedToken(visitor, key, kind, sealed)) as InvitationToken
  } catch (error) {
    if (!isProblem(error, 'invalid-token')) throw error
    throw new Problem('invitation-ended', { cause: error })
  }
}

/**
 * Finds the open invitation and the account of its address, before an account is created in vain. Under a session, only
 * if the account is that of the session's user. @throws Problem invitation-ended, organization-suspended
 */
export async function getOpen(
  visitor: SystemRunner,
  { email, details: { organization_id, invitation_id, version, made_by } }: InvitationToken,
  user_id: string | undefined,
) {
  const open = find(
    query
      .selectFrom('invitations')
      .innerJoin('organizations', 'organizations.id', 'invitations.organization_id')
      .leftJoin('live_users as inviting', 'inviting.id', 'invitations.invited_by')
      .leftJoin('users as taken', 'taken.email', 'invitations.email')
      .leftJoin('live_users as account', join => {
        const ofAddress = join.onRef('account.id', '=', 'taken.id')
        return user_id === undefined ? ofAddress : ofAddress.on('account.id', '=', user_id)
      })
      .select(['invitations.email', 'invitations.guest', 'account.id as account_id', 'account.email_verified'])
      .select([
        'organizations.name as organization',
        'organizations.suspended_at',
        'inviting.full_name',
        'inviting.given_name',
      ])
      .select(sql<boolean>`taken.disabled_at is not null or taken.deleted_at is not null`.as('is_unavailable'))
      .where('invitations.organization_id', '=', organization_id)
      .where('invitations.id', '=', invitation_id)
      .where('invitations.version', '=', Number(version))
      .where('invitations.email', '=', email)
      .where('invitations.accepted_at', 'is', null)
      .where('invitations.revoked_at', 'is', null)
      .where(isInTime(made_by))
      .where(mayHandOver(made_by))
      .where('organizations.deleted_at', 'is', null)
      .where(mayStillInvite),
  )
  const found = await runForLink(visitor, open)
  if (found === undefined) throw new Problem('invitation-ended')
  const { suspended_at } = found
  if (suspended_at !== null) throw new Problem('organization-suspended', { extension: { suspended_at } })
  return found
}

/** A link that was handed over has its own expiry, which its token has. */
const isInTime = (made_by: string | undefined) =>
  made_by === undefined ? sql<boolean>`invitations.expires_at > now()` : sql<boolean>`true`

/** Throws only after the commit, because the used-up invitation must persist. @throws Problem already-member */
export function accepted(joined: AcceptedInvitation | undefined): AcceptedInvitation {
  if (joined === undefined) throw new Problem('already-member')
  return joined
}

/**
 * What the invitation of a link offers; only for a holder of the link. Names the inviter as the email does, and never by
 * an address. @throws Problem invitation-ended, account-unavailable
 */
export async function previewInvitation(visitor: SystemRunner, token: InvitationToken): Promise<InvitationPreview> {
  const { account_id, email, organization, full_name, given_name, is_unavailable } = await getOpen(
    visitor,
    token,
    undefined,
  )
  const isHandedOver = token.details.made_by !== undefined
  if (is_unavailable && !isHandedOver) throw new Problem('account-unavailable')
  return {
    organization_name: organization,
    inviter_name: full_name ?? given_name,
    email,
    creates_account: isHandedOver ? null : account_id === null,
  }
}

interface Joining {
  user_id: string
  /** What the acceptance says about the address of the account. */
  address: 'is-verified' | 'must-be-verified' | 'stays'
}

/**
 * Undefined: the user is a member already, and the invitation is used up. @throws Problem invitation-ended,
 * organization-suspended, seats-exhausted
 */
export async function join(
  transaction: Transaction<'system'>,
  { organization_id, invitation_id, version, made_by }: Invited,
  { user_id, address }: Joining,
): Promise<AcceptedInvitation | undefined> {
  await transaction.run(writeWithin(organization_id))
  await transaction.run(lockPlace(organization_id, user_id))
  // Of concurrent requests, one finds it open. The triggers `mail_update` and `spend_links` spend its links.
  const open = query
    .updateTable('invitations')
    .from(['organizations', 'live_users as joining'])
    .set({ accepted_at: sql<string>`now()` })
    .whereRef('organizations.id', '=', 'invitations.organization_id')
    .where('organizations.deleted_at', 'is', null)
    // The account may have been deleted, or its address changed, while its lock was waited for.
    .where('joining.id', '=', user_id)
    .whereRef('joining.email', '=', 'invitations.email')
    .where(sql<boolean>`(joining.email_verified or ${address} <> 'must-be-verified')`)
    .where('invitations.organization_id', '=', organization_id)
    .where('invitations.id', '=', invitation_id)
    .where('invitations.accepted_at', 'is', null)
    .where('invitations.revoked_at', 'is', null)
    .where(isInTime(made_by))
    .where(mayHandOver(made_by))
    .where(mayStillInvite)
    .returning(['invitations.role', 'invitations.role_id', 'invitations.title', 'invitations.company'])
    .returning('joining.guest')
  const invitation = await transaction.run(
    find(version === undefined ? open : open.where('invitations.version', '=', version)),
  )
  if (invitation === undefined) throw new Problem('invitation-ended')
  const { title, company, guest } = invitation
  const held: RoleColumns = guest ? { role: 'viewer', role_id: null } : invitation
  const place = { role: held.role, role_id: held.role_id, title, company }
  const joined = await transaction.run(joinOrganization(organization_id, user_id, place))
  if (joined === undefined) {
    await transaction.run(revokeOpenInvitations(organization_id, user_id))
    return undefined
  }
  if (address === 'is-verified') await transaction.run(verifyAddress(user_id))
  await transaction.run(announceOrganization(user_id, organization_id))
  return { organization_id, user_id, role: held.role_id === null ? held.role : 'custom', role_id: held.role_id }
}

const verifyAddress = (user_id: string) =>
  execute(
    query
      .updateTable('users')
      .set({ email_verified_at: sql<string>`now()` })
      .where('id', '=', user_id)
      .where('email_verified_at', 'is', null),
  )

/**
 * Revokes the other open invitations of the organization for any address of this user, when the user becomes a member.
 */
const revokeOpenInvitations = (organization_id: string, user_id: string) =>
  execute(
    raw(
      query,
      sql`update invitations i set revoked_at = now() from account_addresses a
        where a.user_id = ${user_id} and i.organization_id = ${organization_id} and i.email = a.email
          and (a.held_until is null or i.updated_at <= a.held_until) and i.accepted_at is null and i.revoked_at is null`,
    ),
  )
