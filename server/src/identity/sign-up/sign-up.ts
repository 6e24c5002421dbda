import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { isRetired, normalizeNames } from '../../directory/users/users.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { execute, get, raw, tables } from '../../platform/database/statement.ts'
import { locales } from '../../platform/locales.ts'
import type { Locale } from '../../platform/locales.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Nullable, OneOf, Strict, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { issueToken, mailToken, spendToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken } from '../../platform/tokens/one-time-tokens.ts'
import { createAccount } from '../accounts/accounts.ts'
import type { AccountServices, NewAccount } from '../accounts/accounts.ts'
import { verifyEmailToken } from '../accounts/email.ts'
import { digest } from '../accounts/browser-cookie.ts'
import { checkPassword } from '../passwords/password-policy.ts'
import { signIn } from '../sign-in/sign-in.ts'
import type { SignInOutcome } from '../sign-in/sign-in.ts'

const query = tables('system', 'users', 'organizations', 'one_time_tokens')

const OptionalText = Type.Optional(Nullable(Type.String()))

/** A sign-up that waits for its address to be verified: all values but the password, which is chosen then. */
export const signUpToken = tokenKind({
  purpose: 'sign-up',
  seconds: 86400,
  details: Strict({
    username: OptionalText,
    given_name: OptionalText,
    family_name: OptionalText,
    full_name: OptionalText,
    locale: Type.Optional(Nullable(OneOf(locales))),
    identity: Type.Optional(Strict({ provider: Type.String(), issuer: Type.String(), subject: Type.String() })),
    /** Digest of the secret of the browser that returned from the provider. */
    browser: Type.Optional(Type.String()),
    organization: Type.Optional(Strict({ name: Type.String(), slug: Type.Optional(Type.String()) })),
    mailed_at: Type.Optional(Time),
  }),
})

/** An account as a client requests it, without values that only an operator can set. */
export interface Enrolment extends Omit<
  NewAccount,
  'superuser' | 'email_verified' | 'identity' | 'created_at' | 'disabled'
> {
  locale?: Locale | undefined
}

/**
 * Creates an account and signs in, if addresses may be verified later; an email asks for the verification.
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
 * Stores the requested account until its address is verified. Nothing is reserved, and nothing reveals whether the
 * address has an account, since that is looked up when the email is sent. Usernames and slugs are always looked up.
 * @throws Problem username-taken, organization-slug-taken
 */
export async function requestSignUp(
  visitor: SystemRunner,
  { keys }: Pick<Services, 'keys'>,
  account: Omit<Enrolment, 'password_hash'>,
): Promise<void> {
  const { email, username, given_name, family_name, full_name, locale, organization } = normalizeNames(account)
  // system: names are looked up among all accounts and organizations
  const taken = await visitor.run(findTaken(keys.oneTime, username, organization?.slug))
  if (taken.username) throw new Problem('username-taken')
  if (taken.slug) throw new Problem('organization-slug-taken')
  const details = { username, given_name, family_name, full_name, locale, organization }
  await mailToken(visitor, signUpToken, { email, details: withoutUndefined(details) })
}

/** The details as JSON stores them. */
const withoutUndefined = (details: object) => JSON.parse(JSON.stringify(details)) as Static<typeof signUpToken.details>

/** Which of the two names is taken; the statement is the same if one is not requested. */
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
 * Creates the account of the link in the email, with the password that the reader of the email chooses, because a
 * stranger may have requested it. For the same reason the identity at a provider that it was requested with is linked
 * only in the same browser. If the username is taken by now, it is omitted; if the slug is, one is made from the name.
 * @returns its address @throws Problem weak-password at `/password`; invalid-fields where that is missing;
 * invalid-token, also when the address or its identity has an account already
 */
export async function completeSignUp(
  visitor: SystemRunner,
  { keys, passwords, passwordPolicy }: AccountServices & Pick<Services, 'passwords' | 'passwordPolicy'>,
  token: OpenToken<Static<typeof signUpToken.details>>,
  { password, browser }: { password?: string | undefined; browser?: string | undefined },
): Promise<string> {
  const { id: token_id, email } = token
  if (email === null) throw new Problem('invalid-token')
  if (password === undefined) throw invalidField('/password', 'is required: choose the password of the account')
  const { mailed_at: _mailed_at, browser: asked_by, identity, ...details } = token.details
  const { username, given_name, family_name, full_name, organization } = details
  await checkPassword(password, passwordPolicy, [
    email,
    username,
    given_name,
    family_name,
    full_name,
    organization?.name,
  ])
  const password_hash = await passwords.hash(password)
  const finish = async (transaction: Transaction<'system'>): Promise<string> => {
    await transaction.run(spendToken(signUpToken, token_id))
    await transaction.run(forgetSignUps(email))
    return email
  }
  const isSameBrowser = browser !== undefined && asked_by === digest(browser)
  let account: NewAccount = {
    ...details,
    email,
    password_hash,
    email_verified: true,
    ...(isSameBrowser && { identity }),
  }
  for (;;) {
    try {
      return await createAccount(visitor, { keys }, account, finish)
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

/** Invalidates and deletes all other sign-ups with the address. */
const forgetSignUps = (email: string) =>
  execute(
    query
      .updateTable('one_time_tokens')
      .set({ used_at: sql<string>`coalesce(used_at, now())`, details: '{}' })
      .where('email', '=', email)
      .where('purpose', '=', signUpToken.purpose),
  )
