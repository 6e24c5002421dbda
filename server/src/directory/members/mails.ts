import { eventKind } from '../../platform/mail/mails.ts'
import type { MailDeclaration } from '../../platform/mail/mails.ts'

/** Recorded and emailed by the trigger `restored` (members.sql), for every way to restore a membership. */
export const membershipRestored = eventKind('membership-restored', { mailed: true })

/** What owners do, and the other owners are told by the function tell_owners() (owners.sql); with the values of each email. */
const ofOwners = {
  'organization-transferred': ['actor', 'member', 'you'],
  'owner-added': ['actor', 'member'],
  'owner-demoted': ['actor', 'member', 'you'],
  'owner-disabled': ['actor', 'member', 'you'],
  'owner-removed': ['actor', 'member', 'you'],
  'organization-deleted': ['actor'],
  'second-factor-optional': ['actor'],
}
export const ownerEvents = Object.keys(ofOwners).map(type => eventKind(type, { mailed: true }))

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: {
    'membership-restored': ['when', 'organization', 'link'],
    ...Object.fromEntries(
      Object.entries(ofOwners).map(([name, values]) => [name, ['when', 'organization', ...values]]),
    ),
  },
}
