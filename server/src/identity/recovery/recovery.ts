import { sql } from 'kysely'
import { Type } from 'typebox'
import { recordEvent } from '../../directory/history/history.ts'
import { changeCredentials, revokeOtherSessions, revokeSessions } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { find, statement, tables } from '../../platform/database/statement.ts'
import { locales } from '../../platform/locales.ts'
import type { Locale } from '../../platform/locales.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { OneOf, Strict, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  kindsThatEndWith,
  mailToken,
  presentedToken,
  revokeTokens,
  tokenKind,
} from '../../platform/tokens/one-time-tokens.ts'
import { redeemLink } from '../accounts/links.ts'
import { deleteIdentities, identityUnlinked } from '../accounts/identities.ts'
import { revokeDevices } from '../devices/devices.ts'
import { passwordGuess, withAttempt } from '../lockout/attempts.ts'
import { unlockSignIn } from '../lockout/lockout.ts'
import { checkPassword } from '../passwords/password-policy.ts'

const query = tables('system', 'live_users')

export const resetPasswordToken = tokenKind({
  purpose: 'reset-password',
  seconds: 1800,
  details: Strict({ locale: Type.Optional(OneOf(locales)), mailed_at: Type.Optional(Time) }),
  endsWithPassword: true,
  endsWithAddress: true,
})

export const passwordReset = eventKind('password-reset', { mailed: true })
export const passwordChanged = eventKind('password-changed', { mailed: true })
export const passwordChangeFailed = eventKind('password-change-failed')

type RecoveryServices = Pick<Services, 'keys' | 'declared' | 'passwords' | 'passwordPolicy' | 'lockout'>

/** The session that asks, and whether its sign-in is recent. */
interface RecentSession extends SessionRef {
  isFresh: boolean
}

/** Asks for the mail that lets its reader set a new password. Whether the address has an account is looked up when it is sent. */
export const requestPasswordReset = (
  visitor: SystemRunner,
  email: string,
  locale: Locale | undefined,
): Promise<string> => mailToken(visitor, resetPasswordToken, { email, details: { ...(locale && { locale }) } })

/**
 * Sets the password of the account that the link was mailed for, or its first one where it has signed in with a provider
 * only, and revokes everything that the former one opened: sessions, devices, locks. It creates no session, so no second factor
 * is skipped. Where the address was not verified before, its owner comes only now: an account that was made beforehand by
 * anyone else loses its providers and, where it holds a second factor that the owner lacks, stays unverified.
 * @throws Problem weak-password, at `/new_password`, with the token unspent; invalid-token
 */
export async function completePasswordReset(
  visitor: SystemRunner,
  { keys, declared, passwords, passwordPolicy }: Omit<RecoveryServices, 'lockout'>,
  token: string,
  new_password: string,
): Promise<void> {
  const presented = await presentedToken(visitor, keys.oneTime, resetPasswordToken, token)
  const account = await findAccount(visitor, presented.user_id)
  if (account === undefined) throw new Problem('invalid-token')
  await checkPassword(new_password, passwordPolicy, personalWords(account), '/new_password')
  const password_hash = await passwords.hash(new_password)
  const known = visitor.with({ user_id: account.id })
  await redeemLink(known, resetPasswordToken, presented, async (transaction, { email }) => {
    const wasVerified = await transaction.run(hasVerifiedAddress(account.id))
    const user = await transaction.run(
      find(
        query
          .updateTable('live_users')
          .set({
            password_hash,
            // The mail verifies the address, but not that a second factor of before is its reader's.
            email_verified_at: sql<string>`coalesce(email_verified_at,
              case when not ${declared.hasSecondFactor(sql.ref('live_users.id'))} then now() end)`,
          })
          .where('id', '=', account.id)
          // The address may be another by now.
          .where('email', '=', email)
          .returning('id'),
      ),
    )
    if (user === undefined) throw new Problem('invalid-token')
    await transaction.run(revokeSessions(account.id, 'password-reset'))
    await transaction.run(revokeDevices(account.id, null))
    await transaction.run(revokeTokens(account.id, kindsThatEndWith(declared.tokens, 'password')))
    await transaction.run(unlockSignIn(account.id, 'password-reset'))
    for (const { provider } of wasVerified ? [] : await transaction.run(deleteIdentities(account.id)))
      await transaction.run(recordEvent(identityUnlinked, account.id, null, { provider }))
    await transaction.run(recordEvent(passwordReset, account.id, null))
  })
}

/**
 * Changes the user's password, on the current one; an account without one needs a recent sign-in. Other sessions and
 * devices are revoked unless they are to stay.
 * @throws Problem invalid-credentials, step-up-required, weak-password at `/new_password`, invalid-fields, session-ended
 */
export async function changePassword(
  visitor: SystemRunner,
  services: Omit<RecoveryServices, 'keys'>,
  { user_id, session_id, isFresh }: RecentSession,
  {
    current_password,
    new_password,
    endsOthers,
  }: { current_password: string | undefined; new_password: string; endsOthers: boolean },
): Promise<void> {
  const { declared, passwords, passwordPolicy } = services
  const account = await findAccount(visitor, user_id)
  if (account === undefined) throw new Problem('session-ended')
  let former: string | null = null
  if (account.has_password) {
    if (current_password === undefined) throw invalidField('/current_password', 'is required')
    const guess = { ...passwordGuess, who: { user_id }, failed: passwordChangeFailed, session_id }
    const verified = await withAttempt(visitor, services, guess, found =>
      passwords.verify(found?.secret, current_password),
    )
    if (verified === undefined) throw new Problem('invalid-credentials')
    if (new_password === current_password) throw weakPassword('must not be the current password')
    former = verified.secret
  } else if (!isFresh) throw new Problem('step-up-required')
  await checkPassword(new_password, passwordPolicy, personalWords(account), '/new_password')
  const password_hash = await passwords.hash(new_password)
  await changeCredentials(visitor, { user_id, session_id }, async transaction => {
    await transaction.run(replaceHash(user_id, former, password_hash))
    if (endsOthers) {
      await transaction.run(revokeOtherSessions(user_id, session_id, 'password-changed'))
      await transaction.run(revokeDevices(user_id, session_id))
    }
    await transaction.run(revokeTokens(user_id, kindsThatEndWith(declared.tokens, 'password')))
    await transaction.run(recordEvent(passwordChanged, user_id, session_id))
  })
}

/** A live account, as far as its new password must not be made of it. */
const findAccount = (visitor: SystemRunner, user_id: string | null) =>
  // system: a link in a mail has no session, and whether there is a password is out of the tenant login's sight
  visitor.run(
    find(
      query
        .selectFrom('live_users')
        .select(['id', 'email', 'username', 'given_name', 'family_name', 'full_name'])
        .select(sql<boolean>`password_hash is not null`.as('has_password'))
        .where('id', '=', user_id),
    ),
  )

/** Locked: of a verification at the same moment, one comes first. */
const hasVerifiedAddress = (user_id: string) =>
  statement(
    query.selectFrom('live_users').select('email_verified').where('id', '=', user_id).forNoKeyUpdate(),
    ([user]) => user?.email_verified === true,
  )

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

/** The hash that was verified is still the account's: of two changes at once, one succeeds. */
const replaceHash = (user_id: string, former: string | null, password_hash: string) =>
  statement(
    query
      .updateTable('live_users')
      .set({ password_hash })
      .where('id', '=', user_id)
      .where('password_hash', 'is not distinct from', former)
      .returning('id'),
    rows => {
      if (rows.length === 0) throw new Problem('invalid-credentials')
    },
  )
