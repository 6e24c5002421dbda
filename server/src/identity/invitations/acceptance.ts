import { sql } from 'kysely'
import type { Static } from 'typebox'
import { joinOrganization, lockPlace, writeWithin } from '../../directory/organizations/organizations.ts'
import { announceOrganization } from '../../directory/users/users.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { execute, find, raw, tables } from '../../platform/database/statement.ts'
import type { RoleName } from '../../platform/gate/permissions.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { openToken, presentedToken } from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken } from '../../platform/tokens/one-time-tokens.ts'
import { createAccount } from '../accounts/accounts.ts'
import { checkPassword } from '../passwords/password-policy.ts'
import { invitationToken } from './invitations.ts'

const query = tables(
  'system',
  'invitations',
  'memberships',
  'organizations',
  'users',
  'live_users',
  'account_addresses',
)

type InvitationToken = OpenToken<Static<typeof invitationToken.details>>

interface Acceptance {
  token: string
  /** The signed-in user, if any. */
  user_id?: string | undefined
  /** Needed to create an account if the address has none. */
  password?: string | undefined
  full_name?: string | undefined
}

interface AcceptedInvitation {
  organization_id: string
  user_id: string
  role: RoleName
  role_id: string | null
}

type AcceptanceServices = Pick<Services, 'keys' | 'declared' | 'passwords' | 'passwordPolicy'>

/**
 * Joins the organization of the invitation link. The link verifies the address, not the user: it admits only the
 * account of that address and, without a session, only if the address was verified before. If the address has no
 * account, the account is created and joins atomically. If the user is a member already, the invitation is used up.
 * @throws Problem invalid-token, invitation-ended, invitation-for-another, account-unavailable, email-unverified,
 * already-member, weak-password; invalid-fields when there is no account and the values for one are missing
 */
export async function acceptInvitation(
  visitor: SystemRunner,
  services: AcceptanceServices,
  { token: sealed, user_id, password, full_name }: Acceptance,
): Promise<AcceptedInvitation> {
  const { keys, passwords, passwordPolicy } = services
  const token = await presentedInvitation(visitor, keys.oneTime, sealed)
  const { account_id, email, email_verified, is_unavailable } = await getOpen(visitor, token, user_id)
  if (user_id !== undefined && account_id === null) throw new Problem('invitation-for-another')
  if (is_unavailable) throw new Problem('account-unavailable')
  if (user_id === undefined && email_verified === false) throw new Problem('email-unverified')
  const { organization_id } = token.details
  if (account_id !== null)
    return accepted(
      // system: a joining user has no role there yet, and the tenant login cannot read the token
      await visitor
        .with({ user_id: account_id, organization_id })
        .transaction(transaction => join(transaction, token, account_id)),
    )
  if (password === undefined) throw invalidField('/password', 'is required: the address has no account yet')
  await checkPassword(password, passwordPolicy, [email, full_name])
  const account = { email, full_name, password_hash: await passwords.hash(password), email_verified: true }
  try {
    const made = await createAccount(visitor, services, account, async (transaction, { user }) => {
      await transaction.run(writeWithin(organization_id))
      return join(transaction, token, user.id)
    })
    return accepted(made)
  } catch (error) {
    // The address belonged to an erased account, or an account was created concurrently.
    if (!(error instanceof Problem) || error.code !== 'email-taken') throw error
    throw new Problem('account-unavailable', { cause: error })
  }
}

/**
 * Whether the address of an invitation has a live account; only for a holder of the link.
 * @throws Problem invitation-ended
 */
export const hasAccount = async (visitor: SystemRunner, token: InvitationToken): Promise<boolean> =>
  (await getOpen(visitor, token, undefined)).account_id !== null

/**
 * The token that a client presents. A used or expired token of ours is distinguished from an invalid one. @throws
 * Problem invalid-token, invitation-ended
 */
async function presentedInvitation(visitor: SystemRunner, key: Buffer, sealed: string): Promise<InvitationToken> {
  openToken(key, invitationToken, sealed)
  try {
    return await presentedToken(visitor, key, invitationToken, sealed)
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'invalid-token') throw error
    throw new Problem('invitation-ended', { cause: error })
  }
}

/**
 * Finds the open invitation and the account of its address, before an account is created in vain. Under a session, only
 * if the account is that of the session's user. @throws Problem invitation-ended
 */
async function getOpen(
  visitor: SystemRunner,
  { email, details: { organization_id, invitation_id, version } }: InvitationToken,
  user_id: string | undefined,
) {
  const open = find(
    query
      .selectFrom('invitations')
      .innerJoin('organizations', 'organizations.id', 'invitations.organization_id')
      .innerJoin('live_users as inviting', 'inviting.id', 'invitations.invited_by')
      .innerJoin('memberships as inviter', join =>
        join
          .onRef('inviter.organization_id', '=', 'invitations.organization_id')
          .onRef('inviter.user_id', '=', 'invitations.invited_by'),
      )
      .leftJoin('users as taken', 'taken.email', 'invitations.email')
      .leftJoin('live_users as account', join => {
        const ofAddress = join.onRef('account.id', '=', 'taken.id')
        return user_id === undefined ? ofAddress : ofAddress.on('account.id', '=', user_id)
      })
      .select(['invitations.email', 'account.id as account_id', 'account.email_verified'])
      .select(sql<boolean>`taken.disabled_at is not null or taken.deleted_at is not null`.as('is_unavailable'))
      .where('invitations.organization_id', '=', organization_id)
      .where('invitations.id', '=', invitation_id)
      .where('invitations.version', '=', version)
      .where('invitations.email', '=', email)
      .where('invitations.accepted_at', 'is', null)
      .where('invitations.revoked_at', 'is', null)
      .where('invitations.expires_at', '>', sql<string>`now()`)
      .where('organizations.deleted_at', 'is', null)
      .where('inviter.disabled_at', 'is', null)
      .where('inviter.deleted_at', 'is', null)
      .where(mayStillInvite),
  )
  // system: the holder of the link is not a member yet, and may have no account
  const found = await visitor.run(open)
  if (found === undefined) throw new Problem('invitation-ended')
  return found
}

/**
 * Whether the inviter still may invite, to the role as it is now. Otherwise a member about to lose a role could keep it by
 * inviting another address.
 */
const mayStillInvite = sql<boolean>`array['invitations:write'] || permissions_of(invitations.organization_id, invitations.role, invitations.role_id)
  <@ permissions_of(inviter.organization_id, inviter.role, inviter.role_id)`

/** Throws only after the commit, because the used-up invitation must persist. @throws Problem already-member */
function accepted(joined: AcceptedInvitation | undefined): AcceptedInvitation {
  if (joined === undefined) throw new Problem('already-member')
  return joined
}

/** Undefined: the user is a member already, and the invitation is used up. @throws Problem invitation-ended */
async function join(
  transaction: Transaction<'system'>,
  { details: { organization_id, invitation_id, version } }: InvitationToken,
  user_id: string,
): Promise<AcceptedInvitation | undefined> {
  await transaction.run(lockPlace(organization_id, user_id))
  // Of two concurrent requests, one finds it open. The trigger `mail_update` spends its links.
  const invitation = await transaction.run(
    find(
      query
        .updateTable('invitations')
        .from(['organizations', 'memberships as inviter', 'live_users as inviting', 'live_users as joining'])
        .set({ accepted_at: sql<string>`now()` })
        .whereRef('organizations.id', '=', 'invitations.organization_id')
        .where('organizations.deleted_at', 'is', null)
        .whereRef('inviter.organization_id', '=', 'invitations.organization_id')
        .whereRef('inviter.user_id', '=', 'invitations.invited_by')
        .where('inviter.disabled_at', 'is', null)
        .where('inviter.deleted_at', 'is', null)
        .whereRef('inviting.id', '=', 'invitations.invited_by')
        .where('joining.id', '=', user_id) // whose account may have been deleted while its lock was waited for
        .where('invitations.organization_id', '=', organization_id)
        .where('invitations.id', '=', invitation_id)
        .where('invitations.version', '=', version)
        .where('invitations.accepted_at', 'is', null)
        .where('invitations.revoked_at', 'is', null)
        .where('invitations.expires_at', '>', sql<string>`now()`)
        .where(mayStillInvite)
        .returning(['invitations.role', 'invitations.role_id', 'invitations.title', 'invitations.company']),
    ),
  )
  if (invitation === undefined) throw new Problem('invitation-ended')
  const { role, role_id } = invitation
  const joined = await transaction.run(joinOrganization(organization_id, user_id, invitation))
  if (joined === undefined) {
    await transaction.run(revokeOpenInvitations(organization_id, user_id))
    return undefined
  }
  await transaction.run(
    execute(
      query
        .updateTable('users')
        .set({ email_verified_at: sql<string>`now()` })
        .where('id', '=', user_id)
        .where('email_verified_at', 'is', null),
    ),
  )
  await transaction.run(announceOrganization(user_id, organization_id))
  return { organization_id, user_id, role: role_id === null ? role : 'custom', role_id }
}

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
