import { reportEvent } from '../../directory/history/history.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import type { PlainEvent } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import type { Standing } from '../changes/changes.ts'
import type { SecondFactor } from '../factors/factors.ts'
import type { Requirement } from '../factors/requirements.ts'
import { settleRefused } from '../lockout/attempts.ts'
import type { OpenGuess } from '../lockout/attempts.ts'
import type { PasskeyAnswer } from './messages.ts'

/** What a client answers when it is asked for a second factor: one of these. */
export interface FactorAnswer {
  code?: string | undefined
  recovery_code?: string | undefined
  passkey?: PasskeyAnswer | undefined
}

/** Who says to hold a second factor, and what they give. */
export interface Claim {
  user_id: string
  session_id: string | null
  answer: FactorAnswer
  /** How history calls a wrong answer. */
  failed: PlainEvent
  /** Only these factors count, also those among them that are kept to be put back. */
  among?: Standing
}

/** An answer that is right, and is used up once the account is locked: of two at once, one succeeds. */
export interface VerifiedFactor {
  factor: SecondFactor
  requirement: Requirement
  /** Where only using it up says whether it is right: the same without using it. */
  check?: Requirement
  /** Of a code: what it is good for settles it. */
  guess?: OpenGuess
}

/** How one kind of second factor is verified. Each feature that holds one adds its own to the services. */
export interface FactorVerifier {
  answers: keyof FactorAnswer
  /** Verifies the answer, under no lock. @throws Problem invalid-code or invalid-passkey, invalid-token; rate-limited, busy */
  verify: (visitor: SystemRunner, claim: Claim) => Promise<VerifiedFactor>
}

/**
 * Verifies an answer, under no lock. Wrong codes are counted over all tokens of the account, so that no new one begins
 * anew. Only codes of six digits can be guessed, so only they can be locked: a passkey or a recovery code still gets the
 * user in. @throws what the verifier of that answer throws
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
 * Verifies an answer, and does what it is for. What was begun is undone where it is refused, and a code that was used
 * before is a wrong one. @throws Problem invalid-code, and what `work` and the verifier throw; rate-limited, busy
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

/** Settles an answer whose purpose was refused: one that was used up before is a wrong one. */
export async function settleUnused(
  visitor: SystemRunner,
  claim: Claim,
  { guess }: VerifiedFactor,
  error: unknown,
  isWrong = error instanceof Problem && error.code === 'invalid-code',
): Promise<void> {
  if (guess !== undefined) await settleRefused(visitor, guess, error, isWrong ? false : undefined)
  else if (isWrong) await reportEvent(visitor, claim.failed, claim.user_id, claim.session_id)
}
