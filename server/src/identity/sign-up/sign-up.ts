import { sql } from 'kysely'
import type { Origin, Transaction } from '../../platform/database/database.ts'
import type { Locale } from '../../platform/locales.ts'
import { findToken, issueToken, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import { Problem } from '../../platform/problems.ts'
import { get, many, query, raw } from '../../platform/database/statement.ts'
import { isRetired, normalizeNames } from '../../directory/users/users.ts'
import type { User } from '../../directory/users/users.ts'
import type { NewAccount } from '../accounts/accounts.ts'
import { createAccount, signIn } from '../sign-in/sign-in.ts'
import type { AccountTools, SecondFactorNeeded, SignedIn, SignInRules } from '../sign-in/sign-in.ts'

/** An account as somebody asks for it: nothing that only an operator gives. */
export interface Enrolment extends Omit<NewAccount, 'superuser' | 'email_verified' | 'identity'> {
  locale?: Locale | undefined
}

/**
 * A new account, signed in, while addresses may be confirmed later: a mail asks for it.
 * @throws what createAccount and signIn throw
 */
export const signUp = (
  tools: AccountTools,
  rules: SignInRules,
  origin: Origin,
  account: Enrolment,
): Promise<SignedIn | SecondFactorNeeded> =>
  createAccount(tools, origin, account, async (transaction, { user }) => {
    const { id: user_id, email } = user
    await transaction.run(issueToken({ purpose: 'verify-email', user_id, email, mailed: true }))
    return signIn(transaction, rules, origin, { user_id, methods: ['password'], isTwoFactor: false })
  })

/**
 * Keeps the account that is asked for until its address is confirmed: nothing is reserved, and nothing tells whether the
 * address has an account, since nobody looks before the mail is sent. Names that are no addresses are looked up, always.
 * @throws Problem username-taken, organization-slug-taken
 */
export async function requestSignUp(
  { database, key }: AccountTools,
  origin: Origin,
  account: Enrolment,
): Promise<void> {
  const { email, ...details } = normalizeNames(account)
  const conflicts = await database.system.run(
    { origin },
    get(
      raw<{ username: boolean; slug: boolean }>(sql`select
        exists (select from users where username = ${details.username ?? null}::text) or ${isRetired(key, 'username', details.username)} as username,
        exists (select from organizations where slug = ${details.organization?.slug ?? null}::text) as slug`),
    ),
  )
  if (conflicts.username) throw new Problem('username-taken')
  if (conflicts.slug) throw new Problem('organization-slug-taken')
  await database.system.run({ origin }, issueToken({ purpose: 'sign-up', email, details, mailed: true }))
}

/**
 * Makes the account that the link in the mail stands for. A username that has gone meanwhile is left out, a slug made from
 * the name. Where several are asked for with one address, any of them may be a stranger's, whichever link was used: the
 * account then takes neither password nor identity, and a mail lets its owner choose a password.
 * @returns its address @throws Problem invalid-token, also when the address or its identity has an account by now
 */
export async function completeSignUp(tools: AccountTools, origin: Origin, token_id: string): Promise<string> {
  const token = await tools.database.system.run({ origin }, findToken('sign-up', token_id))
  if (token === undefined || token.email === null) throw new Problem('invalid-token')
  const { email } = token
  const { is_contested } = await tools.database.system.run({ origin }, isContested(email, token_id))
  const finish = async (transaction: Transaction, { user: { id: user_id } }: { user: User }): Promise<string> => {
    await transaction.run(spendToken('sign-up', token_id))
    await transaction.run(forgetSignUps(email))
    if (is_contested) await transaction.run(issueToken({ purpose: 'reset-password', user_id, email, mailed: true }))
    return email
  }
  let account: NewAccount = {
    ...(token.details as Omit<Enrolment, 'email'>),
    ...(is_contested && { password_hash: null, identity: undefined }),
    email,
    email_verified: true,
  }
  for (;;) {
    try {
      return await createAccount(tools, origin, account, finish)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      if (error.code === 'email-taken' || error.code === 'identity-taken')
        throw new Problem('invalid-token', { cause: error })
      if (error.code === 'username-taken') account = { ...account, username: undefined }
      else if (error.code === 'organization-slug-taken' && account.organization?.slug !== undefined)
        account = { ...account, organization: { name: account.organization.name } }
      else throw error
    }
  }
}

/** Whether somebody else may have asked for an account with the address as well. */
const isContested = (email: string, token_id: string) =>
  get(
    raw<{
      is_contested: boolean
    }>(sql`select exists (select from one_time_tokens where email = ${email} and purpose = 'sign-up'
      and id <> ${token_id} and used_at is null and expires_at > now()) as is_contested`),
  )

/** Whatever else was asked for with the address is void, and no hash of it is kept. */
const forgetSignUps = (email: string) =>
  many(
    query
      .updateTable('one_time_tokens')
      .set({ used_at: sql<string>`coalesce(used_at, now())`, details: sql`'{}'::jsonb` })
      .where('email', '=', email)
      .where('purpose', '=', 'sign-up')
      .returning('id'),
  )
