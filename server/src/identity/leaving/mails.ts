import type { MailDeclaration, TokenMail } from '../../platform/mail/mails.ts'

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: { 'account-deleted': ['link', 'expires', 'when'] },
}

const restoreAccount: TokenMail = async ({ user, values, link }) =>
  user === undefined || user.deleted_at === null || user.erased_at !== null
    ? undefined
    : { name: 'account-deleted', to: user.email, person: user, values: { ...values, link } }

export const tokenMails = { 'restore-account': restoreAccount }
