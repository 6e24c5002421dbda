import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import { createAccount, keepWayIn, signIn } from '../sign-in/sign-in.ts'
import type { SecondFactorNeeded, SignedIn, SignInRules } from '../sign-in/sign-in.ts'
import type { Database, Origin, Transaction } from '../../platform/database/database.ts'
import { findToken, issueToken, openToken, sealToken, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import { Problem } from '../../platform/problems.ts'
import { find, raw } from '../../platform/database/statement.ts'
import { lockSession } from '../../directory/sessions/sessions.ts'
import type { OwnSession } from '../../directory/sessions/sessions.ts'
import { digest } from './browser-cookie.ts'
import { deleteIdentity, findAccount, findIdentity, linkByAddress, linkIdentity, noteUse } from './identities.ts'
import type { Profile } from './profile.ts'

export interface SocialTools {
  database: Database
  /** What one-time tokens are sealed with. */
  key: Buffer
  rules: SignInRules
  /** Whether a proved address leads to the account that has proved the same one. */
  autoLink: boolean
}

/** Somebody who came back from a provider. */
export interface Arrival {
  provider: string
  profile: Profile
}

/** Signs in whoever came back. @throws what admit and signIn throw */
export const signInBy = (
  tools: SocialTools,
  origin: Origin,
  arrival: Arrival,
  device_id: string | undefined,
): Promise<SignedIn | SecondFactorNeeded> =>
  admit(tools, origin, arrival, (transaction, user_id) =>
    signIn(transaction, tools.rules, origin, { user_id, device_id, methods: [arrival.provider], isTwoFactor: false }),
  )

/**
 * A code for the front end instead, good for a minute and once: bound to the challenge if there is one, else to the browser.
 * @throws what admit throws
 */
export async function issueCode(
  tools: SocialTools,
  origin: Origin,
  arrival: Arrival,
  bound: { browser: string; code_challenge: string | undefined },
): Promise<string> {
  const challenge = bound.code_challenge
  const binding = challenge === undefined ? { browser: digest(bound.browser) } : { code_challenge: challenge }
  const details = { provider: arrival.provider, ...binding }
  const id = await admit(tools, origin, arrival, (transaction, user_id) =>
    transaction.run(issueToken({ purpose: 'social-code', user_id, details })),
  )
  return sealToken(tools.key, 'social-code', id)
}

/**
 * Finds or makes the account of whoever came back; `then` runs in the transaction that has done so.
 * @throws Problem link-required, provider-email-missing, email-unverified
 */
async function admit<Result>(
  tools: SocialTools,
  origin: Origin,
  arrival: Arrival,
  then: (transaction: Transaction, user_id: string) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await admitOnce(tools, origin, arrival, then)
    } catch (error) {
      // Of two at once for somebody new, the second finds what the first has made.
      const isOvertaken = error instanceof Problem && (error.code === 'email-taken' || error.code === 'identity-taken')
      if (!isOvertaken) throw error
      // Nor does it lead anywhere when the address was that of an account which is no more.
      if (attempt === 3) throw new Problem('link-required', { cause: error })
    }
  }
}

async function admitOnce<Result>(
  tools: SocialTools,
  origin: Origin,
  arrival: Arrival,
  then: (transaction: Transaction, user_id: string) => Promise<Result>,
): Promise<Result> {
  const { system } = tools.database
  const { provider, profile } = arrival
  const { email, email_verified } = profile
  // An address that nobody has proved is not looked up where sign-up does not do so either: the mail tells, and only its owner.
  const isMailed = !email_verified && tools.rules.emailVerification === 'required'
  const account = await system.run({ origin }, findAccount(profile, isMailed ? undefined : email))
  if (account === undefined) {
    if (email === undefined) throw new Problem('provider-email-missing')
    return enrol(tools, origin, arrival, { email, isMailed }, then)
  }
  const { user_id, identity_id, is_live } = account
  const mayLink = tools.autoLink && email_verified && account.email_verified
  const known = { ...origin, user_id }
  if (!is_live || (identity_id === null && !mayLink)) {
    await system.run({ origin: known }, recordEvent('login-failed', user_id, null, { provider }))
    throw new Problem('link-required')
  }
  return system.transaction({ origin: known }, async transaction => {
    const held =
      identity_id === null
        ? await transaction.run(linkByAddress({ user_id, provider, profile }))
        : await transaction.run(noteUse(identity_id, user_id, email))
    if (held === undefined) throw new Problem('link-required')
    if (identity_id === null) await transaction.run(recordEvent('identity-linked', user_id, null, { provider }))
    return then(transaction, user_id)
  })
}

/** Makes the account, or, where nothing is reserved before the address is proved, mails the link that will. @throws Problem email-unverified */
async function enrol<Result>(
  tools: SocialTools,
  origin: Origin,
  { provider, profile }: Arrival,
  { email, isMailed }: { email: string; isMailed: boolean },
  then: (transaction: Transaction, user_id: string) => Promise<Result>,
): Promise<Result> {
  const { issuer, subject, email_verified, given_name, family_name, full_name } = profile
  const person = { given_name, family_name, full_name, identity: { provider, issuer, subject } }
  if (isMailed) {
    await tools.database.system.run(
      { origin },
      issueToken({ purpose: 'sign-up', email, details: person, mailed: true }),
    )
    throw new Problem('email-unverified')
  }
  return createAccount(tools, origin, { ...person, email, email_verified }, async (transaction, { user }) => {
    if (!email_verified)
      await transaction.run(issueToken({ purpose: 'verify-email', user_id: user.id, email, mailed: true }))
    return then(transaction, user.id)
  })
}

/** What a front end sends for its code. */
export interface Exchange {
  code: string
  code_verifier: string | undefined
  browser: string | undefined
  device_id: string | undefined
}

/**
 * Signs in for a code, once: a second use is refused, and what the first has made is ended (RFC 6749, section 4.1.2).
 * @throws Problem invalid-token, browser-unknown, link-required, and what signIn throws
 */
export async function exchangeCode(
  { database: { system }, key, rules }: SocialTools,
  origin: Origin,
  { code, device_id, ...proof }: Exchange,
): Promise<SignedIn | SecondFactorNeeded> {
  const id = openToken(key, 'social-code', code)
  const found = await system.run({ origin }, findToken('social-code', id))
  if (found !== undefined) checkBinding(detailsOf(found), proof)
  try {
    const known = typeof found?.user_id === 'string' ? { ...origin, user_id: found.user_id } : origin
    return await system.transaction({ origin: known }, async transaction => {
      const token = await transaction.run(spendToken('social-code', id))
      const methods = [String(detailsOf(token)['provider'])]
      const user_id = String(token.user_id)
      const result = await signIn(transaction, rules, origin, { user_id, device_id, methods, isTwoFactor: false })
      const made = 'methods' in result ? { token_id: result.token_id } : { session_id: result.session.id }
      await transaction.run(noteMade(id, made))
      return result
    })
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    if (error.code === 'invalid-token') await system.run({ origin }, endMade(id))
    // The account was closed within the minute.
    throw error.code === 'invalid-credentials' ? new Problem('link-required') : error
  }
}

const detailsOf = ({ details }: { details: unknown }) => details as Record<string, string | undefined>

/** @throws Problem invalid-token, browser-unknown */
function checkBinding(
  { code_challenge, browser }: Record<string, string | undefined>,
  given: Pick<Exchange, 'code_verifier' | 'browser'>,
): void {
  if (code_challenge === undefined) {
    if (given.browser === undefined || digest(given.browser) !== browser) throw new Problem('browser-unknown')
  } else if (given.code_verifier === undefined || digest(given.code_verifier) !== code_challenge) {
    throw new Problem('invalid-token')
  }
}

const noteMade = (id: string, made: Record<string, string>) =>
  find(
    raw(
      sql`update one_time_tokens set details = details || ${JSON.stringify(made)}::jsonb where id = ${id} returning id`,
    ),
  )

/** Ends the session that a spent code has made, or the sign-in that still waits for its second factor. */
const endMade = (id: string) =>
  find(
    raw(sql`with code as (select details from one_time_tokens where id = ${id} and purpose = 'social-code' and used_at is not null),
      waiting as (update one_time_tokens t set used_at = now() from code where t.id = (code.details ->> 'token_id')::uuid and t.used_at is null)
      update sessions s set revoked_at = now(), revoked_reason = 'code-reused' from code
      where s.id = (code.details ->> 'session_id')::uuid and s.revoked_at is null returning s.id`),
  )

/**
 * Adds an identity to the account of a session, which must still live; one that is theirs already stays as it is.
 * @throws Problem identity-taken; invalid-token when the session has ended
 */
export async function addIdentity(
  { system }: Database,
  origin: Origin,
  { user_id, session_id }: OwnSession,
  { provider, profile }: Arrival,
) {
  const identity = { user_id, provider, profile }
  const link = async (transaction: Transaction) => {
    await transaction.run(lockSession({ user_id, session_id }))
    const made = await transaction.run(linkIdentity(identity))
    if (made !== undefined) {
      await transaction.run(recordEvent('identity-linked', user_id, session_id, { provider }))
      return made
    }
    const own = await transaction.run(findIdentity(identity))
    if (own === undefined) throw new Problem('identity-taken')
    return own
  }
  try {
    return await system.transaction({ session_id, origin: { ...origin, user_id } }, link)
  } catch (error) {
    throw error instanceof Problem && error.code === 'session-ended' ? new Problem('invalid-token') : error
  }
}

/** Takes an identity from its owner's account. @throws Problem not-found, last-way-in */
export const removeIdentity = (
  { system }: Database,
  origin: Origin,
  { user_id, session_id }: { user_id: string; session_id: string },
  id: string,
): Promise<void> =>
  system.transaction({ session_id, origin: { ...origin, user_id } }, async transaction => {
    const { provider } = await transaction.run(deleteIdentity(user_id, id))
    await keepWayIn(transaction, user_id)
    await transaction.run(recordEvent('identity-unlinked', user_id, session_id, { provider }))
  })
