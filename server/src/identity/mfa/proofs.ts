import { sql } from 'kysely'
import { reportEvent } from '../../directory/history/history.ts'
import { changeCredentials, noteSecondFactor, renewSignIn } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import type { EventDeclaration } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { presentedToken, spendingToken } from '../../platform/tokens/one-time-tokens.ts'
import type { SecondFactor } from '../factors/factors.ts'
import { recoveryCodeOf } from '../factors/recovery-codes.ts'
import { fulfil } from '../factors/requirements.ts'
import type { Requirement } from '../factors/requirements.ts'
import { reserveGuess, settleRefused, settleRight, verifyGuess } from '../lockout/attempts.ts'
import type { OpenGuess } from '../lockout/attempts.ts'
import type { AuthenticationOptions, PasskeyAnswer } from '../passkeys/messages.ts'
import { challengePasskey, verifyPasskey } from '../passkeys/passkey-sign-in.ts'
import { passkeyOf } from '../passkeys/passkeys.ts'
import { completeSignIn, mfaToken } from '../sign-in/sign-in.ts'
import type { Proof, SignInOutcome } from '../sign-in/sign-in.ts'
import { totpCodeOf, totpSeed, verifyTotp } from '../totp/totp.ts'
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

/** A guess at the code of an account's authenticator app. */
const codeGuess = { counter: 'mfa', secret: totpSeed(sql`account.id`) } as const

/** An answer that is right, and is used up once the account is locked: of two at once, one succeeds. */
interface VerifiedFactor {
  factor: SecondFactor
  requirement: Requirement
  /** Of a code: what it is good for settles it. */
  guess?: OpenGuess
}

/**
 * Verifies an answer, under no lock. Wrong codes are counted over all tokens of the account, so that no new one begins
 * anew. Only codes of six digits can be guessed, so only they can be locked: a passkey or a recovery code still gets the
 * user in. @throws Problem invalid-code, and what verifyPasskey throws; rate-limited, busy
 */
async function verifyFactor(
  visitor: SystemRunner,
  services: ProofServices,
  { user_id, session_id, answer, failed }: Claim,
): Promise<VerifiedFactor> {
  const { code = '', recovery_code, passkey } = answer
  if (passkey !== undefined) {
    const { passkey_id } = await verifyPasskey(visitor, services, passkey, user_id)
    return { factor: 'passkey', requirement: passkeyOf(user_id, passkey_id) }
  }
  if (recovery_code !== undefined)
    return { factor: 'recovery_code', requirement: recoveryCodeOf(services, { user_id, session_id }, recovery_code) }
  const device = session_id === null ? {} : { session_id }
  const guess = await reserveGuess(visitor, services, { ...codeGuess, who: { user_id }, failed, ...device })
  let step: number | undefined
  const account = await verifyGuess(visitor, guess, async found => {
    step = verifyTotp(services, user_id, found?.secret, code)
    return step !== undefined
  })
  if (account?.secret == null || step === undefined) throw new Problem('invalid-code')
  return { factor: 'totp', requirement: totpCodeOf(user_id, account.secret, step), guess }
}

/**
 * Verifies an answer, and does what it is for. What was begun is undone where it is refused, and a code that was used
 * before is a wrong one. @throws Problem invalid-code, and what `work` and verifyPasskey throw; rate-limited, busy
 */
async function withFactor<Result>(
  visitor: SystemRunner,
  services: ProofServices,
  claim: Claim,
  work: (verified: VerifiedFactor) => Promise<Result>,
): Promise<Result> {
  const verified = await verifyFactor(visitor, services, claim)
  try {
    return await work(verified)
  } catch (error) {
    const isWrong = error instanceof Problem && error.code === 'invalid-code'
    if (verified.guess !== undefined) await settleRefused(visitor, verified.guess, error, isWrong ? false : undefined)
    else if (isWrong) await reportEvent(visitor, claim.failed, claim.user_id, claim.session_id)
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
 * Finishes a sign-in that waits for its second factor: the token identifies, a code is a guess, and the steps are those of
 * every sign-in. Only success spends the token: a wrong code may be a slip.
 * @throws Problem invalid-token, invalid-code, and what completeSignIn and verifyPasskey throw
 */
export async function finishSignIn(
  visitor: SystemRunner,
  services: ProofServices & Pick<Services, 'declared' | 'signInRules'>,
  mfa_token: string,
  answer: FactorAnswer,
  { trustSeconds }: Pick<Proof, 'trustSeconds'>,
): Promise<SignInOutcome> {
  const { id, user_id, details } = await pausedSignIn(visitor, services, mfa_token)
  const { methods, organization_id, device_id } = details
  const claim: Claim = { user_id, session_id: null, answer, failed: mfaFailed }
  const token: Requirement = { row: spendingToken(mfaToken, id), otherwise: 'invalid-token' }
  return withFactor(visitor.with({ user_id }), services, claim, ({ factor, requirement, guess }) =>
    completeSignIn(visitor, services, {
      user_id,
      methods: [...methods, factor],
      isTwoFactor: true,
      requires: [token, requirement],
      guess,
      organization_id,
      device_id,
      trustSeconds,
    }),
  )
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
    ({ factor, requirement, guess }) =>
      changeCredentials(visitor, { user_id, session_id }, async transaction => {
        await transaction.run(fulfil(requirement))
        if (guess !== undefined) await transaction.run(settleRight(guess))
        await transaction.run(noteSecondFactor(session_id, factor))
        return transaction.finish(renewSignIn(session_id))
      }),
  )
