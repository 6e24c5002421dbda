import type { SystemRunner } from '../../platform/database/database.ts'
import { invalidField, isProblem, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { issueToken, mailToken } from '../../platform/tokens/one-time-tokens.ts'
import { createAccount } from '../accounts/accounts.ts'
import { verifyEmailToken } from '../accounts/email.ts'
import { invitationToken } from '../invitations/invitations.ts'
import { checkPassword } from '../passwords/password-policy.ts'
import { accepted, getOpen, join, joining, presentedInvitation } from './joining.ts'
import type { InvitationToken } from './joining.ts'
import type { AcceptedInvitation } from './messages.ts'

interface Acceptance {
  token: string
  /** The signed-in user, if any; the session was found to be live. */
  user_id?: string | undefined
  /** Needed to create an account if the address has none. */
  password?: string | undefined
  full_name?: string | undefined
}

type AcceptanceServices = Pick<Services, 'keys' | 'declared' | 'passwords' | 'passwordPolicy' | 'config'>

/**
 * Joins the organization of the invitation link. An emailed link verifies the address, not the user: it admits only the
 * account of that address and, without a session, only if the address was verified before. If the address has no
 * account, the account is created and joins atomically. A link that was handed over verifies nothing, and admits an
 * existing account only in its session. If the user is a member already, the invitation is used up.
 * @returns undefined if an email was sent instead @throws Problem invalid-token, invitation-ended,
 * organization-suspended, invitation-for-another, invitation-needs-sign-in, account-unavailable, email-unverified,
 * already-member, seats-exhausted, weak-password; invalid-fields when there is no account and the values for one are
 * missing
 */
export async function acceptInvitation(
  visitor: SystemRunner,
  services: AcceptanceServices,
  { token: sealed, user_id, password, full_name }: Acceptance,
): Promise<AcceptedInvitation | undefined> {
  const token = await presentedInvitation(visitor, services.keys.oneTime, sealed)
  const { account_id, email, email_verified, is_unavailable, guest } = await getOpen(visitor, token, user_id)
  const isHandedOver = token.details.made_by !== undefined
  const account = { email, full_name, guest }
  if (user_id !== undefined && account_id === null) throw new Problem('invitation-for-another')
  if (isHandedOver && user_id === undefined) return acceptHandedOver(visitor, services, token, account, password)
  if (is_unavailable) throw new Problem('account-unavailable')
  if (user_id === undefined && email_verified === false) throw new Problem('email-unverified')
  if (account_id !== null) {
    const joins = { user_id: account_id, address: isHandedOver ? ('stays' as const) : ('is-verified' as const) }
    return accepted(await joining(visitor, account_id, transaction => join(transaction, token.details, joins)))
  }
  if (password === undefined) throw invalidField('/password', 'is required: the address has no account yet')
  // The address belonged to an erased account, or an account was created concurrently.
  return createMember(visitor, services, token, account, { password, taken: 'account-unavailable' })
}

/**
 * Without a session, the holder of a link that was handed over learns about the address no more than by a sign-up: if
 * addresses must be verified first, nothing, because the invitation is emailed again and everything else follows from
 * that email.
 */
async function acceptHandedOver(
  visitor: SystemRunner,
  services: AcceptanceServices,
  token: InvitationToken,
  account: InvitedAccount,
  password: string | undefined,
): Promise<AcceptedInvitation | undefined> {
  const { organization_id, invitation_id, version } = token.details
  if (services.config.emailVerification === 'required') {
    const details = { organization_id, invitation_id, version: Number(version) }
    await mailToken(visitor, invitationToken, { email: account.email, details })
    return undefined
  }
  if (password === undefined)
    throw invalidField('/password', 'is required for a new account; if the address has one, sign in with it first')
  return createMember(visitor, services, token, account, { password, taken: 'invitation-needs-sign-in' })
}

interface InvitedAccount {
  email: string
  full_name: string | undefined
  guest: boolean
}

/**
 * Creates the account of an invited address, which joins in the same transaction. Its address is verified if the link
 * was emailed.
 */
async function createMember(
  visitor: SystemRunner,
  services: AcceptanceServices,
  { details }: InvitationToken,
  account: InvitedAccount,
  { password, taken }: { password: string; taken: 'account-unavailable' | 'invitation-needs-sign-in' },
): Promise<AcceptedInvitation> {
  const { passwords, passwordPolicy } = services
  const { email, full_name } = account
  await checkPassword(password, passwordPolicy, [email, full_name])
  const email_verified = details.made_by === undefined
  const row = { ...account, password_hash: await passwords.hash(password), email_verified }
  try {
    const made = await createAccount(visitor, services, row, async (transaction, { user: { id: user_id } }) => {
      if (!email_verified)
        await transaction.run(issueToken(verifyEmailToken, { user_id, email, details: {}, mailed: true }))
      return join(transaction, details, { user_id, address: 'stays' })
    })
    return accepted(made)
  } catch (error) {
    if (!isProblem(error, 'email-taken')) throw error
    throw new Problem(taken, { cause: error })
  }
}
