import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { ChosenOrganization } from '../../directory/organizations/organizations.ts'
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
import { admitTo, lockUser, lookUp, openSession, settled } from './steps.ts'
import type { Found } from './steps.ts'

const query = tables('system')

/** A user signed in: what tokens are made from. */
export interface SignedIn {
  outcome: 'signed-in'
  user: User
  organization: ChosenOrganization | undefined
  session: { id: string; generation: number; auth_time: number }
  /** The device that it was, now known; a refresh tells nothing new of it. */
  device_id?: string
}

/** The first factor was right, and the account has a second one: the token of kind `mfaToken` finishes the sign-in. */
interface SecondFactorNeeded {
  outcome: 'second-factor-needed'
  token_id: string
  methods: SecondFactor[]
}

export type SignInOutcome = SignedIn | SecondFactorNeeded

/** A sign-in that waits for its second factor: what was verified so far, and where it goes. */
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

/** A verified sign-in method, whichever it was. */
export interface Proof {
  user_id: string
  /** `password`, a second factor, or the name of a provider; as the session keeps it. */
  methods: readonly string[]
  /** Whether it took two factors: a passkey, or a code after the password. */
  isTwoFactor: boolean
  /** The hash that the password matched: it may have changed since. */
  password_hash?: string | undefined
  /** What the sign-in uses up, such as a code, or needs to be there still, such as a passkey. */
  requires?: readonly Requirement[] | undefined
  /** The guess that was right: it is settled together with the outcome. */
  guess?: OpenGuess | undefined
  organization_id?: string | undefined
  /** A device of the user that was seen before. */
  device_id?: string | undefined
  /** For how long the device skips the second factor from now on; seconds. */
  trustSeconds?: number | undefined
}

/** What an operator has decided about signing in. */
export interface SignInRules {
  /** How long a session lasts without a refresh. */
  idleSeconds: number
  /** Whether an account waits for its e-mail address to be verified. */
  emailVerification: 'optional' | 'required'
  /** What an account with an unverified address reaches under `optional`: everything, or what is its own. */
  unverifiedAccess: 'full' | 'own'
}

type SignInServices = Pick<Services, 'signInRules' | 'declared'>

/**
 * Every sign-in ends here, in the transaction that has checked the proof. What it returns instead of a session must be
 * committed. @throws Problem invalid-credentials, email-unverified, what `requires` says; invalid-fields when the
 * organization asked for is not the user's
 */
export const signIn = (transaction: Transaction<'system'>, services: SignInServices, proof: Proof) =>
  takeSteps(transaction, services, proof, last => transaction.run(last))

/** The same in a transaction of its own, where nothing else is to be checked or written. @throws what signIn throws */
export const completeSignIn = (
  visitor: SystemRunner,
  services: SignInServices,
  proof: Proof,
): Promise<SignInOutcome> => {
  const known = visitor.with({ user_id: proof.user_id })
  return mailingUnverified(known, () =>
    // system: the session that a gate would ask for is made here
    known.transaction(transaction => takeSteps(transaction, services, proof, last => transaction.finish(last))),
  )
}

/** The refusal of a sign-in that was right, but for the address. */
class AddressUnverified extends Problem {
  readonly user: Pick<User, 'id' | 'email'>

  constructor(user: Pick<User, 'id' | 'email'>) {
    super('email-unverified')
    this.user = user
  }
}

/**
 * Mails the link that verifies the address to whoever is refused for want of it: an account that was made before addresses had
 * to be verified was never sent one. Around the transaction that calls signIn, since the refusal undoes that.
 */
export const mailingUnverified = <Result>(visitor: SystemRunner, work: () => Promise<Result>): Promise<Result> =>
  work().catch(async (error: unknown) => {
    if (error instanceof AddressUnverified)
      await mailToken(visitor, verifyEmailToken, { user_id: error.user.id, email: error.user.email, details: {} })
    throw error
  })

/** account → second factor → organization → device → session, in three statements. */
async function takeSteps(
  transaction: Transaction<'system'>,
  { signInRules: rules, declared }: SignInServices,
  proof: Proof,
  conclude: (last: Statement<'system', SignInOutcome>) => Promise<SignInOutcome>,
): Promise<SignInOutcome> {
  // account
  const account = await transaction.run(lockUser(proof))
  if (rules.emailVerification === 'required' && !account.user.email_verified) throw new AddressUnverified(account.user)
  // Looked up now that no one else can change it: what was enrolled, removed or revoked meanwhile counts.
  const found = await transaction.run(lookUp(declared, account, proof))
  // second factor
  const verified = verifiedFactors(proof, found)
  if (verified === undefined) return conclude(pauseSignIn(proof, found.factors))
  // organization
  const organization = admitTo(rules, account.user, proof.organization_id, found.organization)
  // device, session
  const session = { proof: { ...proof, ...verified }, account, organization, device_id: found.device_id }
  return conclude(openSession(session, rules, transaction.origin))
}

/**
 * By which methods the session begins, and whether they are two factors; undefined where the second one is still to be
 * verified. A trusted device stands for it: something that the user has, made known by a second factor not long ago.
 */
function verifiedFactors(
  { methods, isTwoFactor }: Proof,
  { factors, is_trusted }: Found,
): Pick<Proof, 'methods' | 'isTwoFactor'> | undefined {
  if (isTwoFactor || factors.length === 0) return { methods, isTwoFactor }
  return is_trusted === true ? { methods: [...methods, 'trusted_device'], isTwoFactor: true } : undefined
}

/** The sign-in waits for its second factor: a token finishes it. */
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

/**
 * To be called in the transaction that has just removed a sign-in method of an account: of two that remove one each, at
 * once, the second finds none left. @throws Problem last-way-in
 */
export async function keepSignInMethod(
  transaction: Transaction<'system'>,
  { declared }: Pick<Services, 'declared'>,
  user_id: string,
): Promise<void> {
  await transaction.run(lockAccount(user_id))
  // A statement of its own: it sees what was committed while the lock was waited for.
  if (!(await transaction.run(hasSignInMethod(declared, user_id)))) throw new Problem('last-way-in')
}

const hasSignInMethod = ({ hasSignInMethod: isHeldBy }: Declarations, user_id: string) =>
  statement(raw(query, sql<{ has: boolean }>`select ${isHeldBy(user_id)} as has`), ([row]) => row?.has === true)
