import type { Config } from '../../config/config.ts'
import { createOutbox, usesOutbox } from './outbox.ts'
import type { Message } from './render.ts'
import { createResend } from './resend.ts'
import { createSmtp } from './smtp.ts'

/** What carries mail away. `kind` says how. */
export interface Mailer {
  readonly kind: 'resend' | 'smtp' | 'outbox'
  /** Sends it once for an id, as far as the other side can tell. @throws Error in words for an operator, naming no person */
  send(message: Message, id: string): Promise<void>
  close(): void
}

/** A mail with all that surrounds it, as nodemailer and Resend both take it. */
export interface Envelope extends Message {
  from: string
  headers: Readonly<Record<string, string>>
}

export interface MailerOptions {
  /** How long the other side may be silent. Milliseconds. */
  timeoutMs?: number
  /** For tests: where Resend is. */
  resendUrl?: string
}

/** The configured way to send. None is configured, outside development: undefined, and what is to be sent waits. */
export function createMailer(
  config: Pick<Config, 'environment' | 'mail' | 'appName' | 'dataDir'>,
  { timeoutMs = 20_000, resendUrl = 'https://api.resend.com' }: MailerOptions = {},
): Mailer | undefined {
  const { mail, appName, dataDir } = config
  const from = senderOf(mail.from ?? 'no-reply@localhost', appName)
  const domain = /@([^>]+)>$/.exec(from)?.[1]
  const enclose = (message: Message, id: string): Envelope => ({
    ...message,
    from,
    headers: {
      // The same at every attempt, so that a mail that arrives twice is seen to be one.
      'Message-ID': `<${id}@${domain}>`,
      // No holiday notices in return (RFC 3834, section 5).
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
    },
  })
  if (mail.resendApiKey !== undefined) return createResend(mail.resendApiKey, enclose, { timeoutMs, resendUrl })
  if (mail.smtpUrl !== undefined) return createSmtp(new URL(mail.smtpUrl), enclose, timeoutMs)
  return usesOutbox(config) ? createOutbox(dataDir, enclose) : undefined
}

/** `Name <address>`, where the name can be nothing but a name; without one it is the product's. */
function senderOf(sender: string, appName: string): string {
  const [, name, address] = /^(.*)<([^<>]+)>$/.exec(sender) ?? []
  const shown = (name?.trim() || appName).replaceAll(/["\\<>\p{Cc}]/gu, '')
  return `"${shown}" <${(address ?? sender).trim()}>`
}
