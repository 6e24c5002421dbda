import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import type { Origin } from '../../platform/database/database.ts'
import type { Locale } from '../../platform/locales.ts'
import { findToken, issueToken, openToken, revokeTokens, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import type { TokenPurpose } from '../../platform/tokens/one-time-tokens.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { find, many, query, statement } from '../../platform/database/statement.ts'
import { lockSession, revokeOtherSessions, revokeSessions } from '../../directory/sessions/sessions.ts'
import { withAttempt } from '../lockout/attempts.ts'
import type { Lockout } from '../lockout/attempts.ts'
import { unlockSignIn } from '../lockout/lockout.ts'
import { checkPassword } from '../passwords/password-policy.ts'
import type { PasswordPolicy } from '../passwords/password-policy.ts'
import type { Passwords } from '../passwords/passwords.ts'
import type { VerificationTools } from '../verification/verification.ts'

export interface RecoveryTools extends VerificationTools {
  passwords: Passwords
  policy: PasswordPolicy
  lockout: Lockout
}

/** Who is signed in, and whether they proved it a short time ago. */
export interface Holder {
  user_id: string
  session_id: string
  isFresh: boolean
}

/** What a former password, or whoever had it, may have begun: it ends with the password. */
const begunBefore: TokenPurpose[] = ['reset-password', 'change-email', 'mfa', 'passkey-registration', 'social-code']

/** Asks for the mail that lets its reader set a new password. Whether the address has an account is looked up when it is sent. */
export const requestPasswordReset = (email: string, locale: Locale | undefined) =>
  issueToken({ purpose: 'reset-password', email, details: { locale }, mailed: true })

/**
 * Sets the password of the account that the link was mailed for, gives whoever has only signed in elsewhere a first one, and
 * ends everything that the former one opened: sessions, devices, locks. Signs nobody in, so no second factor is skipped.
 * Where nobody had proved the address before, its owner comes only now: whoever took it beforehand keeps no provider to sign
 * in with and, where they hold a second factor that the owner lacks, an account whose address is still nobody's.
 * @throws Problem weak-password, at `/new_password`, with the token unspent; invalid-token
 */
export async function completePasswordReset(
  { database, key, passwords, policy }: RecoveryTools,
  origin: Origin,
  token: string,
  new_password: string,
): Promise<void> {
  const token_id = openToken(key, 'reset-password', token)
  const found = await database.system.run({ origin }, findToken('reset-password', token_id))
  const account = found && (await database.system.run({ origin }, findAccount(found.user_id)))
  if (account === undefined) throw new Problem('invalid-token')
  await checkPassword(new_password, policy, personalWords(account), '/new_password')
  const password_hash = await passwords.hash(new_password)
  await database.system.transaction({ origin: { ...origin, user_id: account.id } }, async transaction => {
    // The account before the token, as everybody does who ends what was begun.
    const isProved = await transaction.run(hasProvedAddress(account.id))
    const { email } = await transaction.run(spendToken('reset-password', token_id))
    const user = await transaction.run(
      find(
        query
          .updateTable('users')
          .set({ password_hash, email_verified_at: provedNow })
          .where('id', '=', account.id)
          // The address may be another by now.
          .where('email', '=', email)
          .where('disabled_at', 'is', null)
          .where('deleted_at', 'is', null)
          .returning('id'),
      ),
    )
    if (user === undefined) throw new Problem('invalid-token')
    await transaction.run(revokeSessions(account.id, 'password-reset'))
    await transaction.run(revokeDevices(account.id, null))
    await transaction.run(revokeTokens(account.id, begunBefore))
    await transaction.run(unlockSignIn(account.id, 'password-reset'))
    for (const { provider } of isProved ? [] : await transaction.run(deleteIdentities(account.id)))
      await transaction.run(recordEvent('identity-unlinked', account.id, null, { provider }))
    await transaction.run(recordEvent('password-reset', account.id, null))
  })
}

/**
 * Changes one's own password, for which the current one is the proof; an account without one needs a recent sign-in.
 * Other sessions and devices end unless they are to stay.
 * @throws Problem invalid-credentials, step-up-required, weak-password at `/new_password`, invalid-fields, session-ended
 */
export async function changePassword(
  tools: RecoveryTools,
  origin: Origin,
  { user_id, session_id, isFresh }: Holder,
  {
    current_password,
    new_password,
    endsOthers,
  }: { current_password: string | undefined; new_password: string; endsOthers: boolean },
): Promise<void> {
  const { database, passwords, policy } = tools
  const account = await database.system.run({ session_id, origin }, findAccount(user_id))
  if (account === undefined) throw new Problem('session-ended')
  let former: string | null = null
  if (account.has_password) {
    if (current_password === undefined) throw invalidField('/current_password', 'is required')
    const guess = { who: { user_id }, counter: 'password', failed: 'password-change-failed', session_id } as const
    const proved = await withAttempt(tools, origin, guess, found =>
      passwords.verify(found?.password_hash, current_password),
    )
    if (proved === undefined) throw new Problem('invalid-credentials')
    if (new_password === current_password) throw weakPassword('must not be the current password')
    former = proved.password_hash
  } else if (!isFresh) throw new Problem('step-up-required')
  await checkPassword(new_password, policy, personalWords(account), '/new_password')
  const password_hash = await passwords.hash(new_password)
  await database.system.transaction({ session_id, origin }, async transaction => {
    await transaction.run(replaceHash(user_id, former, password_hash))
    if (endsOthers) {
      await transaction.run(revokeOtherSessions(user_id, session_id, 'password-changed'))
      await transaction.run(revokeDevices(user_id, session_id))
    }
    await transaction.run(revokeTokens(user_id, begunBefore))
    await transaction.run(recordEvent('password-changed', user_id, session_id))
  })
}

/**
 * Asks for another address: a mail to it confirms the change, one to the present address tells of it. Whether it has an
 * account is looked up when the mail is sent. A change that was asked for before is void.
 * @throws Problem invalid-fields when it is one's address already, session-ended
 */
export const requestEmailChange = (
  { database }: VerificationTools,
  origin: Origin,
  { user_id, session_id }: Omit<Holder, 'isFresh'>,
  new_email: string,
  locale: Locale | undefined,
): Promise<void> =>
  database.system.transaction({ session_id, origin }, async transaction => {
    await transaction.run(lockSession({ user_id, session_id }))
    const account = await transaction.run(findAccount(user_id))
    if (account === undefined) throw new Problem('session-ended')
    if (account.email === new_email.toLowerCase()) throw invalidField('/new_email', 'is your address already')
    await transaction.run(revokeTokens(user_id, ['change-email']))
    const token_id = await transaction.run(
      issueToken({
        purpose: 'change-email',
        user_id,
        email: new_email,
        details: { old_email: account.email, locale },
        mailed: true,
      }),
    )
    await transaction.run(recordEvent('email-change-requested', user_id, session_id, { token_id }))
  })

/** A live account, as far as its new password must not be made of it. */
const findAccount = (user_id: string | null) =>
  find(
    query
      .selectFrom('users')
      .select(['id', 'email', 'username', 'given_name', 'family_name', 'full_name'])
      .select(sql<boolean>`password_hash is not null`.as('has_password'))
      .where('id', '=', user_id)
      .where('disabled_at', 'is', null)
      .where('deleted_at', 'is', null),
  )

/** Held: of a confirmation at the same moment, one comes first. */
const hasProvedAddress = (user_id: string) =>
  statement(
    query.selectFrom('users').select('email_verified').where('id', '=', user_id).forNoKeyUpdate(),
    ([user]) => user?.email_verified === true,
  )

/** The mail proves the address, but not that a second factor of before is its reader's. */
const provedNow = sql<string>`coalesce(email_verified_at, case when not exists (select from second_factors f
  where f.user_id = users.id and (f.totp or f.passkey)) then now() end)`

const deleteIdentities = (user_id: string) =>
  many(query.deleteFrom('identities').where('user_id', '=', user_id).returning('provider'))

const personalWords = ({ email, username, given_name, family_name, full_name }: PersonalWords): (string | null)[] => [
  email,
  username,
  given_name,
  family_name,
  full_name,
]

type PersonalWords = Record<'email' | 'username' | 'given_name' | 'family_name' | 'full_name', string | null>

const weakPassword = (detail: string): Problem =>
  new Problem('weak-password', { errors: [{ pointer: '/new_password', detail }] })

/** The hash that was proved is still the account's: of two changes at once, one succeeds. */
const replaceHash = (user_id: string, former: string | null, password_hash: string) =>
  statement(
    query
      .updateTable('users')
      .set({ password_hash })
      .where('id', '=', user_id)
      .where('password_hash', 'is not distinct from', former)
      .returning('id'),
    rows => {
      if (rows.length === 0) throw new Problem('invalid-credentials')
    },
  )

/** Makes strangers of a person's devices, but for the one that a session was begun on. */
const revokeDevices = (user_id: string, kept_session_id: string | null) =>
  many(
    query
      .updateTable('devices')
      .set({ revoked_at: sql<string>`now()` })
      .where('user_id', '=', user_id)
      .where('revoked_at', 'is', null)
      .where(sql<boolean>`id is distinct from (select s.device_id from sessions s where s.id = ${kept_session_id})`)
      .returning('id'),
  )
