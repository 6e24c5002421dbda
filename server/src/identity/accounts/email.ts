import { sql } from 'kysely'
import { Type } from 'typebox'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { find, tables } from '../../platform/database/statement.ts'
import { locales } from '../../platform/locales.ts'
import type { Locale } from '../../platform/locales.ts'
import { Problem } from '../../platform/problems.ts'
import { OneOf, Strict, Time } from '../../platform/schemas.ts'
import { mailToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken } from '../../platform/tokens/one-time-tokens.ts'
import { redeemLink } from './links.ts'

const query = tables('system', 'users')

/** Verifies the current address of an existing account. */
export const verifyEmailToken = tokenKind({
  purpose: 'verify-email',
  seconds: 86400,
  details: Strict({ locale: Type.Optional(OneOf(locales)), mailed_at: Type.Optional(Time) }),
  endsWithAddress: true,
})

/** Requests the verification email again. The account, and whether it needs the email, are looked up at sending. */
export const requestVerification = (visitor: SystemRunner, email: string, locale: Locale | undefined) =>
  mailToken(visitor, verifyEmailToken, { email, details: locale === undefined ? {} : { locale } })

/**
 * Marks the address as verified. `check` runs first, under the lock of the account. @returns the address @throws
 * Problem invalid-token
 */
export const confirmEmail = (
  visitor: SystemRunner,
  token: OpenToken<unknown>,
  check: (transaction: Transaction<'system'>) => Promise<void>,
): Promise<string> =>
  redeemLink(
    visitor,
    verifyEmailToken,
    token,
    async (transaction, { user_id, email }) => {
      const user = await transaction.run(
        find(
          query
            .updateTable('users')
            .set({ email_verified_at: sql<string>`coalesce(email_verified_at, now())` })
            .where('id', '=', user_id)
            // The address may have changed since.
            .where('email', '=', email)
            .where('deleted_at', 'is', null)
            .returning('email'),
        ),
      )
      if (user === undefined) throw new Problem('invalid-token')
      return user.email
    },
    { first: check },
  )
