import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { generateSecret, generateURI } from 'otplib'
import { renderSVG } from 'uqr'
import { changeCredentials } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import { decrypt, encrypt } from '../../platform/crypto/sealing.ts'
import type { Runner, SystemRunner } from '../../platform/database/database.ts'
import { execute, find, raw, statement, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { changeKind } from '../changes/changes.ts'
import type { KeptRow } from '../changes/changes.ts'
import { completeEnrolment, completeRemoval, forgetFactors } from '../factors/factors.ts'
import type { Proof } from '../proofs/messages.ts'
import { changeWithProof } from '../proofs/proof.ts'
import type { ProofServices } from '../proofs/proof.ts'
import type { TotpSeed } from './messages.ts'
import { matchStep, placeOf } from './codes.ts'

const query = tables('system', 'totp_factors')

export const totpAdded = changeKind('totp-added', {
  words: {
    en: 'An authenticator app was added to your account.',
    de: 'Ihrem Konto wurde eine Authenticator-App hinzugefügt.',
  },
  undo: async (transaction, { user_id, trace }, { declared }) => {
    await transaction.run(
      execute(
        query
          .deleteFrom('totp_factors')
          .where('user_id', '=', user_id)
          .where('id', '=', trace.added ?? null),
      ),
    )
    await forgetFactors(transaction, declared, user_id)
  },
})
export const totpRemoved = changeKind('totp-removed', {
  words: {
    en: 'The authenticator app was removed from your account.',
    de: 'Die Authenticator-App wurde aus Ihrem Konto entfernt.',
  },
  // An account has at most one app: an app that was enrolled after the removal is another change, to be undone first.
  undo: async (transaction, { user_id }) => {
    await transaction.run(deleteUnconfirmed(user_id))
    if ((await transaction.run(findSeed(user_id))) !== undefined) throw new Problem('totp-enrolled')
  },
})

/** How long an enrolment can be confirmed, in minutes. */
const CONFIRM_MINUTES = 30

/** Whether a user has an authenticator app, as SQL for either login. */
export const hasTotp = (user_id: RawBuilder<unknown>): RawBuilder<boolean> =>
  sql<boolean>`exists (select from totp_factors t where t.user_id = ${user_id} and t.confirmed_at is not null)`

/** The ids of the authenticator apps of a user: one, or none. */
export const totpIds = (user_id: RawBuilder<unknown>): RawBuilder<{ id: string }> =>
  sql<{ id: string }>`select t.id from totp_factors t where t.user_id = ${user_id} and t.confirmed_at is not null`

const deleteUnconfirmed = (user_id: string) =>
  execute(query.deleteFrom('totp_factors').where('user_id', '=', user_id).where('confirmed_at', 'is', null))

/**
 * Begins to enrol an authenticator app, which shows the codes under `label`. It has no effect until a code confirms
 * it; beginning again replaces the seed. @throws Problem totp-enrolled, session-ended
 */
export async function beginTotp(
  visitor: Runner<'system'>,
  services: Pick<Services, 'config' | 'keys'>,
  session: SessionRef,
  label: string,
): Promise<TotpSeed> {
  const { user_id } = session
  const secret = generateSecret()
  const encrypted = encrypt(services.keys.totp, secret, placeOf(user_id))
  await changeCredentials(visitor, session, transaction => transaction.run(storeSeed(user_id, encrypted)))
  // In the label a colon separates the two (Key URI Format), so neither can have one.
  const [issuer, account] = [services.config.appName, label].map(text => text.replaceAll(/\s*:\s*/g, ' ').trim())
  const otpauth_uri = generateURI({ issuer: issuer as string, label: account as string, secret })
  // Some apps cannot read light on dark; the margin of four modules is from the standard (ISO/IEC 18004).
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
          .doUpdateSet({ id: sql<string>`new_id()`, secret, created_at: sql<string>`now()` })
          .where('totp_factors.confirmed_at', 'is', null),
      )
      .returning('user_id'),
    ([row]) => {
      if (row === undefined) throw new Problem('totp-enrolled')
    },
  )

/**
 * Confirms the app by one of its codes, which every sign-in then requires. @returns recovery codes with the first second
 * factor
 * @throws Problem invalid-code, totp-enrolled, not-found when nothing was begun in the last half hour, and what
 * changeWithProof throws
 */
export const confirmTotp = (
  visitor: SystemRunner,
  services: ProofServices & Pick<Services, 'keys'>,
  session: SessionRef,
  code: string,
  proof: Proof | undefined,
): Promise<string[] | undefined> =>
  changeWithProof(visitor, services, session, proof, async transaction => {
    const { user_id } = session
    const begun = await transaction.run(findSeed(user_id))
    if (begun === undefined || (begun.confirmed_at === null && !begun.is_recent)) throw new Problem('not-found')
    if (begun.confirmed_at !== null) throw new Problem('totp-enrolled')
    const step = matchStep(decrypt(services.keys.totp, begun.secret, placeOf(user_id)), code)
    if (step === undefined) throw new Problem('invalid-code')
    await transaction.run(confirmSeed(user_id, step))
    return completeEnrolment(transaction, services, session, { kind: totpAdded, id: begun.id, method: 'totp' })
  })

const findSeed = (user_id: string) =>
  find(
    query
      .selectFrom('totp_factors')
      .select(['id', 'secret', 'confirmed_at'])
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

/** @throws Problem not-found, and what changeWithProof throws */
export const removeTotp = (
  visitor: SystemRunner,
  services: ProofServices,
  session: SessionRef,
  proof: Proof | undefined,
): Promise<void> =>
  changeWithProof(visitor, services, session, proof, async transaction => {
    const row = await transaction.run(deleteTotp(session.user_id))
    if (row === undefined) throw new Problem('not-found')
    if (row['confirmed_at'] !== null)
      await completeRemoval(transaction, services, session, { kind: totpRemoved, table: 'totp_factors', row })
  })

const deleteTotp = (user_id: string) =>
  statement(
    raw(
      query,
      sql<{ row: KeptRow }>`delete from totp_factors t where user_id = ${user_id} returning to_jsonb(t) as row`,
    ),
    ([removed]) => removed?.row,
  )
