import { recordEvent } from '../../directory/history/history.ts'
import { signIn } from '../sign-in/sign-in.ts'
import type { SecondFactorNeeded, SignedIn, SignInRules } from '../sign-in/sign-in.ts'
import type { Origin } from '../../platform/database/database.ts'
import { findToken, issueToken, openToken, sealToken, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import { Problem } from '../../platform/problems.ts'
import { find, query } from '../../platform/database/statement.ts'
import { handleOf, makeAuthenticationOptions, readAuthentication } from './ceremonies.ts'
import type { AuthenticationOptions, PasskeyAnswer } from './messages.ts'
import { challengeOf, countUse, listCredentials, requireParty } from './passkeys.ts'
import type { PasskeyTools } from './passkeys.ts'

/**
 * A challenge, good for five minutes: for the passkeys of an account that is known already, or for whichever passkey of the
 * site is chosen, which tells nobody anything. @throws Problem passkeys-unavailable
 */
export async function challengePasskey(
  tools: PasskeyTools,
  origin: Origin,
  user_id?: string,
): Promise<AuthenticationOptions> {
  const party = requireParty(tools)
  const { system } = tools.database
  const known = user_id === undefined ? undefined : await system.run({ origin }, listCredentials(user_id))
  const options = await makeAuthenticationOptions(party, known)
  const details = { challenge: options.challenge }
  const id = await system.run({ origin }, issueToken({ purpose: 'passkey-authentication', user_id, details }))
  return { challenge_token: sealToken(tools.key, 'passkey-authentication', id), options }
}

/** A challenge for whoever has given the first factor. @throws Problem invalid-token, passkeys-unavailable */
export async function challengeSecondFactor(
  tools: PasskeyTools,
  origin: Origin,
  mfa_token: string,
): Promise<AuthenticationOptions> {
  const paused = await tools.database.system.run({ origin }, findToken('mfa', openToken(tools.key, 'mfa', mfa_token)))
  if (paused === undefined || paused.user_id === null) throw new Problem('invalid-token')
  return challengePasskey(tools, origin, paused.user_id)
}

/**
 * Checks a passkey's answer and uses its challenge up; of two at once with the same answer, one succeeds. With `user_id` the
 * challenge and the passkey must be that account's, as for a second factor; without, the passkey says whose it is.
 * A refusal is a security event, `passkey-refused`. @throws Problem invalid-token, invalid-passkey, passkeys-unavailable
 */
export async function verifyPasskey(
  tools: PasskeyTools,
  origin: Origin,
  { challenge_token, response }: PasskeyAnswer,
  user_id?: string,
): Promise<{ user_id: string; passkey_id: string }> {
  const party = requireParty(tools)
  const { system } = tools.database
  const token_id = openToken(tools.key, 'passkey-authentication', challenge_token)
  const token = await system.run({ origin }, findToken('passkey-authentication', token_id))
  if (token === undefined || token.user_id !== (user_id ?? null)) throw new Problem('invalid-token')

  const passkey = await system.run({ origin }, findCredential(Buffer.from(response.id, 'base64url')))
  async function refuse(reason: string, cause?: unknown): Promise<never> {
    const details = { reason, passkey_id: passkey?.id ?? null }
    await system.run({ origin }, recordEvent('passkey-refused', passkey?.user_id ?? null, null, details))
    throw new Problem('invalid-passkey', { cause })
  }
  if (passkey === undefined || !isOf(passkey.user_id, response.response.userHandle, user_id)) return refuse('unknown')
  const use = await readAuthentication(party, challengeOf(token), response, passkey.public_key).catch(
    (error: unknown) => refuse('not-verified', error),
  )
  const isCounted = await system.transaction({ origin }, async transaction => {
    await transaction.run(spendToken('passkey-authentication', token_id))
    return transaction.run(countUse(passkey.id, use))
  })
  if (!isCounted) return refuse('counter')
  return { user_id: passkey.user_id, passkey_id: passkey.id }
}

/** Whether the passkey is of the account that is known, or else of the one that the authenticator names (section 7.2, step 6). */
function isOf(owner_id: string, userHandle: string | null | undefined, known_id: string | undefined): boolean {
  const isNamed = userHandle === handleOf(owner_id).toString('base64url')
  return known_id === undefined ? isNamed : known_id === owner_id && (isNamed || userHandle == null)
}

/** The passkey of a live account. */
const findCredential = (credential_id: Buffer) =>
  find(
    query
      .selectFrom('passkeys')
      .innerJoin('users', 'users.id', 'passkeys.user_id')
      .select(['passkeys.id', 'passkeys.user_id', 'passkeys.public_key'])
      .where('passkeys.credential_id', '=', credential_id)
      .where('users.disabled_at', 'is', null)
      .where('users.deleted_at', 'is', null),
  )

/** Signs in by a passkey alone: it is two factors. @throws what verifyPasskey and signIn throw */
export async function logInByPasskey(
  tools: PasskeyTools,
  rules: SignInRules,
  origin: Origin,
  {
    organization_id,
    device_id,
    ...answer
  }: PasskeyAnswer & { organization_id?: string; device_id?: string | undefined },
): Promise<SignedIn | SecondFactorNeeded> {
  const { user_id, passkey_id } = await verifyPasskey(tools, origin, answer)
  return tools.database.system.transaction({ origin: { ...origin, user_id } }, transaction =>
    signIn(transaction, rules, origin, {
      user_id,
      passkey_id,
      methods: ['passkey'],
      isTwoFactor: true,
      organization_id,
      device_id,
    }),
  )
}
