import { eventValues, isLive } from '../../platform/mail/mails.ts'
import type { MailDeclaration, TokenMail } from '../../platform/mail/mails.ts'
import { draftOfTakenAddress } from '../sign-up/mails.ts'

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: {
    'change-email': ['link', 'expires'],
    'email-change-requested': [...eventValues, 'new_email'],
    'email-changed': ['when', 'ip', 'device', 'new_email', 'undo', 'undo_expires'],
  },
}

const changeEmail: TokenMail = async context => {
  const { token, user, values, link, findUserByEmail } = context
  if (!isLive(user) || token.email === null || token.email === user.email) return undefined
  const holder = await findUserByEmail(token.email)
  const taken = await draftOfTakenAddress(context, token.email, holder, { change: true })
  return taken ?? { name: 'change-email', to: token.email, person: user, values: { ...values, link } }
}

export const tokenMails = { 'change-email': changeEmail }
