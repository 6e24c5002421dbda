import { eventValues } from '../../platform/mail/mails.ts'
import type { MailDeclaration } from '../../platform/mail/mails.ts'
import { changeValues } from '../changes/changes.ts'

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: { 'recovery-codes-made': changeValues, 'recovery-code-used': eventValues },
}
