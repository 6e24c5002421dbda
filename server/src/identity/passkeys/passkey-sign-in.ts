import { Type } from 'typebox'
import { reportEvent } from '../../directory/history/history.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { find, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import { Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { presentedToken, sealToken, spendToken, startToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import { completeSignIn } from '../sign-in/sign-in.ts'
import type { Proof, SignInOutcome } from '../sign-in/sign-in.ts'
import {
  CHALLENGE_SECONDS,
  handleOf,
  makeAuthenticationOptions,
  newChallenge,
  readAuthentication,
} from './ceremonies.ts'
import type { AuthenticationOptions, PasskeyAnswer } from './messages.ts'
import { listCredentials, passkeyOf, recordUse, requireParty } from './passkeys.ts'

const query = tables('system', 'passkeys', 'live_users')

/** Signs in, or verifies a second factor of the account that it names. */
export const passkeyAuthenticationToken = tokenKind({
  purpose: 'passkey-authentication',
  seconds: CHALLENGE_SECONDS,
  details: Strict({ challenge: Type.String() }),
})

export const passkeyRefused = eventKind('passkey-refused')

/**
 * A challenge, good for five minutes: for the passkeys of an account that is known already, or for any passkey of the
 * site, which tells nothing of who has one. @throws Problem passkeys-unavailable
 */
export async function challengePasskey(
  visitor: SystemRunner,
  services: Pick<Services, 'keys' | 'relyingParty'>,
  user_id?: string,
): Promise<AuthenticationOptions> {
  const party = requireParty(services)
  const challenge = newChallenge()
  const id = await startToken(visitor, passkeyAuthenticationToken, { user_id, details: { challenge } })
  // system: keys are out of the tenant login's sight, and a sign-in that waits for its second factor has no session
  const known = user_id === undefined ? undefined : await visitor.run(listCredentials(user_id))
  const options = await makeAuthenticationOptions(party, challenge, known)
  return { challenge_token: sealToken(services.keys.oneTime, passkeyAuthenticationToken, id), options }
}

/**
 * Verifies a passkey's answer and spends its challenge; of two at once with the same answer, one succeeds. With `user_id`
 * the challenge and the passkey must be that account's, as for a second factor; without, the passkey says whose it is.
 * A refusal is a security event, `passkey-refused`. @throws Problem invalid-token, invalid-passkey, passkeys-unavailable
 */
export async function verifyPasskey(
  visitor: SystemRunner,
  services: Pick<Services, 'keys' | 'relyingParty'>,
  { challenge_token, response }: PasskeyAnswer,
  user_id?: string,
): Promise<{ user_id: string; passkey_id: string }> {
  const party = requireParty(services)
  const token = await presentedToken(visitor, services.keys.oneTime, passkeyAuthenticationToken, challenge_token)
  if (token.user_id !== (user_id ?? null)) throw new Problem('invalid-token')

  // system: the passkey is looked up before it is known whose it is
  const passkey = await visitor.run(findCredential(Buffer.from(response.id, 'base64url')))
  async function refuse(reason: string, cause?: unknown): Promise<never> {
    const details = { reason, passkey_id: passkey?.id ?? null }
    await reportEvent(visitor, passkeyRefused, passkey?.user_id ?? null, null, details)
    throw new Problem('invalid-passkey', { cause })
  }
  if (passkey === undefined || !isOf(passkey.user_id, response.response.userHandle, user_id)) return refuse('unknown')
  const { challenge } = token.details
  const use = await readAuthentication(party, challenge, response, passkey.public_key).catch((error: unknown) =>
    refuse('not-verified', error),
  )
  // system: the challenge is spent and the use counted, whether or not a sign-in follows
  const isCounted = await visitor.transaction(async transaction => {
    await transaction.run(spendToken(passkeyAuthenticationToken, token.id))
    return transaction.run(recordUse(passkey.id, use))
  })
  if (!isCounted) return refuse('counter')
  return { user_id: passkey.user_id, passkey_id: passkey.id }
}

/** Whether the passkey is of the account that is known, or else of the one that the authenticator names (section 7.2, step 6). */
function isOf(owner_id: string, userHandle: string | null | undefined, known_id: string | undefined): boolean {
  const isNamed = userHandle === handleOf(owner_id).toString('base64url')
  return known_id === undefined ? isNamed : known_id === owner_id && (isNamed || userHandle == null)
}

/** The passkey of an account that can be used. */
const findCredential = (credential_id: Buffer) =>
  find(
    query
      .selectFrom('passkeys')
      .innerJoin('live_users', 'live_users.id', 'passkeys.user_id')
      .select(['passkeys.id', 'passkeys.user_id', 'passkeys.public_key'])
      .where('passkeys.credential_id', '=', credential_id),
  )

/** Signs in with a passkey alone: it is two factors. @throws what verifyPasskey and signIn throw */
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
