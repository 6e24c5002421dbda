import { sql } from 'kysely'
import { changeCredentials } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { get, raw, tables } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { fulfil } from '../factors/requirements.ts'
import type { Requirement } from '../factors/requirements.ts'
import { passwordGuess, reserveGuess, settleRefused, settleRight, verifyGuess } from '../lockout/attempts.ts'
import type { OpenGuess } from '../lockout/attempts.ts'
import { settleUnused, verifyFactor } from './factor.ts'
import type { Claim, FactorAnswer } from './factor.ts'
import type { Proof } from './messages.ts'

const query = tables('system', 'live_users', 'sessions')

/** A wrong proof in a session. */
export const proofFailed = eventKind('proof-failed')

/** How recent a provider sign-in must be to replace the proof of an account without password and second factor. */
const PROVIDER_MINUTES = 2

export type ProofServices = Pick<Services, 'declared' | 'factorVerifiers' | 'lockout' | 'passwords'>

/** What a request contains to prove that it comes from the owner of the account. */
export interface Given {
  proof: Proof | undefined
  /** The current password, which a change of the password requires in addition to a second factor. */
  current_password?: { value: string | undefined }
}

/** The means by which the owner can be verified. */
interface Means {
  has_second_factor: boolean
  has_password: boolean
  is_recent: boolean
}

/** Something that was verified without a lock; the change requires that it is still valid, and uses it up. */
interface Verified {
  requirement: Requirement
  guess?: OpenGuess | undefined
  /** `isUsed`: the change failed, not the proof. */
  settleRefused: (error: unknown, isUsed: boolean) => Promise<void>
}

/** A request that proved to come from the owner. Only withProof creates it, and only it can make the change. */
export interface Proven {
  readonly means: Means
  /**
   * Makes the change, once, in one transaction: locks account and session, and uses up the proof.
   * @throws Problem session-ended, invalid-credentials, invalid-code, invalid-passkey, and what `work` throws, which
   * rolls back everything
   */
  change<Result>(work: (transaction: Transaction<'system'>) => Promise<Result>): Promise<Result>
}

/**
 * Verifies the owner of a session's account in the same request that changes a sign-in method: by a second factor if
 * there is one, else by the password, else by a sign-in within the last two minutes. A wrong proof counts as a failed
 * sign-in. Slow work, such as hashing, belongs in `work` before `change`.
 * @throws Problem invalid-fields when it is missing, invalid-credentials, invalid-code, invalid-passkey, invalid-token,
 * step-up-required, session-ended; rate-limited, busy; and what `work` throws
 */
export async function withProof<Result>(
  visitor: SystemRunner,
  services: ProofServices,
  { user_id, session_id }: SessionRef,
  given: Given,
  work: (proven: Proven) => Promise<Result>,
): Promise<Result> {
  const session = { user_id, session_id }
  const look = findMeans(services.declared, session)
  const means = await changeCredentials(visitor, session, transaction => transaction.run(look))
  const asked = choose(means, given)
  const verified: Verified[] = []
  let isUsed = false
  try {
    if (asked.password !== undefined) verified.push(await verifyPassword(visitor, services, session, asked.password))
    if (asked.factor !== undefined) verified.push(await verifyAnswer(visitor, services, session, asked.factor))
    return await work({
      means,
      change: change =>
        changeCredentials(visitor, session, async transaction => {
          // Checked again under the lock: the first second factor may have been enrolled meanwhile.
          choose(await transaction.run(look), given)
          for (const { requirement } of verified) await transaction.run(fulfil(requirement))
          isUsed = true
          const result = await change(transaction)
          // Counters come last, as in every transaction that changes sessions.
          for (const { guess } of verified) if (guess !== undefined) await transaction.run(settleRight(guess))
          return result
        }),
    })
  } catch (error) {
    for (const { settleRefused: settle } of verified) await settle(error, isUsed)
    throw error
  }
}

/** The same, without any work before the change. */
export const changeWithProof = <Result>(
  visitor: SystemRunner,
  services: ProofServices,
  session: SessionRef,
  proof: Proof | undefined,
  work: (transaction: Transaction<'system'>) => Promise<Result>,
): Promise<Result> => withProof(visitor, services, session, { proof }, ({ change }) => change(work))

const findMeans = ({ hasSecondFactor }: Pick<Declarations, 'hasSecondFactor'>, { session_id }: SessionRef) =>
  get(
    raw(
      query,
      sql<Means>`select ${hasSecondFactor(sql`sessions.user_id`)} as has_second_factor,
        password_hash is not null as has_password,
        authenticated_at > now() - make_interval(mins => ${PROVIDER_MINUTES}) as is_recent
      from sessions join live_users on live_users.id = sessions.user_id where sessions.id = ${session_id}`,
    ),
  )

/** Chooses what to verify. @throws Problem invalid-fields, step-up-required */
function choose(
  { has_second_factor, has_password, is_recent }: Means,
  { proof, current_password }: Given,
): { password?: string; factor?: FactorAnswer } {
  const isPassword = proof?.password !== undefined
  const current = has_password ? current_password : undefined
  if (current !== undefined && current.value === undefined) throw invalidField('/current_password', 'is required')
  const password = current?.value
  if (has_second_factor) {
    if (proof === undefined || isPassword)
      throw invalidField('/proof', 'must be a second factor of the account: give one of code, recovery_code, passkey')
    return { ...(password !== undefined && { password }), factor: proof }
  }
  if (password !== undefined) {
    if (proof !== undefined) throw invalidField('/proof', 'must be left out: the account has no second factor')
    return { password }
  }
  if (has_password) {
    if (!isPassword) throw invalidField('/proof', 'must be the password of the account: give password')
    return { password: proof.password as string }
  }
  if (proof !== undefined)
    throw invalidField('/proof', 'must be left out: the account has neither a password nor a second factor')
  if (!is_recent) throw new Problem('step-up-required')
  return {}
}

async function verifyPassword(
  visitor: SystemRunner,
  services: ProofServices,
  { user_id, session_id }: SessionRef,
  password: string,
): Promise<Verified> {
  const guess = await reserveGuess(visitor, services, {
    ...passwordGuess,
    who: { user_id },
    failed: proofFailed,
    session_id,
  })
  const account = await verifyGuess(visitor, guess, found => services.passwords.verify(found?.secret, password))
  if (account === undefined) throw new Problem('invalid-credentials')
  return {
    requirement: {
      // The password may have changed since it was verified.
      row: sql`select id from live_users where id = ${user_id} and password_hash = ${account.secret}`,
      otherwise: 'invalid-credentials',
    },
    guess,
    settleRefused: error => settleRefused(visitor, guess, error, true),
  }
}

async function verifyAnswer(
  visitor: SystemRunner,
  services: ProofServices,
  session: SessionRef,
  answer: FactorAnswer,
): Promise<Verified> {
  const claim: Claim = { ...session, answer, failed: proofFailed }
  const verified = await verifyFactor(visitor, services, claim)
  const { requirement, check, guess } = verified
  if (check !== undefined)
    await changeCredentials(visitor, session, transaction => transaction.run(fulfil(check))).catch(async error => {
      await settleUnused(visitor, claim, verified, error)
      throw error
    })
  return {
    requirement,
    guess,
    // A wrong code in the operation itself, such as that of a new app, does not make the proof wrong.
    settleRefused: (error, isUsed) => settleUnused(visitor, claim, verified, error, isUsed ? false : undefined),
  }
}
