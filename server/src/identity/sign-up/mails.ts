import type { Static } from 'typebox'
import { findRetiredNames } from '../../directory/users/users.ts'
import type { Addressee, Draft, MailDeclaration, TokenMail, TokenMailContext } from '../../platform/mail/mails.ts'
import type { signUpToken } from './sign-up.ts'

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: {
    'sign-up': ['link', 'expires', 'provider'],
    'account-exists': ['link', 'change', 'deleted', 'provider'],
    'address-retired': [],
  },
}

const signUp: TokenMail = async context => {
  const { token, user, values, link } = context
  if (token.email === null) return undefined
  const { identity } = token.details as Static<typeof signUpToken.details>
  const provider = identity?.provider
  const taken = await draftOfTakenAddress(context, token.email, user, { change: false, provider })
  return taken ?? { name: 'sign-up', to: token.email, values: { ...values, link, provider } }
}

/**
 * The email to an address that cannot be used, because an account has it or an erased account had it; it says so and
 * has no token. `change`: it was requested as the new address of another account; `provider`: someone came from there.
 * Undefined: the address can be used.
 */
export async function draftOfTakenAddress(
  { run, key, resetLink, values }: TokenMailContext,
  email: string,
  holder: Addressee | undefined,
  { change, provider }: { change: boolean; provider?: string | undefined },
): Promise<Draft | undefined> {
  if (holder !== undefined)
    return {
      name: 'account-exists',
      to: holder.email,
      person: holder,
      values: { link: resetLink, change, deleted: holder.deleted_at !== null, provider },
    }
  const retired = await run(findRetiredNames(key, { email }))
  return retired.email ? { name: 'address-retired', to: email, values } : undefined
}

export const tokenMails = { 'sign-up': signUp }
