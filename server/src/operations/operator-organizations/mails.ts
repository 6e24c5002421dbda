import { eventKind } from '../../platform/mail/mails.ts'
import type { MailDeclaration } from '../../platform/mail/mails.ts'

/** Recorded for each owner and emailed by tell_owners(), which the trigger `suspension_told` calls (operator-organizations.sql). */
export const organizationSuspended = eventKind('organization-suspended', { mailed: true })
export const organizationReactivated = eventKind('organization-reactivated', { mailed: true })

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: {
    'organization-suspended': ['when', 'organization', 'reason'],
    'organization-reactivated': ['when', 'organization'],
  },
}
