import { eventKind } from '../../platform/mail/mails.ts'
import type { MailDeclaration } from '../../platform/mail/mails.ts'

/** Written and mailed by the trigger `restored` (members.sql). */
export const membershipRestored = eventKind('membership-restored', { mailed: true })

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: { 'membership-restored': ['when', 'organization', 'link'] },
}
