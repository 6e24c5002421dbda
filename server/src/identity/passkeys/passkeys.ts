import { sql } from 'kysely'
import { keepWayIn } from '../sign-in/sign-in.ts'
import { deleteRow, updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import type { Database, Scope, Transaction } from '../../platform/database/database.ts'
import { findToken, issueToken, openToken, sealToken, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { Problem } from '../../platform/problems.ts'
import { get, query, statement } from '../../platform/database/statement.ts'
import { lockSession } from '../../directory/sessions/sessions.ts'
import type { OwnSession } from '../../directory/sessions/sessions.ts'
import { completeEnrolment, completeRemoval, lockFactors } from '../factors/factors.ts'
import type { FactorKeys } from '../factors/factors.ts'
import { makeRegistrationOptions, readRegistration } from './ceremonies.ts'
import type { KnownCredential, NewCredential, RelyingParty } from './ceremonies.ts'
import type { NewPasskey, Passkey, RegistrationOptions } from './messages.ts'

/** What passkeys are made and checked with. */
export interface PasskeyTools {
  database: Database
  /** Undefined where no browser would take one. */
  party: RelyingParty | undefined
  /** Seals the tokens of challenges. */
  key: Buffer
}

/** How many one person may have. */
const MOST_PASSKEYS = 20

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
export function requireParty({ party }: PasskeyTools): RelyingParty {
  if (party === undefined) throw new Problem('passkeys-unavailable')
  return party
}

const ownPasskeys = query
  .selectFrom('passkeys')
  .innerJoin('self', 'self.user_id', 'passkeys.user_id')
  .select(columns.map(column => `passkeys.${column}` as const))

const passkeyPages = pagesOf(() => ownPasskeys)

/** One's own passkeys (system login, under one's session), the newest first. */
export const listPasskeys = (page: Page) => passkeyPages({}, orderOf('-created_at', 'passkeys'), page)

/** @throws Problem not-found */
export const getPasskey = (id: string) => get(ownPasskeys.where('passkeys.id', '=', id))

/** The passkeys of an account, as browsers are told of them (system login). */
export const listCredentials = (user_id: string) =>
  statement(
    query.selectFrom('passkeys').select(['credential_id', 'transports']).where('user_id', '=', user_id),
    (rows): KnownCredential[] =>
      rows.map(({ credential_id, transports }) => ({ id: credential_id.toString('base64url'), transports })),
  )

const findSelf = get(
  query
    .selectFrom('self')
    .innerJoin('users', 'users.id', 'self.user_id')
    .select(['users.id', 'users.email', 'users.full_name']),
)

/**
 * Begins to add a passkey: a challenge for this person, good for five minutes.
 * @throws Problem passkeys-unavailable, too-many-passkeys, step-up-required
 */
export async function beginPasskey(
  tools: PasskeyTools,
  scope: Scope,
  session: OwnSession,
): Promise<RegistrationOptions> {
  const party = requireParty(tools)
  const { system } = tools.database
  await system.transaction(scope, transaction => lockFactors(transaction, session))
  const person = await system.run(scope, findSelf)
  const known = await system.run(scope, listCredentials(person.id))
  if (known.length >= MOST_PASSKEYS) throw new Problem('too-many-passkeys')
  const options = await makeRegistrationOptions(party, person, known)
  const details = { challenge: options.challenge }
  const id = await system.run(scope, issueToken({ purpose: 'passkey-registration', user_id: person.id, details }))
  return { challenge_token: sealToken(tools.key, 'passkey-registration', id), options }
}

/**
 * Adds the passkey that an authenticator has made for the challenge. With the first second factor come recovery codes.
 * @throws Problem invalid-token, passkey-taken, too-many-passkeys, session-ended, step-up-required; invalid-fields when it is no answer to it
 */
export async function addPasskey(
  tools: PasskeyTools,
  keys: FactorKeys,
  scope: Scope,
  session: OwnSession,
  { challenge_token, name, response }: NewPasskey,
): Promise<PasskeyRow & { recovery_codes?: string[] }> {
  const party = requireParty(tools)
  const { system } = tools.database
  await system.run(scope, findSelf)
  const token_id = openToken(tools.key, 'passkey-registration', challenge_token)
  const token = await system.run(scope, findToken('passkey-registration', token_id))
  if (token === undefined || token.user_id !== session.user_id) throw new Problem('invalid-token')
  const credential = await readRegistration(party, challengeOf(token), response).catch((error: unknown) => {
    const errors = [{ pointer: '/response', detail: 'is no answer of an authenticator to this challenge on this site' }]
    throw new Problem('invalid-fields', { errors, cause: error })
  })
  return system.transaction(scope, async transaction => {
    await lockFactors(transaction, session)
    await transaction.run(spendToken('passkey-registration', token_id))
    const known = await transaction.run(listCredentials(session.user_id))
    if (known.length >= MOST_PASSKEYS) throw new Problem('too-many-passkeys')
    const passkey = await transaction.run(insertPasskey(session.user_id, name, credential))
    const recovery_codes = await completeEnrolment(transaction, keys, session, 'passkey')
    return { ...passkey, ...(recovery_codes && { recovery_codes }) }
  })
}

/** What a token of ours holds. */
export const challengeOf = ({ details }: { details: unknown }): string => (details as { challenge: string }).challenge

const insertPasskey = (user_id: string, name: string, credential: NewCredential) =>
  get(
    query
      .insertInto('passkeys')
      .values({ user_id, name, ...credential })
      .returning(columns),
    {
      passkeys_credential_id_key: 'passkey-taken',
    },
  )

/** @throws Problem not-found, entity-tag-stale, session-ended */
export async function renamePasskey(
  transaction: Transaction,
  session: OwnSession,
  id: string,
  name: string,
  condition: Condition,
): Promise<PasskeyRow> {
  await transaction.run(lockSession(session))
  return transaction.run(updateRow<PasskeyRow>({ ...keyOf(session, id), condition }, { name }))
}

/** Removes one; it signs nobody in from now on. @throws Problem not-found, entity-tag-stale, last-way-in, session-ended, step-up-required */
export async function removePasskey(
  transaction: Transaction,
  session: OwnSession,
  id: string,
  condition: Condition,
): Promise<void> {
  await lockFactors(transaction, session)
  await transaction.run(deleteRow({ ...keyOf(session, id), condition }))
  await keepWayIn(transaction, session.user_id)
  await completeRemoval(transaction, session, 'passkey')
}

const keyOf = ({ user_id }: OwnSession, id: string) => ({ table: 'passkeys', key: { id, user_id }, columns }) as const

/** What became of a use: the authenticator counts them, and one that counts backwards has a twin (section 6.1.1). */
export const countUse = (id: string, { counter, backed_up }: { counter: number; backed_up: boolean }) =>
  statement(
    query
      .updateTable('passkeys')
      .set({ counter, backed_up, last_used_at: sql<string>`now()` })
      .where('id', '=', id)
      // Most count nothing, and say 0 forever.
      .where(eb => eb.or([eb('counter', '<', counter), eb.and([eb('counter', '=', 0), eb.lit(counter === 0)])]))
      .returning('id'),
    rows => rows.length > 0,
  )
