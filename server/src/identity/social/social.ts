import { reportEvent } from '../../directory/history/history.ts'
import { changeCredentials } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { isProblem, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { issueToken, mailToken } from '../../platform/tokens/one-time-tokens.ts'
import { createAccount } from '../accounts/accounts.ts'
import { verifyEmailToken } from '../accounts/email.ts'
import {
  findAccount,
  findIdentity,
  identityLinked,
  linkByAddress,
  linkIdentity,
  recordUse,
  unlinkIdentity,
} from '../accounts/identities.ts'
import { recordChange } from '../changes/changes.ts'
import { lockAccount } from '../factors/factors.ts'
import type { Proof } from '../proofs/messages.ts'
import { changeWithProof } from '../proofs/proof.ts'
import type { ProofServices } from '../proofs/proof.ts'
import { loginFailed } from '../sign-in/log-in.ts'
import { keepSignInMethod, mailingUnverified, signIn } from '../sign-in/sign-in.ts'
import type { SignInOutcome } from '../sign-in/sign-in.ts'
import { signUpToken } from '../sign-up/sign-up.ts'
import type { Profile } from './profile.ts'

export type SocialServices = Pick<Services, 'config' | 'declared' | 'keys' | 'signInRules'>

/** The sign-in of a user who returned from a provider. */
export interface ProviderSignIn {
  provider: string
  profile: Profile
  /** Digest of the secret of the browser that returned. */
  browser: string | undefined
}

/** Signs in a user who returned from a provider. @throws what withAccount and signIn throw */
export const signInWithProvider = (
  visitor: SystemRunner,
  services: SocialServices,
  given: ProviderSignIn,
  device_id: string | undefined,
): Promise<SignInOutcome> =>
  mailingUnverified(visitor, () =>
    withAccount(visitor, services, given, (transaction, user_id) =>
      signIn(transaction, services, { user_id, device_id, methods: [given.provider], isTwoFactor: false }),
    ),
  )

/** Runs in the transaction that has found or made the account. */
type Then<Result> = (transaction: Transaction<'system'>, user_id: string, identity_id: string) => Promise<Result>

/**
 * Finds or creates the account of a user who returned from a provider.
 * @throws Problem link-required, account-closed, provider-email-missing, email-unverified
 */
export async function withAccount<Result>(
  visitor: SystemRunner,
  services: SocialServices,
  given: ProviderSignIn,
  then: Then<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await withAccountOnce(visitor, services, given, then)
    } catch (error) {
      // Of two concurrent sign-ins of a new user, the second finds the account that the first created.
      const isOvertaken = isProblem(error, 'email-taken', 'identity-taken')
      if (!isOvertaken) throw error
      // The same problem if the address belonged to an erased account.
      if (attempt === 3) throw new Problem('link-required', { cause: error })
    }
  }
}

async function withAccountOnce<Result>(
  visitor: SystemRunner,
  services: SocialServices,
  given: ProviderSignIn,
  then: Then<Result>,
): Promise<Result> {
  const { provider, profile } = given
  const { email, email_verified } = profile
  // If sign-up must not reveal whether an unverified address has an account, this does not either: the email tells its
  // owner.
  const isMailed = !email_verified && services.signInRules.emailVerification === 'required'
  // system: the account is looked up by the provider's data, before there is a session
  const account = await visitor.run(findAccount(profile, isMailed ? undefined : email))
  if (account === undefined) {
    if (email === undefined) throw new Problem('provider-email-missing')
    return enrol(visitor, services, given, { email, isMailed }, then)
  }
  const { user_id, identity_id, is_live } = account
  const mayLink = services.config.social.autoLink && email_verified && account.email_verified
  const known = visitor.with({ user_id })
  if (!is_live || (identity_id === null && !mayLink)) {
    await reportEvent(known, loginFailed, user_id, null, { provider })
    // Only who has signed in at the linked provider learns it: the address alone could be anyone's.
    throw new Problem(identity_id === null ? 'link-required' : 'account-closed')
  }
  // system: there is no session yet
  return known.transaction(async transaction => {
    // The account before its identity, as in every transaction that unlinks one.
    await transaction.run(lockAccount(user_id))
    const held =
      identity_id === null
        ? await transaction.run(linkByAddress({ user_id, provider, profile }))
        : await transaction.run(recordUse(identity_id, user_id, email))
    if (held === undefined) throw new Problem('link-required')
    if (identity_id === null) {
      const change = { trace: { added: held.id }, details: { provider } }
      await transaction.run(recordChange(services.declared, identityLinked, { user_id, session_id: null, ...change }))
    }
    return then(transaction, user_id, held.id)
  })
}

/**
 * Creates the account or, if the address must be verified first, emails the link that will create it.
 * @throws Problem email-unverified
 */
async function enrol<Result>(
  visitor: SystemRunner,
  services: SocialServices,
  { provider, profile, browser }: ProviderSignIn,
  { email, isMailed }: { email: string; isMailed: boolean },
  then: Then<Result>,
): Promise<Result> {
  const { issuer, subject, email_verified, given_name = null, family_name = null, full_name = null } = profile
  const person = { given_name, family_name, full_name, identity: { provider, issuer, subject } }
  if (isMailed) {
    await mailToken(visitor, signUpToken, { email, details: { ...person, ...(browser !== undefined && { browser }) } })
    throw new Problem('email-unverified')
  }
  return createAccount(
    visitor,
    services,
    { ...person, email, email_verified },
    async (transaction, { user, identity_id }) => {
      if (!email_verified)
        await transaction.run(issueToken(verifyEmailToken, { user_id: user.id, email, details: {}, mailed: true }))
      return then(transaction, user.id, String(identity_id))
    },
  )
}

/**
 * Links an identity to the account of a session, which must still be live; an identity that it already has stays
 * unchanged.
 * @throws Problem identity-taken; invalid-token when the session has ended
 */
export async function addIdentity(
  visitor: SystemRunner,
  { declared }: Pick<Services, 'declared'>,
  { user_id, session_id }: SessionRef,
  given: ProviderSignIn,
) {
  const { provider, profile } = given
  const identity = { user_id, provider, profile }
  const link = async (transaction: Transaction<'system'>) => {
    const made = await transaction.run(linkIdentity(identity))
    if (made !== undefined) {
      const change = { trace: { added: made.id }, details: { provider } }
      await transaction.run(recordChange(declared, identityLinked, { user_id, session_id, ...change }))
      return made
    }
    const own = await transaction.run(findIdentity(identity))
    if (own === undefined) throw new Problem('identity-taken')
    return own
  }
  return changeCredentials(visitor.with({ user_id }), { user_id, session_id }, link).catch((error: unknown) => {
    throw isProblem(error, 'session-ended') ? new Problem('invalid-token') : error
  })
}

/** Unlinks an identity of the user's account. @throws Problem not-found, last-way-in, and what changeWithProof throws */
export const removeIdentity = (
  visitor: SystemRunner,
  services: ProofServices,
  session: SessionRef,
  id: string,
  proof: Proof | undefined,
): Promise<void> =>
  changeWithProof(visitor, services, session, proof, async transaction => {
    await unlinkIdentity(transaction, services.declared, session, id)
    await keepSignInMethod(transaction, services, session.user_id)
  })
