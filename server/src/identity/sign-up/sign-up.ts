import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { isRetired, normalizeNames } from '../../directory/users/users.ts'
import type { User } from '../../directory/users/users.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { execute, get, raw, tables } from '../../platform/database/statement.ts'
import { locales } from '../../platform/locales.ts'
import type { Locale } from '../../platform/locales.ts'
import { Problem } from '../../platform/problems.ts'
import { Nullable, OneOf, Strict, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { issueToken, mailToken, spendToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken } from '../../platform/tokens/one-time-tokens.ts'
import { createAccount } from '../accounts/accounts.ts'
import type { AccountServices, NewAccount } from '../accounts/accounts.ts'
import { verifyEmailToken } from '../accounts/email.ts'
import { resetPasswordToken } from '../recovery/recovery.ts'
import { signIn } from '../sign-in/sign-in.ts'
import type { SignInOutcome } from '../sign-in/sign-in.ts'

const query = tables('system', 'users', 'organizations', 'one_time_tokens')

const OptionalText = Type.Optional(Nullable(Type.String()))

/** An account that waits for its address to be verified: all that it will begin with. */
export const signUpToken = tokenKind({
  purpose: 'sign-up',
  seconds: 86400,
  details: Strict({
    password_hash: OptionalText,
    username: OptionalText,
    given_name: OptionalText,
    family_name: OptionalText,
    full_name: OptionalText,
    locale: Type.Optional(Nullable(OneOf(locales))),
    identity: Type.Optional(Strict({ provider: Type.String(), issuer: Type.String(), subject: Type.String() })),
    organization: Type.Optional(Strict({ name: Type.String(), slug: Type.Optional(Type.String()) })),
    mailed_at: Type.Optional(Time),
  }),
})

/** An account as a client asks for it: nothing that only an operator gives. */
export interface Enrolment extends Omit<
  NewAccount,
  'superuser' | 'email_verified' | 'identity' | 'created_at' | 'disabled'
> {
  locale?: Locale | undefined
}

/**
 * A new account, signed in, while addresses may be verified later: a mail asks for it.
 * @throws what createAccount and signIn throw
 */
export const signUp = (
  visitor: SystemRunner,
  services: Pick<Services, 'keys' | 'signInRules' | 'declared'>,
  account: Enrolment,
): Promise<SignInOutcome> =>
  createAccount(visitor, services, account, async (transaction, { user }) => {
    const { id: user_id, email } = user
    await transaction.run(issueToken(verifyEmailToken, { user_id, email, details: {}, mailed: true }))
    return signIn(transaction, services, { user_id, methods: ['password'], isTwoFactor: false })
  })

/**
 * Keeps the account that is asked for until its address is verified: nothing is reserved, and nothing tells whether the
 * address has an account, since that is looked up when the mail is sent. Names that are no addresses are looked up, always.
 * @throws Problem username-taken, organization-slug-taken
 */
export async function requestSignUp(
  visitor: SystemRunner,
  { keys }: Pick<Services, 'keys'>,
  account: Enrolment,
): Promise<void> {
  const { email, username, password_hash, given_name, family_name, full_name, locale, organization } =
    normalizeNames(account)
  // system: names are looked up among all accounts and organizations
  const taken = await visitor.run(findTaken(keys.oneTime, username, organization?.slug))
  if (taken.username) throw new Problem('username-taken')
  if (taken.slug) throw new Problem('organization-slug-taken')
  const details = { username, password_hash, given_name, family_name, full_name, locale, organization }
  await mailToken(visitor, signUpToken, { email, details: withoutUndefined(details) })
}

/** As JSON keeps it. */
const withoutUndefined = (details: object) => JSON.parse(JSON.stringify(details)) as Static<typeof signUpToken.details>

/** Which of the two names cannot be had; the statement is the same where one is not asked for. */
const findTaken = (key: Buffer, username: string | null | undefined, slug: string | undefined) =>
  get(
    raw(
      query,
      sql<{ username: boolean; slug: boolean }>`select
        exists (select from users where username = ${username ?? null}::text) or ${isRetired(key, 'username', username)} as username,
        exists (select from organizations where slug = ${slug ?? null}::text) as slug`,
    ),
  )

/**
 * Makes the account that the link in the mail stands for. A username that has gone meanwhile is left out, a slug made from
 * the name. Where several are asked for with one address, any of them may be a stranger's, whichever link was used: the
 * account then takes neither password nor identity, and a mail lets its owner choose a password.
 * @returns its address @throws Problem invalid-token, also when the address or its identity has an account by now
 */
export async function completeSignUp(
  visitor: SystemRunner,
  services: AccountServices,
  token: OpenToken<Static<typeof signUpToken.details>>,
): Promise<string> {
  const { id: token_id, email } = token
  if (email === null) throw new Problem('invalid-token')
  // system: the link is opened without a session
  const { is_contested } = await visitor.run(isContested(email, token_id))
  const finish = async (transaction: Transaction<'system'>, made: { user: User }): Promise<string> => {
    await transaction.run(spendToken(signUpToken, token_id))
    await transaction.run(forgetSignUps(email))
    if (is_contested)
      await transaction.run(issueToken(resetPasswordToken, { user_id: made.user.id, email, details: {}, mailed: true }))
    return email
  }
  const { mailed_at: _mailed_at, ...details } = token.details
  const kept = is_contested ? { ...details, password_hash: null, identity: undefined } : details
  let account: NewAccount = { ...kept, email, email_verified: true }
  for (;;) {
    try {
      return await createAccount(visitor, services, account, finish)
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

/** Whether another account may have been asked for with the address as well. */
const isContested = (email: string, token_id: string) =>
  get(
    raw(
      query,
      sql<{ is_contested: boolean }>`select exists (select from one_time_tokens where email = ${email}
        and purpose = ${signUpToken.purpose} and id <> ${token_id} and used_at is null and expires_at > now()) as is_contested`,
    ),
  )

/** Whatever else was asked for with the address is void, and no hash of it is kept. */
const forgetSignUps = (email: string) =>
  execute(
    query
      .updateTable('one_time_tokens')
      .set({ used_at: sql<string>`coalesce(used_at, now())`, details: '{}' })
      .where('email', '=', email)
      .where('purpose', '=', signUpToken.purpose),
  )
