import { eventKind } from '../../platform/mail/mails.ts'
import type { MailDeclaration } from '../../platform/mail/mails.ts'

/** Recorded and emailed to each owner by the trigger `told` (support.sql). */
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
