import { changeCredentials, noteSecondFactor, renewSignIn } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { presentedToken, spendingToken } from '../../platform/tokens/one-time-tokens.ts'
import { fulfil } from '../factors/requirements.ts'
import type { Requirement } from '../factors/requirements.ts'
import { settleRight } from '../lockout/attempts.ts'
import type { AuthenticationOptions } from '../passkeys/messages.ts'
import { challengePasskey } from '../passkeys/passkey-sign-in.ts'
import { withFactor } from '../proofs/factor.ts'
import type { Claim, FactorAnswer } from '../proofs/factor.ts'
import { completeSignIn, mfaToken } from '../sign-in/sign-in.ts'
import type { Proof, SignInOutcome } from '../sign-in/sign-in.ts'
import { stepUpFailed } from './step-up.ts'

export const mfaFailed = eventKind('mfa-failed')

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
  return challengePasskey(visitor, services, { user_id })
}

/**
 * Finishes a sign-in that waits for its second factor: the token identifies the sign-in, a code is a guess, and the
 * steps are those of every sign-in. Only success spends the token, so that a mistyped code can be corrected.
 * @throws Problem invalid-token, invalid-code, and what completeSignIn and verifyPasskey throw
 */
export async function finishSignIn(
  visitor: SystemRunner,
  services: Pick<Services, 'declared' | 'factorVerifiers' | 'keys' | 'signInRules'>,
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
 * Re-authenticates by a second factor, which the session then counts as verified. @returns the new `auth_time`, in Unix
 * seconds @throws Problem invalid-code, session-ended, and what verifyPasskey throws
 */
export const stepUpByFactor = (
  visitor: SystemRunner,
  services: Pick<Services, 'factorVerifiers'>,
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

/** Requires exactly one of these fields. @throws Problem invalid-fields */
export function requireOne<Body extends object>(body: Body, names: readonly (keyof Body & string)[]): void {
  const given = names.filter(name => body[name] !== undefined)
  if (given.length !== 1) throw invalidField(`/${given[1] ?? names[0]}`, `give one of ${names.join(', ')}`)
}
