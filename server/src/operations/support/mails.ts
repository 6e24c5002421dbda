import { eventKind } from '../../platform/mail/mails.ts'
import type { MailDeclaration } from '../../platform/mail/mails.ts'

/** Recorded for each owner and emailed by tell_owners(), which the trigger `told` calls (support.sql). */
export const supportEvents = [
  'support-requested',
  'support-opened',
  'support-opened-in-emergency',
  'support-ended',
].map(type => eventKind(type, { mailed: true }))

const values = ['when', 'organization', 'reason', 'opens', 'expires']

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: Object.fromEntries(supportEvents.map(({ type }) => [type, values])),
}
