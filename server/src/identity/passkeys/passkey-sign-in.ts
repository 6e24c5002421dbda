import { sql } from 'kysely'
import { Type } from 'typebox'
import { reportEvent } from '../../directory/history/history.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { find, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import { Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { presentedToken, sealToken, spendToken, startToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import { undoToken } from '../changes/changes.ts'
import type { Standing } from '../changes/changes.ts'
import type { Requirement } from '../factors/requirements.ts'
import type { FactorVerifier } from '../proofs/factor.ts'
import type { PasskeyAnswer } from '../proofs/messages.ts'
import { completeSignIn } from '../sign-in/sign-in.ts'
import type { Proof, SignInOutcome } from '../sign-in/sign-in.ts'
import {
  CHALLENGE_SECONDS,
  handleOf,
  makeAuthenticationOptions,
  newChallenge,
  plainCredential,
  readAuthentication,
  saysUserVerified,
} from './ceremonies.ts'
import type { KnownCredential } from './ceremonies.ts'
import type { AuthenticationOptions } from './messages.ts'
import { listCredentials, passkeyOf, recordUse, requireParty } from './passkeys.ts'

const query = tables('system', 'passkeys', 'live_users')

/** The challenge of a passkey: to sign in, or as a second factor of the account that it names. */
export const passkeyAuthenticationToken = tokenKind({
  purpose: 'passkey-authentication',
  seconds: CHALLENGE_SECONDS,
  details: Strict({ challenge: Type.String() }),
})

export const passkeyRefused = eventKind('passkey-refused')

/** The account that the passkey must belong to. */
interface Expected {
  user_id?: string | undefined
  /** Only these second factors count, including removed ones that are kept for an undo. */
  among?: Standing | undefined
}

/**
 * Creates a challenge, valid for five minutes: for the passkeys of a known account, or for any passkey of the site,
 * which does not reveal who has one. @throws Problem passkeys-unavailable
 */
export async function challengePasskey(
  visitor: SystemRunner,
  services: Pick<Services, 'keys' | 'relyingParty'>,
  { user_id, among }: Expected = {},
): Promise<AuthenticationOptions> {
  const party = requireParty(services)
  const challenge = newChallenge()
  const id = await startToken(visitor, passkeyAuthenticationToken, { user_id, details: { challenge } })
  // system: the tenant login cannot read keys, and a sign-in that waits for its second factor has no session
  const known = user_id === undefined ? undefined : await visitor.run(listCredentials(user_id, among?.ids))
  const options = await makeAuthenticationOptions(party, challenge, known && [...known, ...keptCredentials(among)])
  return { challenge_token: sealToken(services.keys.oneTime, passkeyAuthenticationToken, id), options }
}

/**
 * Verifies a passkey's response and spends its challenge; of two concurrent uses of a response, one succeeds. With
 * `user_id` the challenge and the passkey must belong to that account, as for a second factor; without, the passkey
 * identifies it. A refusal is recorded as `passkey-refused`. @throws Problem invalid-token, invalid-passkey,
 * user-not-verified, passkeys-unavailable
 */
async function verifyPasskey(
  visitor: SystemRunner,
  services: Pick<Services, 'keys' | 'relyingParty'>,
  { challenge_token, response: sent }: PasskeyAnswer,
  { user_id, among }: Expected = {},
): Promise<{ user_id: string; passkey_id: string }> {
  const party = requireParty(services)
  const response = plainCredential(sent)
  const token = await presentedToken(visitor, services.keys.oneTime, passkeyAuthenticationToken, challenge_token)
  if (token.user_id !== (user_id ?? null)) throw new Problem('invalid-token')

  const credential_id = Buffer.from(response.id, 'base64url')
  // system: the passkey is looked up before it is known whose it is
  const held = await visitor.run(findCredential(credential_id, among !== undefined))
  const kept = user_id === undefined ? undefined : findKept(among, user_id, credential_id)
  const passkey = kept ?? (among === undefined || among.ids.includes(held?.id ?? '') ? held : undefined)
  async function refuse(
    reason: string,
    cause?: unknown,
    code: 'invalid-passkey' | 'user-not-verified' = 'invalid-passkey',
  ): Promise<never> {
    const details = { reason, passkey_id: passkey?.id ?? held?.id ?? null }
    await reportEvent(visitor, passkeyRefused, passkey?.user_id ?? held?.user_id ?? null, null, details)
    throw new Problem(code, { cause })
  }
  // Before anything else is known, so that the response reveals nothing.
  if (!saysUserVerified(response)) return refuse('user-not-verified', undefined, 'user-not-verified')
  if (passkey === undefined || !isOf(passkey.user_id, response.response.userHandle, user_id)) return refuse('unknown')
  const { challenge } = token.details
  const use = await readAuthentication(party, challenge, response, passkey.public_key).catch((error: unknown) =>
    refuse('not-verified', error),
  )
  // system: the challenge is spent and the use counted, whether or not a sign-in follows
  const isCounted = await visitor.transaction(async transaction => {
    await transaction.run(spendToken(passkeyAuthenticationToken, token.id))
    return kept !== undefined || transaction.run(recordUse(passkey.id, use))
  })
  if (!isCounted) return refuse('counter')
  return { user_id: passkey.user_id, passkey_id: passkey.id }
}

/** A removed passkey that is kept for an undo. */
function findKept(among: Standing | undefined, user_id: string, credential_id: Buffer) {
  const found = among?.kept.find(
    ({ table, row }) => table === 'passkeys' && bytesOf(row['credential_id']).equals(credential_id),
  )
  return found && { id: found.id, user_id, public_key: bytesOf(found.row['public_key']) }
}

/** The removed passkeys that are kept for an undo, as described to browsers. */
const keptCredentials = (among: Standing | undefined): KnownCredential[] =>
  (among?.kept ?? [])
    .filter(({ table }) => table === 'passkeys')
    .map(({ row }) => ({
      id: bytesOf(row['credential_id']).toString('base64url'),
      transports: row['transports'] as string[],
    }))

/** Reads bytes as `to_jsonb` writes them. */
const bytesOf = (text: unknown): Buffer => Buffer.from(String(text).replace(/^\\x/, ''), 'hex')

/** Verifies a passkey's response as a second factor. */
export const passkeyVerifier = (services: Pick<Services, 'keys' | 'relyingParty'>): FactorVerifier => ({
  answers: 'passkey',
  verify: async (visitor, { user_id, answer: { passkey }, among }) => {
    if (passkey === undefined) throw new Problem('invalid-passkey')
    const { passkey_id } = await verifyPasskey(visitor, services, passkey, { user_id, among })
    const isKept = among?.kept.some(({ id }) => id === passkey_id) === true
    return {
      factor: 'passkey',
      requirement: isKept ? keptPasskeyOf(user_id, passkey_id) : passkeyOf(user_id, passkey_id),
    }
  },
})

/**
 * Requires that the passkey is still kept: its removal may have been undone, or become final, since the verification.
 */
const keptPasskeyOf = (user_id: string, id: string): Requirement => ({
  row: sql`select id from one_time_tokens where user_id = ${user_id} and purpose = ${undoToken.purpose}
    and details ->> 'removed' = ${id} and used_at is null for key share`,
  otherwise: 'invalid-passkey',
})

/**
 * Whether the passkey belongs to the known account, or else to the account of the user handle (section 7.2, step 6).
 * Without a user handle, browsers send null, nothing or an empty text.
 */
function isOf(owner_id: string, userHandle: string | null | undefined, known_id: string | undefined): boolean {
  const isNamed = userHandle === handleOf(owner_id).toString('base64url')
  return known_id === undefined ? isNamed : known_id === owner_id && (isNamed || !userHandle)
}

/** The passkey of an account that can be used, or with `isAnyState` of one that is disabled or deleted as well. */
const findCredential = (credential_id: Buffer, isAnyState: boolean) =>
  find(
    query
      .selectFrom('passkeys')
      .leftJoin('live_users', 'live_users.id', 'passkeys.user_id')
      .select(['passkeys.id', 'passkeys.user_id', 'passkeys.public_key'])
      .where('passkeys.credential_id', '=', credential_id)
      .where(eb => eb.or([eb.lit(isAnyState), eb('live_users.id', 'is not', null)])),
  )

/** Signs in with only a passkey, which counts as two factors. @throws what verifyPasskey and signIn throw */
export async function logInByPasskey(
  visitor: SystemRunner,
  services: Pick<Services, 'declared' | 'keys' | 'relyingParty' | 'signInRules'>,
  { organization_id, device_id, ...answer }: PasskeyAnswer & Pick<Proof, 'organization_id' | 'device_id'>,
): Promise<SignInOutcome> {
  const { user_id, passkey_id } = await verifyPasskey(visitor, services, answer)
  return completeSignIn(visitor, services, {
    user_id,
    methods: ['passkey'],
    isTwoFactor: true,
    requires: [passkeyOf(user_id, passkey_id)],
    organization_id,
    device_id,
  })
}
