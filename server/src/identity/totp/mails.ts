import type { MailDeclaration } from '../../platform/mail/mails.ts'
import { changeValues } from '../changes/changes.ts'

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: { 'totp-added': changeValues, 'totp-removed': changeValues },
}
