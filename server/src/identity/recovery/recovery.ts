import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import { Type } from 'typebox'
import { recordEvent } from '../../directory/history/history.ts'
import { revokeOtherSessions, revokeSessions } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { execute, find, statement, tables } from '../../platform/database/statement.ts'
import { locales } from '../../platform/locales.ts'
import type { Locale } from '../../platform/locales.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
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
import { unlinkIdentities } from '../accounts/identities.ts'
import { changeKind, recordChange } from '../changes/changes.ts'
import { revokeDevices } from '../devices/devices.ts'
import { unlockSignIns } from '../lockout/lockout.ts'
import { checkPassword } from '../passwords/password-policy.ts'
import type { Proof } from '../proofs/messages.ts'
import { withProof } from '../proofs/proof.ts'
import type { ProofServices } from '../proofs/proof.ts'

const query = tables('system', 'users', 'live_users')

export const resetPasswordToken = tokenKind({
  purpose: 'reset-password',
  seconds: 1800,
  details: Strict({ locale: Type.Optional(OneOf(locales)), mailed_at: Type.Optional(Time) }),
  endsWithPassword: true,
  endsWithAddress: true,
})

export const passwordReset = eventKind('password-reset', { mailed: true })
export const passwordChanged = changeKind('password-changed', {
  words: { en: 'The password of your account was changed.', de: 'Das Passwort Ihres Kontos wurde geändert.' },
  // The former password is not restored, because the person who changed it knew it.
  undo: (transaction, { user_id, trace }) => transaction.run(voidPassword(user_id, trace.password ?? '')),
})

type RecoveryServices = Pick<Services, 'keys' | 'declared' | 'passwords' | 'passwordPolicy'>

/** Requests the email with the link to set a new password. The account of the address is looked up when it is sent. */
export const requestPasswordReset = (
  visitor: SystemRunner,
  email: string,
  locale: Locale | undefined,
): Promise<string> => mailToken(visitor, resetPasswordToken, { email, details: { ...(locale && { locale }) } })

/**
 * Sets the password of the account that the link was sent for, or the first one if it only signs in with a provider,
 * and revokes all sessions, devices and locks. Creates no session, so the second factor is not skipped. If the address
 * was not verified before, someone else may have created the account in advance: it then loses its providers and, if it
 * has a second factor that the owner of the address does not hold, stays unverified.
 * @returns the address @throws Problem weak-password, at `/new_password`, with the token unspent; invalid-token
 */
export async function completePasswordReset(
  visitor: SystemRunner,
  { keys, declared, passwords, passwordPolicy }: RecoveryServices,
  token: string,
  new_password: string,
): Promise<string> {
  const presented = await presentedToken(visitor, keys.oneTime, resetPasswordToken, token)
  const account = await findAccount(visitor, presented.user_id)
  if (account === undefined) throw new Problem('invalid-token')
  if (account.password_change_required_at !== null) await refuseFormer(passwords, account, new_password)
  await checkPassword(new_password, passwordPolicy, personalWords(account), '/new_password')
  const password_hash = await passwords.hash(new_password)
  const known = visitor.with({ user_id: account.id })
  return redeemLink(known, resetPasswordToken, presented, async (transaction, { email }) => {
    const wasVerified = await transaction.run(hasVerifiedAddress(account.id))
    const user = await transaction.run(
      find(
        query
          .updateTable('live_users')
          .set({
            password_hash,
            password_change_required_at: null,
            // The email verifies the address, but not that an existing second factor belongs to its reader.
            email_verified_at: sql<string>`coalesce(email_verified_at,
              case when not ${declared.hasSecondFactor(sql.ref('live_users.id'))} then now() end)`,
          })
          .where('id', '=', account.id)
          // The address may have changed since.
          .where('email', '=', email)
          .returning('id'),
      ),
    )
    if (user === undefined) throw new Problem('invalid-token')
    await transaction.run(revokeSessions(account.id, 'password-reset'))
    await transaction.run(revokeDevices(account.id, null))
    await transaction.run(revokeTokens(account.id, kindsThatEndWith(declared.tokens, 'password')))
    await transaction.run(unlockSignIns([account.id], 'password-reset'))
    if (!wasVerified) await unlinkIdentities(transaction, declared, account.id)
    await transaction.run(recordEvent(passwordReset, account.id, null))
    return account.email
  })
}

interface PasswordChange {
  current_password: string | undefined
  proof: Proof | undefined
  new_password: string
  endsOthers: boolean
}

/**
 * Changes the user's password. Requires the current password if there is one, and a second factor if there is one.
 * Other sessions and devices are revoked unless they are to stay.
 * @throws Problem weak-password at `/new_password`, and what withProof throws
 */
export const changePassword = (
  visitor: SystemRunner,
  services: ProofServices & Pick<Services, 'passwordPolicy'>,
  { user_id, session_id }: SessionRef,
  { current_password, proof, new_password, endsOthers }: PasswordChange,
): Promise<void> =>
  withProof(
    visitor,
    services,
    { user_id, session_id },
    { proof, current_password: { value: current_password } },
    async ({ means, change }) => {
      const { declared, passwords, passwordPolicy } = services
      const account = await findAccount(visitor, user_id)
      if (account === undefined) throw new Problem('session-ended')
      if (means.has_password && new_password === current_password)
        throw weakPassword('must not be the current password')
      await checkPassword(new_password, passwordPolicy, personalWords(account), '/new_password')
      const password_hash = await passwords.hash(new_password)
      await change(async transaction => {
        await transaction.run(replaceHash(user_id, password_hash))
        if (endsOthers) {
          await transaction.run(revokeOtherSessions(user_id, session_id, 'password-changed'))
          await transaction.run(revokeDevices(user_id, session_id))
        }
        await transaction.run(revokeTokens(user_id, kindsThatEndWith(declared.tokens, 'password')))
        const trace = { password: digestOf(password_hash) }
        await transaction.run(recordChange(declared, passwordChanged, { user_id, session_id, trace }))
      })
    },
  )

/** A live account, with the values that its new password must not contain. */
export const findAccount = (visitor: SystemRunner, user_id: string | null) =>
  // system: a link in an email has no session, and the tenant login cannot read hashes
  visitor.run(
    find(
      query
        .selectFrom('live_users')
        .select(['id', 'email', 'username', 'given_name', 'family_name', 'full_name'])
        .select(['password_hash', 'password_change_required_at'])
        .where('id', '=', user_id),
    ),
  )

/** Locked, so that a concurrent verification waits. */
const hasVerifiedAddress = (user_id: string) =>
  statement(
    query.selectFrom('live_users').select('email_verified').where('id', '=', user_id).forNoKeyUpdate(),
    ([user]) => user?.email_verified === true,
  )

export const personalWords = ({
  email,
  username,
  given_name,
  family_name,
  full_name,
}: PersonalWords): (string | null)[] => [email, username, given_name, family_name, full_name]

type PersonalWords = Record<'email' | 'username' | 'given_name' | 'family_name' | 'full_name', string | null>

const weakPassword = (detail: string): Problem =>
  new Problem('weak-password', { errors: [{ pointer: '/new_password', detail }] })

/** Refuses the present password as the new one. @throws Problem weak-password */
export async function refuseFormer(
  passwords: Services['passwords'],
  { password_hash }: { password_hash: string | null },
  new_password: string,
): Promise<void> {
  if (password_hash !== null && (await passwords.verify(password_hash, new_password)))
    throw weakPassword('must not be the current password')
}

const replaceHash = (user_id: string, password_hash: string) =>
  execute(
    query.updateTable('live_users').set({ password_hash, password_change_required_at: null }).where('id', '=', user_id),
  )

/** Identifies the password that a change set, because the hash itself is stored only in the account. */
export const digestOf = (password_hash: string): string => createHash('sha256').update(password_hash).digest('hex')

/** Removes the password that a change set, unless it was replaced since; the account then needs a reset. */
const voidPassword = (user_id: string, digest: string) =>
  execute(
    query
      .updateTable('users')
      .set({ password_hash: null })
      .where('id', '=', user_id)
      .where(sql<boolean>`encode(sha256(convert_to(password_hash, 'UTF8')), 'hex') = ${digest}`),
  )
