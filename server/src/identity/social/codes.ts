import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { execute, raw, statement, tables } from '../../platform/database/statement.ts'
import { isProblem, Problem } from '../../platform/problems.ts'
import { Id, Strict } from '../../platform/schemas.ts'
import {
  issueToken,
  noteOnToken,
  openToken,
  presentedToken,
  sealToken,
  spendToken,
  tokenKind,
} from '../../platform/tokens/one-time-tokens.ts'
import { mailingUnverified, signIn } from '../sign-in/sign-in.ts'
import type { SignInOutcome } from '../sign-in/sign-in.ts'
import { digest } from '../accounts/browser-cookie.ts'
import { withAccount } from './social.ts'
import type { ProviderSignIn, SocialServices } from './social.ts'

const query = tables('system', 'one_time_tokens', 'sessions', 'live_users', 'identities')

/**
 * Signs in a front end; bound to the browser, and to the challenge if there is one. After use it records what it
 * created.
 */
export const socialCodeToken = tokenKind({
  purpose: 'social-code',
  seconds: 60,
  details: Strict({
    provider: Type.String(),
    code_challenge: Type.Optional(Type.String()),
    browser: Type.Optional(Type.String()),
    session_id: Type.Optional(Id),
    token_id: Type.Optional(Id),
    /** By which it was signed in; it must still be linked when the code is exchanged. */
    identity_id: Type.Optional(Id),
  }),
  endsWithPassword: true,
  endsWithIdentity: true,
})

/**
 * Returns a code for the front end, valid for one minute and one use: bound to the browser that began, and to the
 * challenge if there is one. A challenge alone binds no one, because an attacker can put one into a link to `initiate`.
 * @throws what withAccount throws
 */
export async function issueCode(
  visitor: SystemRunner,
  services: SocialServices,
  given: ProviderSignIn,
  bound: { browser: string; code_challenge: string | undefined },
): Promise<string> {
  const { browser, code_challenge } = bound
  const binding = { browser: digest(browser), ...(code_challenge !== undefined && { code_challenge }) }
  const details = { provider: given.provider, ...binding }
  const id = await withAccount(visitor, services, given, (transaction, user_id, identity_id) =>
    transaction.run(issueToken(socialCodeToken, { user_id, details: { ...details, identity_id } })),
  )
  return sealToken(services.keys.oneTime, socialCodeToken, id)
}

/** What a front end sends to exchange its code. */
export interface Exchange {
  code: string
  code_verifier: string | undefined
  browser: string | undefined
  device_id: string | undefined
}

/**
 * Signs in for a code, once: a second use is refused, and what the first created is revoked (RFC 6749, section 4.1.2).
 * @throws Problem invalid-token, browser-unknown, account-closed, and what signIn throws
 */
export async function exchangeCode(
  visitor: SystemRunner,
  services: SocialServices,
  { code, device_id, ...given }: Exchange,
): Promise<SignInOutcome> {
  const id = openToken(services.keys.oneTime, socialCodeToken, code)
  const found = await presentedToken(visitor, services.keys.oneTime, socialCodeToken, code).catch(ifSpent)
  if (found !== undefined) checkBinding(found.details, given)
  const known = visitor.with({ user_id: found?.user_id ?? undefined })
  const signedIn = await mailingUnverified(known, () =>
    // system: there is no session yet
    known.transaction(transaction => redeem(transaction, services, id, device_id)).catch(asClosed),
  )
  if (signedIn === undefined) throw new Problem('invalid-token')
  return signedIn
}

/** @throws Problem invalid-token, browser-unknown */
function checkBinding(
  { code_challenge, browser }: Static<typeof socialCodeToken.details>,
  given: Pick<Exchange, 'code_verifier' | 'browser'>,
): void {
  if (given.browser === undefined || digest(given.browser) !== browser) throw new Problem('browser-unknown')
  if (code_challenge === undefined) return
  if (given.code_verifier === undefined || digest(given.code_verifier) !== code_challenge)
    throw new Problem('invalid-token')
}

/**
 * Spends the code and signs in. Undefined if it was already spent: what it created is then revoked, which must be
 * committed.
 */
async function redeem(
  transaction: Transaction<'system'>,
  services: SocialServices,
  id: string,
  device_id: string | undefined,
): Promise<SignInOutcome | undefined> {
  await transaction.run(lockOwner(id))
  const token = await transaction.run(spendToken(socialCodeToken, id)).catch(ifSpent)
  if (token === undefined) {
    await transaction.run(revokeIssued(id))
    return undefined
  }
  const methods = [token.details.provider]
  const user_id = String(token.user_id)
  if (!(await transaction.run(isLinked(user_id, token.details.identity_id)))) throw new Problem('invalid-token')
  const result = await signIn(transaction, services, { user_id, device_id, methods, isTwoFactor: false })
  const issued = result.outcome === 'signed-in' ? { session_id: result.session.id } : { token_id: result.token_id }
  await transaction.run(noteOnToken(id, issued))
  return result
}

/** The code was used before, or has expired. */
function ifSpent(error: unknown): undefined {
  if (!isProblem(error, 'invalid-token')) throw error
}

/** The account was disabled or deleted within the minute. */
function asClosed(error: unknown): never {
  throw isProblem(error, 'invalid-credentials') ? new Problem('account-closed') : error
}

/** Locks the account of a code before the code, as in every transaction that revokes tokens of an account. */
const lockOwner = (id: string) =>
  execute(
    query
      .selectFrom('live_users')
      .select('id')
      .where('id', '=', owner => owner.selectFrom('one_time_tokens').select('user_id').where('id', '=', id))
      .forNoKeyUpdate(),
  )

/** Whether an identity is the user's. */
const isLinked = (user_id: string, id: string | undefined) =>
  statement(
    query
      .selectFrom('identities')
      .select('id')
      .where('id', '=', id ?? null)
      .where('user_id', '=', user_id),
    rows => rows.length > 0,
  )

/** Revokes the session that a spent code has made, or the sign-in that still waits for its second factor. */
const revokeIssued = (id: string) =>
  execute(
    raw(
      query,
      sql`with code as (select details from one_time_tokens where id = ${id} and purpose = ${socialCodeToken.purpose} and used_at is not null),
      waiting as (update one_time_tokens t set used_at = now() from code where t.id = (code.details ->> 'token_id')::uuid and t.used_at is null)
      update sessions s set revoked_at = now(), revoked_reason = 'code-reused' from code
      where s.id = (code.details ->> 'session_id')::uuid and s.revoked_at is null returning s.id`,
    ),
  )
