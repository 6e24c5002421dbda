import { eventValues, isLive } from '../../platform/mail/mails.ts'
import type { MailDeclaration, TokenMail } from '../../platform/mail/mails.ts'

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: {
    'sign-in-locked': ['link', 'expires', 'known_device'],
    'second-factor-locked': eventValues,
  },
}

const unlock: TokenMail = async ({ token, user, values, link }) => {
  if (!isLive(user)) return undefined
  const known_device = token.details['counter'] === 'device'
  return { name: 'sign-in-locked', to: user.email, person: user, values: { ...values, known_device, link } }
}

export const tokenMails = { unlock }
