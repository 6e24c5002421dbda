import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { eventKind } from '../../platform/mail/mails.ts'
import { recordEvent } from '../../directory/history/history.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import { findRetiredNames } from '../../directory/users/users.ts'
import { openId } from '../../platform/crypto/sealing.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { execute, get, statement, tables } from '../../platform/database/statement.ts'
import { locales } from '../../platform/locales.ts'
import type { Locale } from '../../platform/locales.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { Email, OneOf, Strict, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  issueToken,
  kindsThatEndWith,
  presentedToken,
  reissueTokens,
  revokeMailedTokens,
  revokeTokens,
  tokenKind,
} from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken, TokenKind } from '../../platform/tokens/one-time-tokens.ts'
import { confirmEmail, verifyEmailToken } from '../accounts/email.ts'
import { redeemLink, runForLink } from '../accounts/links.ts'
import { changeKind, readdressChanges, recordChange } from '../changes/changes.ts'
import type { Trace } from '../changes/changes.ts'
import { passwordGuess, reserveGuess, settleRefused, settleRight, verifyGuess } from '../lockout/attempts.ts'
import type { Proof } from '../proofs/messages.ts'
import { changeWithProof } from '../proofs/proof.ts'
import type { ProofServices } from '../proofs/proof.ts'
import { completeSignUp, signUpToken } from '../sign-up/sign-up.ts'

const query = tables('system', 'users', 'live_users')

/** Is sent to the new address; the details store the address that it replaces. */
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
export const emailChanged = changeKind(
  'email-changed',
  {
    words: {
      en: 'The email address of your account was changed.',
      de: 'Die E-Mail-Adresse Ihres Kontos wurde geändert.',
    },
    undo: async (transaction, { user_id, trace: { former }, changed_at }, { declared }) => {
      if (former === undefined) return
      await transaction.run(restoreEmail(user_id, former))
      // What was mailed to the address that goes is good no more.
      await transaction.run(revokeTokens(user_id, kindsThatEndWith(declared.tokens, 'address')))
      await transaction.run(reissueTokens(declared.tokens, user_id))
      await transaction.run(readdressChanges(user_id, former.email, changed_at))
    },
  },
  { toFormerAddress: true },
)
/** A wrong password in the verification of an address. */
export const verificationFailed = eventKind('verification-failed')

type VerificationServices = Parameters<typeof completeSignUp>[1] & Pick<Services, 'declared' | 'lockout'>

/** What comes with the token, because an existing account may not belong to the reader of the mailbox. */
export interface VerificationGiven {
  password?: string | undefined
  /** The secret of the browser that uses the token. */
  browser?: string | undefined
  /** The session of the request. `check` fails unless it is live. */
  session?: { user_id: string; check: () => Promise<unknown> } | undefined
}

/** The result of verifying an address. */
export const Verification = Type.Object(
  { status: OneOf(['email-verified', 'signed-up', 'email-changed']), email: Email },
  { title: 'EmailVerified' },
)
export type Verification = Static<typeof Verification>

interface Handler {
  purpose: string
  verify: (
    visitor: SystemRunner,
    services: VerificationServices,
    token: string,
    given: VerificationGiven,
  ) => Promise<Verification>
}

/** The handler of one kind of token. `complete` spends the token and returns the address. */
const handlerOf = <Details extends TSchema>(
  kind: TokenKind<Details>,
  status: Verification['status'],
  complete: (
    visitor: SystemRunner,
    services: VerificationServices,
    token: OpenToken<Static<Details>>,
    given: VerificationGiven,
  ) => Promise<string>,
): Handler => ({
  purpose: kind.purpose,
  verify: async (visitor, services, token, given) => {
    const presented = await presentedToken(visitor, services.keys.oneTime, kind, token)
    return { status, email: await complete(visitor, services, presented, given) }
  },
})

/**
 * Spends the token of any email that verifies an address; creates no session.
 * @throws Problem invalid-token, invalid-credentials, weak-password at `/password`; invalid-fields where that is missing
 */
export async function verifyEmail(
  visitor: SystemRunner,
  services: VerificationServices,
  token: string,
  given: VerificationGiven,
): Promise<Verification> {
  const handler = handlers.find(({ purpose }) => openId(services.keys.oneTime, purpose, token) !== undefined)
  if (handler === undefined) throw new Problem('invalid-token')
  return handler.verify(visitor, services, token, given)
}

/**
 * Requests another address: an email to it confirms the change, and one to the current address gives notice. Whether it
 * has an account is looked up when the email is sent. An earlier request for a change is revoked.
 * @throws Problem invalid-fields when it is the user's address already, and what changeWithProof throws
 */
export const requestEmailChange = (
  visitor: SystemRunner,
  services: ProofServices,
  { user_id, session_id }: SessionRef,
  { new_email, proof, locale }: { new_email: string; proof: Proof | undefined; locale: Locale | undefined },
): Promise<void> =>
  changeWithProof(visitor, services, { user_id, session_id }, proof, async transaction => {
    const { email: old_email } = await transaction.run(
      get(query.selectFrom('live_users').select('email').where('id', '=', user_id)),
    )
    if (old_email === new_email.toLowerCase()) throw invalidField('/new_email', 'is already your address')
    await transaction.run(revokeTokens(user_id, [changeEmailToken]))
    const details = { old_email, ...(locale !== undefined && { locale }) }
    const token_id = await transaction.run(
      issueToken(changeEmailToken, { user_id, email: new_email, details, mailed: true }),
    )
    await transaction.run(recordEvent(emailChangeRequested, user_id, session_id, { token_id }))
  })

/**
 * Gives the account the new address of the token. Its sessions continue, all other tokens sent to the former address
 * are revoked, and the user is notified there.
 * @returns the address @throws Problem invalid-token, also when the address has an account already
 */
const completeEmailChange = (
  visitor: SystemRunner,
  { keys, declared }: VerificationServices,
  token: OpenToken<Static<typeof changeEmailToken.details>>,
): Promise<string> =>
  redeemLink(visitor, changeEmailToken, token, async (transaction, { id: token_id, user_id, email, details }) => {
    const { old_email } = details
    if ((await transaction.run(findRetiredNames(keys.oneTime, { email }))).email) throw new Problem('invalid-token')
    const { email_verified_at } = await transaction.run(findVerification(user_id))
    const user = await transaction.run(replaceEmail(user_id, old_email, email ?? ''))
    if (user === undefined || email === null) throw new Problem('invalid-token')
    const kinds = kindsThatEndWith(declared.tokens, 'address')
    await transaction.run(revokeTokens(user.id, kinds))
    await transaction.run(revokeMailedTokens(old_email, kinds))
    const trace = { former: { email: old_email, email_verified_at } }
    const change = { user_id: user.id, session_id: null, trace, details: { token_id } }
    await transaction.run(recordChange(declared, emailChanged, change))
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
    { users_email_key: 'invalid-token', users_email_held: 'invalid-token' },
  )

const findVerification = (user_id: string | null) =>
  get(query.selectFrom('live_users').select('email_verified_at').where('id', '=', user_id))

/** @throws Problem email-taken when another account has it now */
const restoreEmail = (user_id: string, { email, email_verified_at }: NonNullable<Trace['former']>) =>
  execute(query.updateTable('users').set({ email, email_verified_at }).where('id', '=', user_id), {
    users_email_key: 'email-taken',
    users_email_held: 'email-taken',
  })

/**
 * Verifies the address of an account that has it already. One that has a password may have been made by someone else before the
 * owner of the address came: it takes that password again, or a session of that account.
 */
async function verifyAccount(
  visitor: SystemRunner,
  services: VerificationServices,
  token: OpenToken<unknown>,
  { password, session }: VerificationGiven,
): Promise<string> {
  const { user_id } = token
  if (user_id === null) throw new Problem('invalid-token')
  if (session?.user_id === user_id && password === undefined) {
    await session.check()
    return confirmEmail(visitor, token, async () => {})
  }
  if (password === undefined)
    return confirmEmail(visitor, token, async transaction => {
      if (await transaction.run(hasPassword(user_id)))
        throw invalidField(
          '/password',
          'is required: the password of the account, unless a session of it is sent along',
        )
    })
  const guess = await reserveGuess(visitor, services, {
    ...passwordGuess,
    who: { user_id },
    failed: verificationFailed,
  })
  const account = await verifyGuess(visitor, guess, async found => {
    const isRight = await services.passwords.verify(found?.secret, password)
    return isRight || (found !== undefined && found.secret === null)
  })
  if (account === undefined) throw new Problem('invalid-credentials')
  try {
    return await confirmEmail(visitor, token, async transaction => {
      await transaction.run(requireHash(user_id, account.secret))
      await transaction.run(settleRight(guess))
    })
  } catch (error) {
    await settleRefused(visitor, guess, error, true)
    throw error
  }
}

const hasPassword = (user_id: string) =>
  statement(
    query.selectFrom('live_users').select('id').where('id', '=', user_id).where('password_hash', 'is not', null),
    rows => rows.length > 0,
  )

/** Whether the page of the link must ask for the password of the account. */
export const asksForPassword = async (visitor: SystemRunner, { user_id }: OpenToken<unknown>): Promise<boolean> =>
  user_id !== null && (await runForLink(visitor, hasPassword(user_id)))

/** Requires that the password has not changed since it was verified. @throws Problem invalid-credentials (when read) */
const requireHash = (user_id: string, password_hash: string | null) =>
  statement(
    query
      .selectFrom('live_users')
      .select('id')
      .where('id', '=', user_id)
      .where('password_hash', 'is not distinct from', password_hash),
    rows => {
      if (rows.length === 0) throw new Problem('invalid-credentials')
    },
  )

/** The handlers of all tokens whose email verifies an address. */
const handlers: readonly Handler[] = [
  handlerOf(verifyEmailToken, 'email-verified', verifyAccount),
  handlerOf(signUpToken, 'signed-up', completeSignUp),
  handlerOf(changeEmailToken, 'email-changed', completeEmailChange),
]
