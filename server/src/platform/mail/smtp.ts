import type { Transporter } from 'nodemailer'
import { isLoopback } from '../../config/kinds.ts'
import { redact } from '../observation/redaction.ts'
import type { Message } from './render.ts'
import { MailRefused } from './refusal.ts'
import type { Envelope, Mailer } from './transport.ts'

/** Sends emails through a server: one connection for each; TLS with a valid certificate unless it is this machine. */
export function createSmtp(url: URL, enclose: (message: Message, id: string) => Envelope, timeoutMs: number): Mailer {
  const secure = url.protocol === 'smtps:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const options = {
    host,
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    requireTLS: !isLoopback(url.hostname),
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2' as const },
    ...(url.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
    dnsTimeout: timeoutMs,
    connectionTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  }
  let transport: Promise<Transporter> | undefined
  // Loaded when first needed, because it is large and some processes never send an email.
  const open = () => (transport ??= import('nodemailer').then(mailer => mailer.createTransport(options)))
  return {
    kind: 'smtp',
    send: async (message, id) => {
      const opened = await open()
      await opened.sendMail(enclose(message, id)).catch((error: SmtpError) => {
        const said = `the mail server ${host} did not accept an email: ${explain(error)}`
        throw isFinal(error) ? new MailRefused(said) : new Error(said)
      })
    },
    check: async () => {
      const opened = await open()
      await opened.verify().catch((error: SmtpError) => {
        throw new Error(`SMTP_URL: the mail server ${host} does not let this service send: ${explain(error)}`)
      })
    },
    close: () => void transport?.then(opened => opened.close()),
  }
}

/** What the client library adds to an error. */
interface SmtpError extends Error {
  code?: string
  /** The command that the server answered, and the status of its answer. */
  command?: string
  responseCode?: number
  response?: string
}

/**
 * Whether the server refuses this email whenever it is sent (RFC 5321, section 4.2.1): a permanent answer to its recipient
 * or its content. Refusing the sender, the login or the relaying (RFC 3463: X.7.X) is a matter of configuration, and a full
 * mailbox (X.2.2) one of time.
 */
const isFinal = ({ command, responseCode = 0, response = '' }: SmtpError): boolean =>
  responseCode >= 500 &&
  responseCode < 600 &&
  (command === 'RCPT TO' || command === 'DATA') &&
  !/^\d{3}[ -]5\.(7\.|2\.2)/.test(response) &&
  !(responseCode === 552 && command === 'RCPT TO')

/** The server's reply without email addresses, because the log must not contain personal data. */
function explain({ message, code }: SmtpError): string {
  return redact(`${code ?? 'unknown'}: ${message}`).slice(0, 300)
}
