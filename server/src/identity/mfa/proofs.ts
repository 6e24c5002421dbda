import { reportEvent } from '../../directory/history/history.ts'
import { lockSession, noteSecondFactor, renewSignIn } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import type { EventDeclaration } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { presentedToken, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import { lockAccount } from '../factors/factors.ts'
import type { SecondFactor } from '../factors/factors.ts'
import { useRecoveryCode } from '../factors/recovery-codes.ts'
import { withAttempt } from '../lockout/attempts.ts'
import type { AuthenticationOptions, PasskeyAnswer } from '../passkeys/messages.ts'
import { challengePasskey, verifyPasskey } from '../passkeys/passkey-sign-in.ts'
import { requirePasskey } from '../passkeys/passkeys.ts'
import { mfaToken, signIn } from '../sign-in/sign-in.ts'
import type { Proof, SecondFactorNeeded, SignedIn } from '../sign-in/sign-in.ts'
import { useTotp } from '../totp/totp.ts'
import { stepUpFailed } from './step-up.ts'

export const mfaFailed = eventKind('mfa-failed')

type ProofServices = Pick<Services, 'keys' | 'lockout' | 'relyingParty'>

/** What a client answers when it is asked for a second factor: one of these. */
export interface FactorAnswer {
  code?: string | undefined
  recovery_code?: string | undefined
  passkey?: PasskeyAnswer | undefined
}

interface Claim {
  user_id: string
  session_id: string | null
  answer: FactorAnswer
  /** How history calls a wrong answer. */
  failed: EventDeclaration
}

/** What a factor is verified for, in one transaction: all of it is undone when the answer is wrong. */
interface Purpose<Result> {
  /** Takes the locks, and spends what may be spent once, before the factor is looked at. */
  begin(transaction: Transaction<'system'>): Promise<void>
  complete(transaction: Transaction<'system'>, factor: SecondFactor): Promise<Result>
}

/** Looks at the factor and uses it up. @returns undefined when it is not right */
type Verify = (transaction: Transaction<'system'>) => Promise<SecondFactor | undefined>

/**
 * Verifies the answer to the claim and does what it is for. Wrong codes are counted over all tokens of the account, so
 * that no new one begins anew. Only codes of six digits can be guessed, so only they can be locked: a passkey or a
 * recovery code still gets the user in. @throws Problem invalid-code, and what the purpose and verifyPasskey throw; rate-limited, busy
 */
async function withFactor<Result>(
  visitor: SystemRunner,
  services: ProofServices,
  { user_id, session_id, answer, failed }: Claim,
  purpose: Purpose<Result>,
): Promise<Result> {
  const { code, recovery_code, passkey } = answer
  let done: { result: Result } | undefined
  if (passkey !== undefined) {
    const { passkey_id } = await verifyPasskey(visitor, services, passkey, user_id)
    done = await attempt(visitor, purpose, async transaction => {
      await transaction.run(requirePasskey(user_id, passkey_id))
      return 'passkey'
    })
  } else if (recovery_code !== undefined) {
    done = await attempt(visitor, purpose, async transaction =>
      (await useRecoveryCode(transaction, services, { user_id, session_id }, recovery_code))
        ? 'recovery_code'
        : undefined,
    )
    if (done === undefined) await reportEvent(visitor, failed, user_id, session_id)
  } else {
    const guess = { who: { user_id }, counter: 'mfa', failed, ...(session_id !== null && { session_id }) } as const
    await withAttempt(visitor, services, guess, async account => {
      done = await attempt(visitor, purpose, async transaction => {
        const isRight = await useTotp(transaction, services, user_id, code ?? '')
        // Looked at all the same: being locked is not told from being wrong.
        return isRight && account !== undefined ? 'totp' : undefined
      })
      return done !== undefined
    })
  }
  if (done === undefined) throw new Problem('invalid-code')
  return done.result
}

/** Undefined when the answer was wrong: then nothing stays of what was begun. */
async function attempt<Result>(
  visitor: SystemRunner,
  { begin, complete }: Purpose<Result>,
  verify: Verify,
): Promise<{ result: Result } | undefined> {
  const wrong = new Error('the answer was wrong')
  try {
    // system: seeds and codes are out of the tenant login's sight, and a sign-in has no session yet
    const result = await visitor.transaction(async transaction => {
      await begin(transaction)
      const factor = await verify(transaction)
      if (factor === undefined) throw wrong
      return complete(transaction, factor)
    })
    return { result }
  } catch (error) {
    if (error === wrong) return undefined
    throw error
  }
}

/** The sign-in that waits for its second factor. @throws Problem invalid-token */
async function pausedSignIn(visitor: SystemRunner, { keys }: Pick<Services, 'keys'>, token: string) {
  const { user_id, ...paused } = await presentedToken(visitor, keys.oneTime, mfaToken, token)
  if (user_id === null) throw new Problem('invalid-token')
  return { ...paused, user_id }
}

/** A passkey's challenge for a sign-in that waits for its second factor. @throws Problem invalid-token, passkeys-unavailable */
export async function challengeSecondFactor(
  visitor: SystemRunner,
  services: Pick<Services, 'keys' | 'relyingParty'>,
  mfa_token: string,
): Promise<AuthenticationOptions> {
  const { user_id } = await pausedSignIn(visitor, services, mfa_token)
  return challengePasskey(visitor, services, user_id)
}

/**
 * Finishes a sign-in that waits for its second factor. Only success spends the token: a wrong code may be a slip.
 * @throws Problem invalid-token, invalid-code, and what signIn and verifyPasskey throw
 */
export async function finishSignIn(
  visitor: SystemRunner,
  services: ProofServices & Pick<Services, 'declared' | 'signInRules'>,
  mfa_token: string,
  answer: FactorAnswer,
  { trustSeconds }: Pick<Proof, 'trustSeconds'>,
): Promise<SignedIn | SecondFactorNeeded> {
  const { id, user_id, details } = await pausedSignIn(visitor, services, mfa_token)
  const { methods, organization_id, device_id } = details
  const claim: Claim = { user_id, session_id: null, answer, failed: mfaFailed }
  return withFactor(visitor.with({ user_id }), services, claim, {
    begin: async transaction => {
      await transaction.run(lockAccount(user_id))
      await transaction.run(spendToken(mfaToken, id))
    },
    complete: (transaction, factor) =>
      signIn(transaction, services, {
        user_id,
        methods: [...methods, factor],
        isTwoFactor: true,
        organization_id,
        device_id,
        trustSeconds,
      }),
  })
}

/**
 * Re-authenticates by a second factor, which counts for the session from then on. @returns the new `auth_time`, in Unix
 * seconds @throws Problem invalid-code, session-ended, and what verifyPasskey throws
 */
export const stepUpByFactor = (
  visitor: SystemRunner,
  services: ProofServices,
  { user_id, session_id }: SessionRef,
  answer: FactorAnswer,
): Promise<number> =>
  withFactor(
    visitor,
    services,
    { user_id, session_id, answer, failed: stepUpFailed },
    {
      begin: transaction => transaction.run(lockSession({ user_id, session_id })),
      complete: async (transaction, factor) => {
        await transaction.run(noteSecondFactor(session_id, factor))
        return transaction.run(renewSignIn(session_id))
      },
    },
  )
