import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { User } from '../../directory/users/users.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { Problem } from '../../platform/problems.ts'
import { Id, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { insertToken, mailToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import { verifyEmailToken } from '../accounts/email.ts'
import { lockAccount } from '../factors/factors.ts'
import type { SecondFactor } from '../factors/factors.ts'
import type { Requirement } from '../factors/requirements.ts'
import type { OpenGuess } from '../lockout/attempts.ts'
import { passwordChangeToken } from '../passwords/required-change.ts'
import { admitTo, lockUser, lookUp, openSession, settled } from './steps.ts'
import type { ChosenPlace, Found, PlaceCounts } from './steps.ts'

const query = tables('system')

/** A completed sign-in, from which the tokens are made. */
export interface SignedIn {
  outcome: 'signed-in'
  user: User
  organization: ChosenPlace | undefined
  counts: PlaceCounts
  session: { id: string; generation: number; auth_time: number }
  /** The device of the sign-in, which is now known; absent after a refresh. */
  device_id?: string
}

/** The first factor was right, and the account has a second one: a token of kind `mfaToken` finishes the sign-in. */
interface SecondFactorNeeded {
  outcome: 'second-factor-needed'
  token_id: string
  methods: SecondFactor[]
}

/** All factors were right, but a new password is required: a token of kind `passwordChangeToken` sets it. */
interface PasswordChangeNeeded {
  outcome: 'password-change-needed'
  token_id: string
}

export type SignInOutcome = SignedIn | SecondFactorNeeded | PasswordChangeNeeded

/** A sign-in that waits for its second factor: what was verified so far, and the requested organization. */
export const mfaToken = tokenKind({
  purpose: 'mfa',
  seconds: 300,
  details: Strict({
    methods: Type.Array(Type.String()),
    organization_id: Type.Optional(Id),
    device_id: Type.Optional(Id),
  }),
  endsWithPassword: true,
  endsWithIdentity: true,
})

/** A verified sign-in method of any kind. */
export interface Proof {
  user_id: string
  /** `password`, a second factor, or the name of a provider; as the session stores it. */
  methods: readonly string[]
  /** Whether two factors were verified: a passkey, or a code after the password. */
  isTwoFactor: boolean
  /** The hash that the password matched; it may have changed since. */
  password_hash?: string | undefined
  /** What the sign-in uses up, such as a code, or requires to exist, such as a passkey. */
  requires?: readonly Requirement[] | undefined
  /** The right guess; it is settled together with the outcome. */
  guess?: OpenGuess | undefined
  organization_id?: string | undefined
  /** A known device of the user. */
  device_id?: string | undefined
  /** How long the device skips the second factor from now on; in seconds. */
  trustSeconds?: number | undefined
}

/** The sign-in settings of the operator. */
export interface SignInRules {
  /** How long a session lasts without a refresh. */
  idleSeconds: number
  /** Whether an account needs a verified email address. */
  emailVerification: 'optional' | 'required'
  /** What an account with an unverified address can access under `optional`: everything, or only its own data. */
  unverifiedAccess: 'full' | 'own'
}

type SignInServices = Pick<Services, 'signInRules' | 'declared'>

/**
 * The last part of every sign-in, in the transaction that checked the proof. If it returns no session, the transaction
 * must still be committed. @throws Problem invalid-credentials, email-unverified, and that of `requires`;
 * invalid-fields when the requested organization is not the user's
 */
export const signIn = (transaction: Transaction<'system'>, services: SignInServices, proof: Proof) =>
  takeSteps(transaction, services, proof, last => transaction.run(last))

/** The same in a transaction of its own, without other checks or writes. @throws what signIn throws */
export const completeSignIn = (
  visitor: SystemRunner,
  services: SignInServices,
  proof: Proof,
): Promise<SignInOutcome> => {
  const known = visitor.with({ user_id: proof.user_id })
  return mailingUnverified(known, () =>
    // system: it creates the session that the gate would need
    known.transaction(transaction => takeSteps(transaction, services, proof, last => transaction.finish(last))),
  )
}

/** The refusal of a right sign-in because of the unverified address. */
class AddressUnverified extends Problem {
  readonly user: Pick<User, 'id' | 'email'>

  constructor(user: Pick<User, 'id' | 'email'>) {
    super('email-unverified')
    this.user = user
  }
}

/**
 * Emails the verification link to a user who is refused because of the unverified address: an account from before
 * addresses had to be verified never got one. It wraps the transaction that calls signIn, since the refusal rolls that
 * back.
 */
export const mailingUnverified = <Result>(visitor: SystemRunner, work: () => Promise<Result>): Promise<Result> =>
  work().catch(async (error: unknown) => {
    if (error instanceof AddressUnverified)
      await mailToken(visitor, verifyEmailToken, { user_id: error.user.id, email: error.user.email, details: {} })
    throw error
  })

/** account → second factor → new password, if one is required → organization → device → session, in three statements. */
async function takeSteps(
  transaction: Transaction<'system'>,
  { signInRules: rules, declared }: SignInServices,
  proof: Proof,
  conclude: (last: Statement<'system', SignInOutcome>) => Promise<SignInOutcome>,
): Promise<SignInOutcome> {
  // account
  const account = await transaction.run(lockUser(proof))
  if (rules.emailVerification === 'required' && !account.user.email_verified) throw new AddressUnverified(account.user)
  // Looked up under the lock, so that a concurrent enrolment, removal or revocation counts.
  const found = await transaction.run(lookUp(declared, account, proof))
  // second factor
  const verified = verifiedFactors(proof, found)
  if (verified === undefined) return conclude(pauseSignIn(proof, found.factors))
  // a new password, if one is required
  if (account.needsNewPassword && proof.methods.includes('password')) return conclude(askForPassword(proof))
  // organization
  const organization = admitTo(rules, account.user, proof.organization_id, found.organization)
  // device, session
  const { device_id, counts } = found
  const session = { proof: { ...proof, ...verified }, account, organization, counts, device_id }
  return conclude(openSession(session, rules, transaction.origin))
}

/**
 * The methods of the new session, and whether they are two factors; undefined if the second one is still to be
 * verified. A trusted device replaces it: a possession that a second factor verified recently.
 */
function verifiedFactors(
  { methods, isTwoFactor }: Proof,
  { factors, is_trusted }: Found,
): Pick<Proof, 'methods' | 'isTwoFactor'> | undefined {
  if (isTwoFactor || factors.length === 0) return { methods, isTwoFactor }
  return is_trusted === true ? { methods: [...methods, 'trusted_device'], isTwoFactor: true } : undefined
}

/** Pauses the sign-in until its second factor is verified, and creates the token to finish it. */
function pauseSignIn(proof: Proof, methods: SecondFactor[]): Statement<'system', SecondFactorNeeded> {
  const { user_id, organization_id, device_id } = proof
  const details: Static<typeof mfaToken.details> = {
    methods: [...proof.methods],
    ...(organization_id !== undefined && { organization_id }),
    ...(device_id !== undefined && { device_id }),
  }
  return statement(
    raw(
      query,
      sql<{
        id: string
      }>`with token as (${insertToken(mfaToken, { user_id, details })}) select id${settled(proof)} from token`,
    ),
    ([row]) => ({ outcome: 'second-factor-needed', token_id: (row as { id: string }).id, methods }),
  )
}

/** Issues the token that sets a new password, and settles the guess: the present one was right. */
const askForPassword = (proof: Proof): Statement<'system', PasswordChangeNeeded> =>
  statement(
    raw(
      query,
      sql<{ id: string }>`with token as (${insertToken(passwordChangeToken, { user_id: proof.user_id, details: {} })})
        select id${settled(proof)} from token`,
    ),
    ([row]) => ({ outcome: 'password-change-needed', token_id: (row as { id: string }).id }),
  )

/**
 * Must be called in the transaction that has just removed a sign-in method of an account: of two concurrent removals,
 * the second finds no method left. @throws Problem last-way-in
 */
export async function keepSignInMethod(
  transaction: Transaction<'system'>,
  { declared }: Pick<Services, 'declared'>,
  user_id: string,
): Promise<void> {
  await transaction.run(lockAccount(user_id))
  // A separate statement, so that it sees what was committed while this waited for the lock.
  if (!(await transaction.run(hasSignInMethod(declared, user_id)))) throw new Problem('last-way-in')
}

const hasSignInMethod = ({ hasSignInMethod: isHeldBy }: Declarations, user_id: string) =>
  statement(raw(query, sql<{ has: boolean }>`select ${isHeldBy(user_id)} as has`), ([row]) => row?.has === true)
