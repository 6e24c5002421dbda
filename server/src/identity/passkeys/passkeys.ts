import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import { changeCredentials } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import { deleteRow, updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { execute, get, raw, statement, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import { Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { issueToken, presentedToken, sealToken, spendToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import { changeKind } from '../changes/changes.ts'
import type { KeptRow } from '../changes/changes.ts'
import { completeEnrolment, completeRemoval, forgetFactors } from '../factors/factors.ts'
import type { Requirement } from '../factors/requirements.ts'
import type { Proof } from '../proofs/messages.ts'
import { changeWithProof, withProof } from '../proofs/proof.ts'
import type { ProofServices } from '../proofs/proof.ts'
import { keepSignInMethod } from '../sign-in/sign-in.ts'
import {
  CHALLENGE_SECONDS,
  handleOf,
  makeRegistrationOptions,
  newChallenge,
  plainCredential,
  readRegistration,
  UserNotVerified,
} from './ceremonies.ts'
import type { KnownCredential, NewCredential, RelyingParty } from './ceremonies.ts'
import type { NewPasskey, Passkey, PasskeySignals, RegistrationOptions } from './messages.ts'

const own = tables('tenant', 'passkeys', 'self', 'users')
const query = tables('system', 'passkeys', 'live_users')

/** Adds one passkey to the account that it names. */
export const passkeyRegistrationToken = tokenKind({
  purpose: 'passkey-registration',
  seconds: CHALLENGE_SECONDS,
  details: Strict({
    challenge: Type.String(),
    /** Whether a password manager creates it without asking the user. */
    conditional: Type.Optional(Type.Boolean()),
  }),
})

export const passkeyAdded = changeKind('passkey-added', {
  words: {
    en: 'A passkey was added to your account.',
    de: 'Ihrem Konto wurde ein Passkey hinzugefügt.',
  },
  undo: async (transaction, { user_id, trace }, { declared }) => {
    await transaction.run(
      execute(
        query
          .deleteFrom('passkeys')
          .where('user_id', '=', user_id)
          .where('id', '=', trace.added ?? null),
      ),
    )
    await forgetFactors(transaction, declared, user_id)
  },
})
export const passkeyRemoved = changeKind('passkey-removed', {
  words: {
    en: 'A passkey was removed from your account.',
    de: 'Aus Ihrem Konto wurde ein Passkey entfernt.',
  },
  undo: async () => {},
})

/** The maximum number of passkeys of a user. */
const MAX_PASSKEYS = 20

const columns = [
  'id',
  'name',
  'transports',
  'backed_up',
  'last_used_at',
  'created_at',
  'updated_at',
  'version',
] as const
export type PasskeyRow = Passkey & { version: number }

/** @throws Problem passkeys-unavailable */
export function requireParty({ relyingParty }: Pick<Services, 'relyingParty'>): RelyingParty {
  if (relyingParty === undefined) throw new Problem('passkeys-unavailable')
  return relyingParty
}

/** Whether a user has a passkey, as SQL for either login. */
export const hasAnyPasskey = (user_id: RawBuilder<unknown>): RawBuilder<boolean> =>
  sql<boolean>`exists (select from passkeys p where p.user_id = ${user_id})`

/** The ids of a user's passkeys. */
export const passkeyIds = (user_id: RawBuilder<unknown>): RawBuilder<{ id: string }> =>
  sql<{ id: string }>`select p.id from passkeys p where p.user_id = ${user_id}`

/** The number of passkeys of a user, as SQL for either login. */
export const passkeyCount = (user_id: RawBuilder<unknown>): RawBuilder<number> =>
  sql<number>`(select count(*)::int from passkeys p where p.user_id = ${user_id})`

const passkeyPages = pagesOf(() =>
  own
    .selectFrom('passkeys')
    .select(columns)
    // The policy already restricts this to the current user; repeated here, so that the index is used.
    .where('user_id', '=', sql<string>`(select user_id from self)`),
)

/** The current user's passkeys, the newest first. */
export const listPasskeys = (page: Page) => passkeyPages({}, orderOf('-created_at', 'passkeys'), page)

/** @throws Problem not-found */
export const getPasskey = (user_id: string, id: string) =>
  get(own.selectFrom('passkeys').select(columns).where('id', '=', id).where('user_id', '=', user_id))

/** @throws Problem not-found, entity-tag-stale */
export const renamePasskey = (user_id: string, id: string, name: string, condition: Condition) =>
  updateRow({ query: own, table: 'passkeys', key: { id, user_id }, columns, condition }, { name })

/** The passkeys of an account, or only those with these ids, as described to browsers. */
export const listCredentials = (user_id: string, ids?: readonly string[]) =>
  statement(
    query
      .selectFrom('passkeys')
      .select(['credential_id', 'transports'])
      .where('user_id', '=', user_id)
      .where(sql<boolean>`(${ids ?? null}::uuid[] is null or id = any (${ids ?? null}::uuid[]))`),
    (rows): KnownCredential[] =>
      rows.map(({ credential_id, transports }) => ({ id: credential_id.toString('base64url'), transports })),
  )

/** What password managers should know: which passkeys are accepted, and the names that they show. */
export const getSignals = ({ id: rpId }: RelyingParty, user_id: string) =>
  statement(
    raw(
      own,
      sql<{ email: string; full_name: string | null; credential_ids: Buffer[] }>`select u.email, u.full_name,
        array(select p.credential_id from passkeys p where p.user_id = u.id order by p.id) as credential_ids
        from self join users u on u.id = self.user_id`,
    ),
    ([user]): PasskeySignals => {
      if (user === undefined) throw new Problem('session-ended')
      const party = { rpId, userId: handleOf(user_id).toString('base64url') }
      const allAcceptedCredentialIds = user.credential_ids.map(id => id.toString('base64url'))
      return {
        all_accepted_credentials: { ...party, allAcceptedCredentialIds },
        current_user_details: { ...party, name: user.email, displayName: user.full_name ?? user.email },
      }
    },
  )

const findUser = (user_id: string) =>
  get(query.selectFrom('live_users').select(['id', 'email', 'full_name']).where('id', '=', user_id))

/**
 * Begins to add a passkey: creates a challenge for this user, valid for five minutes.
 * @throws Problem passkeys-unavailable, too-many-passkeys, session-ended
 */
export async function beginPasskey(
  visitor: SystemRunner,
  services: Pick<Services, 'keys' | 'relyingParty'>,
  session: SessionRef,
  isConditional: boolean,
): Promise<RegistrationOptions> {
  const party = requireParty(services)
  const { user_id } = session
  const challenge = newChallenge()
  const { user, known, id } = await changeCredentials(visitor, session, async transaction => {
    const user = await transaction.run(findUser(user_id))
    const known = await transaction.run(listCredentials(user_id))
    if (known.length >= MAX_PASSKEYS) throw new Problem('too-many-passkeys')
    const details = { challenge, ...(isConditional && { conditional: true }) }
    const token = issueToken(passkeyRegistrationToken, { user_id, details })
    return { user, known, id: await transaction.run(token) }
  })
  const options = await makeRegistrationOptions(party, challenge, user, known, isConditional)
  return { challenge_token: sealToken(services.keys.oneTime, passkeyRegistrationToken, id), options }
}

/**
 * Adds the passkey that an authenticator created for the challenge. The first second factor also creates recovery
 * codes.
 * @throws Problem passkey-taken, too-many-passkeys, invalid-token; invalid-fields when the response does not match; and
 * what withProof throws
 */
export async function addPasskey(
  visitor: SystemRunner,
  services: ProofServices & Pick<Services, 'keys' | 'relyingParty'>,
  session: SessionRef,
  { challenge_token, name, response, proof }: NewPasskey,
): Promise<PasskeyRow & { recovery_codes?: string[] }> {
  const party = requireParty(services)
  const { user_id } = session
  return withProof(visitor, services, session, { proof }, async ({ change }) => {
    const token = await presentedToken(visitor, services.keys.oneTime, passkeyRegistrationToken, challenge_token)
    if (token.user_id !== user_id) throw new Problem('invalid-token')
    const { challenge, conditional = false } = token.details
    const credential = await readRegistration(party, challenge, plainCredential(response), conditional).catch(
      (error: unknown) => {
        const detail =
          error instanceof UserNotVerified
            ? 'was made without verifying you: set a PIN on the security key, or use an authenticator with a fingerprint or face'
            : 'is not the response of an authenticator to this challenge on this site'
        throw new Problem('invalid-fields', { errors: [{ pointer: '/response', detail }], cause: error })
      },
    )
    return change(async transaction => {
      await transaction.run(spendToken(passkeyRegistrationToken, token.id))
      const known = await transaction.run(listCredentials(user_id))
      if (known.length >= MAX_PASSKEYS) throw new Problem('too-many-passkeys')
      const passkey = await transaction.run(insertPasskey(user_id, name, credential))
      const added = { kind: passkeyAdded, id: passkey.id, method: 'passkey' } as const
      const recovery_codes = await completeEnrolment(transaction, services, session, added)
      return { ...passkey, ...(recovery_codes && { recovery_codes }) }
    })
  })
}

const insertPasskey = (user_id: string, name: string, credential: NewCredential) =>
  get(
    query
      .insertInto('passkeys')
      .values({ user_id, name, ...credential })
      .returning(columns),
    { passkeys_credential_id_key: 'passkey-taken' },
  )

/**
 * Removes a passkey, which can then no longer sign in. @throws Problem not-found, entity-tag-stale, last-way-in, and
 * what changeWithProof throws
 */
export const removePasskey = (
  visitor: SystemRunner,
  services: ProofServices,
  session: SessionRef,
  id: string,
  condition: Condition,
  proof: Proof | undefined,
): Promise<void> =>
  changeWithProof(visitor, services, session, proof, async transaction => {
    const { user_id } = session
    const row = await transaction.run(findRow(user_id, id))
    await transaction.run(deleteRow({ query, table: 'passkeys', key: { id, user_id }, columns: ['id'], condition }))
    await keepSignInMethod(transaction, services, user_id)
    await completeRemoval(transaction, services, session, { kind: passkeyRemoved, table: 'passkeys', row })
  })

/** The row in the form in which it is kept. @throws Problem not-found */
const findRow = (user_id: string, id: string) =>
  statement(
    raw(
      query,
      sql<{ row: KeptRow }>`select to_jsonb(p) as row from passkeys p where id = ${id} and user_id = ${user_id}`,
    ),
    ([found]) => {
      if (found === undefined) throw new Problem('not-found')
      return found.row
    },
  )

/** Requires that the passkey still exists: it may have been removed since the verification. */
export const passkeyOf = (user_id: string, id: string): Requirement => ({
  row: sql`select id from passkeys where id = ${id} and user_id = ${user_id} for key share`,
  otherwise: 'invalid-passkey',
})

/**
 * Records a use. A signature counter that goes backwards means that the passkey was copied (section 6.1.1). @returns
 * false then
 */
export const recordUse = (id: string, { counter, backed_up }: { counter: number; backed_up: boolean }) =>
  statement(
    query
      .updateTable('passkeys')
      .set({ counter, backed_up, last_used_at: sql<string>`now()` })
      .where('id', '=', id)
      // Most authenticators do not count, and always send 0.
      .where(eb => eb.or([eb('counter', '<', counter), eb.and([eb('counter', '=', 0), eb.lit(counter === 0)])]))
      .returning('id'),
    rows => rows.length > 0,
  )
