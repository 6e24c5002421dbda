import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import type { Database, Origin, Transaction } from '../../platform/database/database.ts'
import type { Locale } from '../../platform/locales.ts'
import { findToken, issueToken, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import type { TokenPurpose } from '../../platform/tokens/one-time-tokens.ts'
import { Problem } from '../../platform/problems.ts'
import { openId } from '../../platform/crypto/sealing.ts'
import { find, many, query, statement } from '../../platform/database/statement.ts'
import { findRetiredNames } from '../../directory/users/users.ts'
import { completeSignUp } from '../sign-up/sign-up.ts'

export interface VerificationTools {
  database: Database
  /** Opens one-time tokens. */
  key: Buffer
}

/** What the proof of an address has brought about. */
export const verifications = ['email-verified', 'signed-up', 'email-changed'] as const

export interface Verification {
  status: (typeof verifications)[number]
  /** The address that is proved. */
  email: string
}

/** Every purpose whose mail proves an address, and what comes of it. */
const doors = {
  'verify-email': async ({ database }, origin, id) => ({
    status: 'email-verified',
    email: await confirmEmail(database, origin, id),
  }),
  'sign-up': async (tools, origin, id) => ({
    status: 'signed-up',
    email: await completeSignUp(tools, origin, id),
  }),
  'change-email': async (tools, origin, id) => ({
    status: 'email-changed',
    email: await completeEmailChange(tools, origin, id),
  }),
} satisfies Record<string, (tools: VerificationTools, origin: Origin, id: string) => Promise<Verification>>

/** Spends the token of a mail that proves an address, whichever it was; signs nobody in. @throws Problem invalid-token */
export async function verifyEmail(tools: VerificationTools, origin: Origin, token: string): Promise<Verification> {
  for (const [purpose, enter] of Object.entries(doors)) {
    const id = openId(tools.key, purpose, token)
    if (id !== undefined) return enter(tools, origin, id)
  }
  throw new Problem('invalid-token')
}

/** Asks for the mail again that confirms an address. Whose it is, and whether it needs one, is looked up when it is sent. */
export const requestVerification = (email: string, locale: Locale | undefined) =>
  issueToken({ purpose: 'verify-email', email, details: { locale }, mailed: true })

/** Holds the account before its token, as everybody does who ends what was begun. @throws Problem invalid-token */
async function spendForPerson(transaction: Transaction, purpose: TokenPurpose, token_id: string) {
  const token = await transaction.run(findToken(purpose, token_id))
  await transaction.run(
    find(
      query
        .selectFrom('users')
        .select('id')
        .where('id', '=', token?.user_id ?? null)
        .forNoKeyUpdate(),
    ),
  )
  return transaction.run(spendToken(purpose, token_id))
}

/** @returns the address */
const confirmEmail = (database: Database, origin: Origin, token_id: string): Promise<string> =>
  database.system.transaction({ origin }, async transaction => {
    const { email, user_id } = await spendForPerson(transaction, 'verify-email', token_id)
    const user = await transaction.run(
      find(
        query
          .updateTable('users')
          .set({ email_verified_at: sql<string>`coalesce(email_verified_at, now())` })
          .where('id', '=', user_id)
          // The address may be another by now.
          .where('email', '=', email)
          .where('deleted_at', 'is', null)
          .returning('email'),
      ),
    )
    if (user === undefined) throw new Problem('invalid-token')
    return user.email
  })

/**
 * Gives the account the address that the mail went to. Its sessions go on, whatever else the former address was sent ends,
 * and the person is told there. @returns the address @throws Problem invalid-token, also when the address has an account by now
 */
const completeEmailChange = ({ database, key }: VerificationTools, origin: Origin, token_id: string): Promise<string> =>
  database.system.transaction({ origin }, async transaction => {
    const { email, user_id, details } = await spendForPerson(transaction, 'change-email', token_id)
    if ((await transaction.run(findRetiredNames(key, { email }))).email) throw new Problem('invalid-token')
    const old_email = (details as { old_email?: string }).old_email ?? null
    const user = await transaction.run(
      statement(
        query
          .updateTable('users')
          .set({ email: email ?? '', email_verified_at: sql<string>`now()` })
          .where('id', '=', user_id)
          .where('email', '=', old_email)
          .where('disabled_at', 'is', null)
          .where('deleted_at', 'is', null)
          .returning(['id', 'email']),
        rows => rows[0],
        { users_email_key: 'invalid-token' },
      ),
    )
    if (user === undefined || email === null) throw new Problem('invalid-token')
    await transaction.run(endFormerTokens(user.id, old_email))
    await transaction.run(recordEvent('email-changed', user.id, null, { token_id }))
    return user.email
  })

/** Nothing that was mailed to the former address, and no other change of it, is good for anything any more. */
const endFormerTokens = (user_id: string, old_email: string | null) =>
  many(
    query
      .updateTable('one_time_tokens')
      .set({ used_at: sql<string>`now()` })
      .where(eb => eb.or([eb('user_id', '=', user_id), eb('email', '=', old_email)]))
      .where('purpose', 'in', ['verify-email', 'reset-password', 'change-email', 'unlock'])
      .where('used_at', 'is', null)
      .returning('id'),
  )
