import { sql } from 'kysely'
import { generateSecret, verifySync } from 'otplib'
import { decrypt } from '../../platform/crypto/sealing.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { undoToken } from '../changes/changes.ts'
import type { KeptFactor } from '../changes/changes.ts'
import type { Requirement } from '../factors/requirements.ts'
import { reserveGuess, verifyGuess } from '../lockout/attempts.ts'
import type { FactorVerifier } from '../proofs/factor.ts'
import { plainCode } from '../proofs/messages.ts'

/**
 * The lifetime of a code, in seconds; the codes before and after are accepted too, for clocks that differ (RFC 6238,
 * section 5.2).
 */
const STEP = 30

/** The context that the encryption of a seed is bound to. */
export const placeOf = (user_id: string): string => `totp ${user_id}`

/** The time step (RFC 6238, section 4.2) of this code, at most one away from now; undefined if no step matches. */
export function matchStep(secret: string, code: string, milliseconds = Date.now()): number | undefined {
  const token = plainCode(code)
  const result = verifySync({ secret, token, period: STEP, epoch: milliseconds / 1000, epochTolerance: STEP })
  return 'timeStep' in result ? result.timeStep : undefined
}

/** Used for the comparison if there is no seed, so that it takes as long. */
const NO_SEED = generateSecret()

/** A seed to try, and the requirement that uses up the code. */
interface Candidate {
  seed: Buffer
  use: (step: number) => Requirement
}

/** Codes of authenticator apps: guesses at one of a million, counted per account, over all its tokens. */
export const totpVerifier = ({ keys, lockout }: Pick<Services, 'keys' | 'lockout'>): FactorVerifier => ({
  answers: 'code',
  verify: async (visitor, { user_id, session_id, answer: { code = '' }, failed, among }) => {
    const device = session_id === null ? {} : { session_id }
    const secret = seedOfAccount(among?.ids)
    const guess = await reserveGuess(
      visitor,
      { lockout },
      { counter: 'mfa', secret, who: { user_id }, isAnyState: among !== undefined, failed, ...device },
    )
    let requirement: Requirement | undefined
    const account = await verifyGuess(visitor, guess, async found => {
      const seed = found?.secret
      const own = seed == null ? [] : [{ seed, use: (step: number) => totpCodeOf(user_id, seed, step) }]
      const candidates: Candidate[] = found === undefined ? [] : [...own, ...(among?.kept ?? []).flatMap(keptSeed)]
      if (candidates.length === 0) matchStep(NO_SEED, code)
      for (const { seed: one, use } of candidates) {
        const step = matchStep(decrypt(keys.totp, one, placeOf(user_id)), code)
        if (step !== undefined) requirement = use(step)
      }
      return requirement !== undefined
    })
    if (account === undefined || requirement === undefined) throw new Problem('invalid-code')
    return { factor: 'totp', requirement, guess }
  },
})

/** The seed of an account, as SQL; with `ids`, only if it is one of these factors. */
const seedOfAccount = (ids: readonly string[] | undefined) =>
  sql<Buffer | null>`(select t.secret from totp_factors t where t.user_id = account.id and t.confirmed_at is not null
    and (${ids ?? null}::uuid[] is null or t.id = any (${ids ?? null}::uuid[])))`

/** The seed of a removed authenticator app that is kept for an undo. */
const keptSeed = ({ id, table, row }: KeptFactor): Candidate[] =>
  table !== 'totp_factors'
    ? []
    : [{ seed: Buffer.from(String(row['secret']).replace(/^\\x/, ''), 'hex'), use: step => keptCodeOf(id, step) }]

/** Uses up a code and all earlier ones; of two concurrent uses of a code, one succeeds. */
const totpCodeOf = (user_id: string, seed: Buffer, step: number): Requirement => ({
  row: sql`update totp_factors set last_step = ${step}
    where user_id = ${user_id} and secret = ${seed} and (last_step is null or last_step < ${step}) returning last_step`,
  otherwise: 'invalid-code',
})

/** The same for a kept app, so that a code that was used before an undo stays used after it. */
const keptCodeOf = (id: string, step: number): Requirement => ({
  row: sql`update one_time_tokens set details = jsonb_set(details, '{kept,totp_factors,0,last_step}', to_jsonb(${step}::bigint))
    where purpose = ${undoToken.purpose} and details ->> 'removed' = ${id} and used_at is null
      and coalesce((details #>> '{kept,totp_factors,0,last_step}')::bigint, 0) < ${step} returning id`,
  otherwise: 'invalid-code',
})
