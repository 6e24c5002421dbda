import type { Config } from '../../config/config.ts'
import { createOutbox, usesOutbox } from './outbox.ts'
import type { Message } from './render.ts'
import { createResend } from './resend.ts'
import { createSmtp } from './smtp.ts'

/** A way to send emails; `kind` names it. */
export interface Mailer {
  readonly kind: 'resend' | 'smtp' | 'outbox'
  /** Sends it once per id, if the server detects repetitions. @throws Error for an operator, without personal data */
  send(message: Message, id: string): Promise<void>
  /** Whether the server would take an email now, without sending one. @throws Error with what is wrong, and the variable */
  check(): Promise<void>
  close(): void
}

/** An email with its sender, recipient and header fields, in the format of both nodemailer and Resend. */
export interface Envelope extends Message {
  from: string
  headers: Readonly<Record<string, string>>
}

export interface MailerOptions {
  /** How long to wait for the server. Milliseconds. */
  timeoutMs?: number
  /** For tests: the URL of Resend. */
  resendUrl?: string
}

/** The configured way to send. Undefined if none is configured outside of development; the emails then wait. */
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
      // The same at every attempt, so that an email that arrives twice is recognized as one.
      'Message-ID': `<${id}@${domain}>`,
      // Prevents automatic replies (RFC 3834, section 5).
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
    },
  })
  if (mail.resendApiKey !== undefined) return createResend(mail.resendApiKey, enclose, { timeoutMs, resendUrl })
  if (mail.smtpUrl !== undefined) return createSmtp(new URL(mail.smtpUrl), enclose, timeoutMs)
  return usesOutbox(config) ? createOutbox(dataDir, enclose) : undefined
}

/** `Name <address>`, with a quoted name; without one, the product's name. */
function senderOf(sender: string, appName: string): string {
  const [, name, address] = /^(.*)<([^<>]+)>$/.exec(sender) ?? []
  const shown = (name?.trim() || appName).replaceAll(/["\\<>\p{Cc}]/gu, '')
  return `"${shown}" <${(address ?? sender).trim()}>`
}
