import { isLive } from '../../platform/mail/mails.ts'
import type { Draft, MailDeclaration, TokenMail, TokenMailContext } from '../../platform/mail/mails.ts'

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: { 'verify-email': ['link', 'expires'] },
}

const verifyEmail: TokenMail = async context => {
  const { token, user, values, link } = context
  if (user === undefined) return token.email === null ? undefined : repeatSignUp(context, token.email)
  if (!isLive(user) || user.email_verified || user.email !== (token.email ?? user.email)) return undefined
  return { name: 'verify-email', to: user.email, person: user, owner_id: user.id, values: { ...values, link } }
}

/** The email was requested again without an account: repeats that of the latest pending sign-up. */
async function repeatSignUp({ listTokens, decideFor }: TokenMailContext, email: string): Promise<Draft | undefined> {
  const [token] = await listTokens(email, 'sign-up')
  return token && decideFor(token, 'sign-up')
}

export const tokenMails = { 'verify-email': verifyEmail }
