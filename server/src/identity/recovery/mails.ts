import { changeValues } from '../changes/changes.ts'
import { eventValues, isLive } from '../../platform/mail/mails.ts'
import type { MailDeclaration, TokenMail } from '../../platform/mail/mails.ts'

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: {
    'reset-password': ['link', 'expires', 'when'],
    'password-changed': changeValues,
    'password-reset': eventValues,
  },
}

const resetPassword: TokenMail = async ({ user, values, link }) =>
  isLive(user)
    ? { name: 'reset-password', to: user.email, person: user, owner_id: user.id, values: { ...values, link } }
    : undefined

export const tokenMails = { 'reset-password': resetPassword }
