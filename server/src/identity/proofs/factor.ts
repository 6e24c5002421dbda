import { reportEvent } from '../../directory/history/history.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import type { PlainEvent } from '../../platform/mail/mails.ts'
import { isProblem, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import type { Standing } from '../changes/changes.ts'
import type { SecondFactor } from '../factors/factors.ts'
import type { Requirement } from '../factors/requirements.ts'
import { settleRefused } from '../lockout/attempts.ts'
import type { OpenGuess } from '../lockout/attempts.ts'
import type { PasskeyAnswer } from './messages.ts'

/** The client's proof of a second factor: exactly one of these. */
export interface FactorAnswer {
  code?: string | undefined
  recovery_code?: string | undefined
  passkey?: PasskeyAnswer | undefined
}

/** A claim to hold a second factor of an account, with its proof. */
export interface Claim {
  user_id: string
  session_id: string | null
  answer: FactorAnswer
  /** The security event that records a wrong answer. */
  failed: PlainEvent
  /** Only these factors count, including removed ones that are kept for an undo. */
  among?: Standing
}

/** A right answer, to be used up once the account is locked; of two concurrent uses, one succeeds. */
export interface VerifiedFactor {
  factor: SecondFactor
  requirement: Requirement
  /** Checks the answer without using it up, for factors that are otherwise checked only when used up. */
  check?: Requirement
  /** The guess, if the answer is a code; the operation settles it. */
  guess?: OpenGuess
}

/** Verifies one kind of second factor. Each feature with a second factor adds its verifier to the services. */
export interface FactorVerifier {
  answers: keyof FactorAnswer
  /**
   * Verifies the answer without a lock. @throws Problem invalid-code or invalid-passkey, invalid-token; rate-limited,
   * busy
   */
  verify: (visitor: SystemRunner, claim: Claim) => Promise<VerifiedFactor>
}

/**
 * Verifies an answer without a lock. Wrong codes are counted per account, not per token, so a new token does not reset
 * the counter. Only six-digit codes can be guessed, so only they can be locked: a passkey or a recovery code still
 * works.
 * @throws what the verifier of that answer throws
 */
export function verifyFactor(
  visitor: SystemRunner,
  { factorVerifiers }: Pick<Services, 'factorVerifiers'>,
  claim: Claim,
): Promise<VerifiedFactor> {
  const verifier = factorVerifiers.find(({ answers }) => claim.answer[answers] !== undefined)
  if (verifier === undefined) throw new Problem('invalid-code')
  return verifier.verify(visitor, claim)
}

/**
 * Verifies an answer and runs its operation. If the answer is refused, the operation is rolled back; a code that was
 * already used counts as wrong. @throws Problem invalid-code, and what `work` and the verifier throw; rate-limited,
 * busy
 */
export async function withFactor<Result>(
  visitor: SystemRunner,
  services: Pick<Services, 'factorVerifiers'>,
  claim: Claim,
  work: (verified: VerifiedFactor) => Promise<Result>,
): Promise<Result> {
  const verified = await verifyFactor(visitor, services, claim)
  try {
    return await work(verified)
  } catch (error) {
    await settleUnused(visitor, claim, verified, error)
    throw error
  }
}

/** Settles an answer after its operation failed: an answer that was already used up counts as wrong. */
export async function settleUnused(
  visitor: SystemRunner,
  claim: Claim,
  { guess }: VerifiedFactor,
  error: unknown,
  isWrong = isProblem(error, 'invalid-code'),
): Promise<void> {
  if (guess !== undefined) await settleRefused(visitor, guess, error, isWrong ? false : undefined)
  else if (isWrong) await reportEvent(visitor, claim.failed, claim.user_id, claim.session_id)
}
