import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { eventKind } from '../../platform/mail/mails.ts'
import { recordEvent } from '../../directory/history/history.ts'
import { changeCredentials } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import { findRetiredNames } from '../../directory/users/users.ts'
import { openId } from '../../platform/crypto/sealing.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { get, statement, tables } from '../../platform/database/statement.ts'
import { locales } from '../../platform/locales.ts'
import type { Locale } from '../../platform/locales.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Email, OneOf, Strict, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  issueToken,
  kindsThatEndWith,
  presentedToken,
  revokeMailedTokens,
  revokeTokens,
  tokenKind,
} from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken, TokenKind } from '../../platform/tokens/one-time-tokens.ts'
import { confirmEmail, verifyEmailToken } from '../accounts/email.ts'
import { redeemLink } from '../accounts/links.ts'
import { completeSignUp, signUpToken } from '../sign-up/sign-up.ts'

const query = tables('system', 'live_users')

/** Goes to the new address; the details remember the one that it replaces. */
export const changeEmailToken = tokenKind({
  purpose: 'change-email',
  seconds: 86400,
  details: Strict({
    old_email: Type.String(),
    locale: Type.Optional(OneOf(locales)),
    mailed_at: Type.Optional(Time),
  }),
  endsWithPassword: true,
  endsWithAddress: true,
})

export const emailChangeRequested = eventKind('email-change-requested', { mailed: true, toFormerAddress: true })
export const emailChanged = eventKind('email-changed', { mailed: true, toFormerAddress: true })

type VerificationServices = Parameters<typeof completeSignUp>[1] & Pick<Services, 'keys' | 'declared'>

/** What came of the verification of an address. */
export const Verification = Type.Object(
  { status: OneOf(['email-verified', 'signed-up', 'email-changed']), email: Email },
  { title: 'EmailVerified' },
)
export type Verification = Static<typeof Verification>

interface Handler {
  purpose: string
  verify: (visitor: SystemRunner, services: VerificationServices, token: string) => Promise<Verification>
}

/** What a token of this kind verifies. `complete` spends it and returns the address. */
const handlerOf = <Details extends TSchema>(
  kind: TokenKind<Details>,
  status: Verification['status'],
  complete: (
    visitor: SystemRunner,
    services: VerificationServices,
    token: OpenToken<Static<Details>>,
  ) => Promise<string>,
): Handler => ({
  purpose: kind.purpose,
  verify: async (visitor, services, token) => ({
    status,
    email: await complete(visitor, services, await presentedToken(visitor, services.keys.oneTime, kind, token)),
  }),
})

/**
 * Spends the token of any mail that verifies an address; it creates no session. @throws Problem invalid-token
 */
export async function verifyEmail(
  visitor: SystemRunner,
  services: VerificationServices,
  token: string,
): Promise<Verification> {
  const handler = handlers.find(({ purpose }) => openId(services.keys.oneTime, purpose, token) !== undefined)
  if (handler === undefined) throw new Problem('invalid-token')
  return handler.verify(visitor, services, token)
}

/**
 * Asks for another address: a mail to it confirms the change, one to the present address tells of it. Whether it has an
 * account is looked up when the mail is sent. A change that was asked for before is revoked.
 * @throws Problem invalid-fields when it is the user's address already, session-ended
 */
export const requestEmailChange = (
  visitor: SystemRunner,
  { user_id, session_id }: SessionRef,
  new_email: string,
  locale: Locale | undefined,
): Promise<void> =>
  changeCredentials(visitor, { user_id, session_id }, async transaction => {
    const { email: old_email } = await transaction.run(
      get(query.selectFrom('live_users').select('email').where('id', '=', user_id)),
    )
    if (old_email === new_email.toLowerCase()) throw invalidField('/new_email', 'is your address already')
    await transaction.run(revokeTokens(user_id, [changeEmailToken]))
    const details = { old_email, ...(locale !== undefined && { locale }) }
    const token_id = await transaction.run(
      issueToken(changeEmailToken, { user_id, email: new_email, details, mailed: true }),
    )
    await transaction.run(recordEvent(emailChangeRequested, user_id, session_id, { token_id }))
  })

/**
 * Gives the account the address that the mail went to. Its sessions go on, whatever else was mailed to the former address
 * is revoked, and the user is told there.
 * @returns the address @throws Problem invalid-token, also when the address has an account by now
 */
const completeEmailChange = (
  visitor: SystemRunner,
  { keys, declared }: VerificationServices,
  token: OpenToken<Static<typeof changeEmailToken.details>>,
): Promise<string> =>
  redeemLink(visitor, changeEmailToken, token, async (transaction, { id: token_id, user_id, email, details }) => {
    const { old_email } = details
    if ((await transaction.run(findRetiredNames(keys.oneTime, { email }))).email) throw new Problem('invalid-token')
    const user = await transaction.run(replaceEmail(user_id, old_email, email ?? ''))
    if (user === undefined || email === null) throw new Problem('invalid-token')
    const kinds = kindsThatEndWith(declared.tokens, 'address')
    await transaction.run(revokeTokens(user.id, kinds))
    await transaction.run(revokeMailedTokens(old_email, kinds))
    await transaction.run(recordEvent(emailChanged, user.id, null, { token_id }))
    return user.email
  })

const replaceEmail = (user_id: string | null, old_email: string, email: string) =>
  statement(
    query
      .updateTable('live_users')
      .set({ email, email_verified_at: sql<string>`now()` })
      .where('id', '=', user_id)
      .where('email', '=', old_email)
      .returning(['id', 'email']),
    ([user]) => user,
    { users_email_key: 'invalid-token' },
  )

/** Every kind of token whose mail verifies an address. */
const handlers: readonly Handler[] = [
  handlerOf(verifyEmailToken, 'email-verified', (visitor, _services, token) => confirmEmail(visitor, token)),
  handlerOf(signUpToken, 'signed-up', completeSignUp),
  handlerOf(changeEmailToken, 'email-changed', completeEmailChange),
]
