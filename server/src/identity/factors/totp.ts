import { sql } from 'kysely'
import { generateSecret, generateURI, verifySync } from 'otplib'
import { renderSVG } from 'uqr'
import type { Transaction } from '../../platform/database/database.ts'
import { Problem } from '../../platform/problems.ts'
import { decrypt, encrypt } from '../../platform/crypto/sealing.ts'
import { find, query, statement } from '../../platform/database/statement.ts'
import type { OwnSession } from '../../directory/sessions/sessions.ts'
import { completeEnrolment, completeRemoval, lockFactors } from './factors.ts'
import type { FactorKeys } from './factors.ts'

/** A code holds for so long, and as long again before and after, for clocks that differ (RFC 6238, section 5.2). Seconds. */
const STEP = 30
/** An enrolment that is not confirmed by then is none. Minutes. */
const CONFIRM_MINUTES = 30

/** What an authenticator app is given: the seed in Base32, the same as a link, and the link as a QR code. */
export interface TotpSeed {
  secret: string
  otpauth_uri: string
  qr_svg: string
}

const placeOf = (user_id: string): string => `totp ${user_id}`

/** The time step (RFC 6238, section 4.2) whose code this is, at most one away from now; undefined when it is of none. */
export function matchStep(secret: string, code: string, milliseconds = Date.now()): number | undefined {
  const token = code.replace(' ', '')
  const result = verifySync({ secret, token, period: STEP, epoch: milliseconds / 1000, epochTolerance: STEP })
  return 'timeStep' in result ? result.timeStep : undefined
}

/**
 * Begins to enrol an authenticator app: nothing holds until a code confirms it, and beginning again replaces the seed.
 * @throws Problem totp-enrolled, step-up-required
 */
export async function beginTotp(
  transaction: Transaction,
  keys: FactorKeys,
  session: OwnSession,
  { issuer, label }: { issuer: string; label: string },
): Promise<TotpSeed> {
  const secret = generateSecret()
  await lockFactors(transaction, session)
  await transaction.run(storeSeed(session.user_id, encrypt(keys.totp, secret, placeOf(session.user_id))))
  const otpauth_uri = generateURI({ issuer, label, secret })
  // Light on dark is not read by every app, and four modules of margin are the standard's (ISO/IEC 18004).
  return { secret, otpauth_uri, qr_svg: renderSVG(otpauth_uri, { ecc: 'M', border: 4, pixelSize: 4 }) }
}

const storeSeed = (user_id: string, secret: Buffer) =>
  statement(
    query
      .insertInto('totp_factors')
      .values({ user_id, secret })
      .onConflict(conflict =>
        conflict
          .column('user_id')
          .doUpdateSet({ secret, created_at: sql<string>`now()` })
          .where('totp_factors.confirmed_at', 'is', null),
      )
      .returning('user_id'),
    ([row]) => {
      if (row === undefined) throw new Problem('totp-enrolled')
    },
  )

/**
 * Confirms it by a code of the app: from now on it is demanded. @returns recovery codes with the first second factor
 * @throws Problem invalid-code, totp-enrolled, step-up-required, not-found when nothing was begun in the last half hour
 */
export async function confirmTotp(
  transaction: Transaction,
  keys: FactorKeys,
  session: OwnSession,
  code: string,
): Promise<string[] | undefined> {
  await lockFactors(transaction, session)
  const begun = await transaction.run(findSeed(session.user_id))
  if (begun === undefined || (begun.confirmed_at === null && !begun.is_recent)) throw new Problem('not-found')
  if (begun.confirmed_at !== null) throw new Problem('totp-enrolled')
  const step = matchStep(decrypt(keys.totp, begun.secret, placeOf(session.user_id)), code)
  if (step === undefined) throw new Problem('invalid-code')
  await transaction.run(
    find(
      query
        .updateTable('totp_factors')
        .set({ confirmed_at: sql<string>`now()`, last_step: step })
        .where('user_id', '=', session.user_id),
    ),
  )
  return completeEnrolment(transaction, keys, session, 'totp')
}

const findSeed = (user_id: string) =>
  find(
    query
      .selectFrom('totp_factors')
      .select(['secret', 'confirmed_at'])
      .select(sql<boolean>`created_at > now() - make_interval(mins => ${CONFIRM_MINUTES})`.as('is_recent'))
      .where('user_id', '=', user_id),
  )

/** @throws Problem not-found, step-up-required */
export async function removeTotp(transaction: Transaction, session: OwnSession): Promise<void> {
  await lockFactors(transaction, session)
  const removed = await transaction.run(
    find(query.deleteFrom('totp_factors').where('user_id', '=', session.user_id).returning('confirmed_at')),
  )
  if (removed === undefined) throw new Problem('not-found')
  if (removed.confirmed_at !== null) await completeRemoval(transaction, session, 'totp')
}

/**
 * Whether it is the code of now; it then is used up, with all earlier ones. @returns the time step that matched, undefined
 * when it was none, or used before
 */
export async function useTotp(
  transaction: Transaction,
  key: Buffer,
  user_id: string,
  code: string,
): Promise<number | undefined> {
  const factor = await transaction.run(findSeed(user_id))
  if (factor === undefined || factor.confirmed_at === null) return undefined
  const step = matchStep(decrypt(key, factor.secret, placeOf(user_id)), code)
  return step === undefined ? undefined : transaction.run(advance(user_id, factor.secret, step))
}

/** Of two at once with the same code, one finds the step not yet taken. */
const advance = (user_id: string, secret: Buffer, step: number) =>
  statement(
    query
      .updateTable('totp_factors')
      .set({ last_step: step })
      .where('user_id', '=', user_id)
      .where('secret', '=', secret)
      .where(eb => eb.or([eb('last_step', 'is', null), eb('last_step', '<', step)]))
      .returning('last_step'),
    ([row]) => row?.last_step ?? undefined,
  )
