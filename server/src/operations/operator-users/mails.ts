import { eventKind } from '../../platform/mail/mails.ts'
import type { MailDeclaration } from '../../platform/mail/mails.ts'

export const accountDisabled = eventKind('account-disabled', { mailed: true })
export const accountEnabled = eventKind('account-enabled')
export const superuserGranted = eventKind('superuser-granted', { mailed: true })
export const superuserRevoked = eventKind('superuser-revoked', { mailed: true })
export const passwordRequired = eventKind('password-change-required', { mailed: true })

/** Recorded for each owner of the organization and emailed by tell_owners(), which a trigger calls (operator-users.sql). */
export const invitedByOperator = eventKind('invited-by-operator', { mailed: true })

// The address and the device of such an event are the operator's, so no template shows them.
export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: {
    'account-disabled': ['when'],
    'superuser-granted': ['when', 'link'],
    'superuser-revoked': ['when'],
    'password-change-required': ['when', 'link'],
    'invited-by-operator': ['when', 'organization'],
  },
}
