import { eventValues } from '../../platform/mail/mails.ts'
import type { MailDeclaration } from '../../platform/mail/mails.ts'

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: { 'change-undone': eventValues },
}
