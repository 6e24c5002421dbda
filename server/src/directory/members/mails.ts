import { eventKind } from '../../platform/mail/mails.ts'
import type { MailDeclaration } from '../../platform/mail/mails.ts'

/** Recorded and emailed by the trigger `restored` (members.sql), for every way to restore a membership. */
export const membershipRestored = eventKind('membership-restored', { mailed: true })

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: { 'membership-restored': ['when', 'organization', 'link'] },
}
