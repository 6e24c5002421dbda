import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { generateSecret, generateURI, verifySync } from 'otplib'
import { renderSVG } from 'uqr'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import { decrypt, encrypt } from '../../platform/crypto/sealing.ts'
import type { Runner } from '../../platform/database/database.ts'
import { execute, find, statement, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { changeFactors, completeEnrolment, completeRemoval } from '../factors/factors.ts'
import type { Requirement } from '../factors/requirements.ts'
import type { TotpSeed } from './messages.ts'

const query = tables('system', 'totp_factors')

export const totpAdded = eventKind('totp-added', { mailed: true })
export const totpRemoved = eventKind('totp-removed', { mailed: true })

/** A code is good for as long, and as long again before and after, for clocks that differ (RFC 6238, section 5.2). Seconds. */
const STEP = 30
/** An enrolment that is not confirmed by then is void. Minutes. */
const CONFIRM_MINUTES = 30

const placeOf = (user_id: string): string => `totp ${user_id}`

/** Whether a user has an authenticator app, as SQL for either login. */
export const hasTotp = (user_id: RawBuilder<unknown>): RawBuilder<boolean> =>
  sql<boolean>`exists (select from totp_factors t where t.user_id = ${user_id} and t.confirmed_at is not null)`

/** The time step (RFC 6238, section 4.2) whose code this is, at most one away from now; undefined when it is of none. */
export function matchStep(secret: string, code: string, milliseconds = Date.now()): number | undefined {
  const token = code.replace(' ', '')
  const result = verifySync({ secret, token, period: STEP, epoch: milliseconds / 1000, epochTolerance: STEP })
  return 'timeStep' in result ? result.timeStep : undefined
}

/**
 * Begins to enrol an authenticator app, which shows the codes under `label`: nothing holds until a code confirms it, and
 * beginning again replaces the seed. @throws Problem totp-enrolled, session-ended, step-up-required
 */
export async function beginTotp(
  visitor: Runner<'system'>,
  services: Pick<Services, 'config' | 'declared' | 'keys'>,
  session: SessionRef,
  label: string,
): Promise<TotpSeed> {
  const { user_id } = session
  const secret = generateSecret()
  const encrypted = encrypt(services.keys.totp, secret, placeOf(user_id))
  await changeFactors(visitor, services, session, transaction => transaction.run(storeSeed(user_id, encrypted)))
  const otpauth_uri = generateURI({ issuer: services.config.appName, label, secret })
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
 * @throws Problem invalid-code, totp-enrolled, session-ended, step-up-required, not-found when nothing was begun in the last half hour
 */
export const confirmTotp = (
  visitor: Runner<'system'>,
  services: Pick<Services, 'declared' | 'keys'>,
  session: SessionRef,
  code: string,
): Promise<string[] | undefined> =>
  changeFactors(visitor, services, session, async transaction => {
    const { user_id } = session
    const begun = await transaction.run(findSeed(user_id))
    if (begun === undefined || (begun.confirmed_at === null && !begun.is_recent)) throw new Problem('not-found')
    if (begun.confirmed_at !== null) throw new Problem('totp-enrolled')
    const step = matchStep(decrypt(services.keys.totp, begun.secret, placeOf(user_id)), code)
    if (step === undefined) throw new Problem('invalid-code')
    await transaction.run(confirmSeed(user_id, step))
    return completeEnrolment(transaction, services, session, { event: totpAdded, method: 'totp' })
  })

const findSeed = (user_id: string) =>
  find(
    query
      .selectFrom('totp_factors')
      .select(['secret', 'confirmed_at'])
      .select(sql<boolean>`created_at > now() - make_interval(mins => ${CONFIRM_MINUTES})`.as('is_recent'))
      .where('user_id', '=', user_id),
  )

const confirmSeed = (user_id: string, last_step: number) =>
  execute(
    query
      .updateTable('totp_factors')
      .set({ confirmed_at: sql<string>`now()`, last_step })
      .where('user_id', '=', user_id),
  )

/** @throws Problem not-found, session-ended, step-up-required */
export const removeTotp = (
  visitor: Runner<'system'>,
  services: Pick<Services, 'declared'>,
  session: SessionRef,
): Promise<void> =>
  changeFactors(visitor, services, session, async transaction => {
    const removed = await transaction.run(
      find(query.deleteFrom('totp_factors').where('user_id', '=', session.user_id).returning('confirmed_at')),
    )
    if (removed === undefined) throw new Problem('not-found')
    if (removed.confirmed_at !== null) await completeRemoval(transaction, services, session, totpRemoved)
  })

/** The seed that codes of an account are compared with, as SQL. */
export const totpSeed = (user_id: RawBuilder<unknown>): RawBuilder<Buffer | null> =>
  sql<Buffer | null>`(select t.secret from totp_factors t where t.user_id = ${user_id} and t.confirmed_at is not null)`

/** Compared with where there is no seed, so that it takes as long. */
const NO_SEED = generateSecret()

/** The time step whose code of this seed it is, whether or not it was used before; undefined when it is of none. */
export function verifyTotp(
  { keys }: Pick<Services, 'keys'>,
  user_id: string,
  seed: Buffer | null | undefined,
  code: string,
): number | undefined {
  const secret = seed ? decrypt(keys.totp, seed, placeOf(user_id)) : undefined
  const step = matchStep(secret ?? NO_SEED, code)
  return secret === undefined ? undefined : step
}

/** Uses a code up, with all earlier ones: of two at once with the same code, one finds the step not yet taken. */
export const totpCodeOf = (user_id: string, seed: Buffer, step: number): Requirement => ({
  row: sql`update totp_factors set last_step = ${step}
    where user_id = ${user_id} and secret = ${seed} and (last_step is null or last_step < ${step}) returning last_step`,
  otherwise: 'invalid-code',
})
