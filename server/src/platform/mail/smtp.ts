import type { Transporter } from 'nodemailer'
import { isLoopback } from '../../config/kinds.ts'
import type { Message } from './render.ts'
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
  return {
    kind: 'smtp',
    send: async (message, id) => {
      // Loaded when first needed, because it is large and some processes never send an email.
      const opened = await (transport ??= import('nodemailer').then(mailer => mailer.createTransport(options)))
      const fault = await opened.sendMail(enclose(message, id)).then(() => undefined, explain)
      if (fault !== undefined) throw new Error(`the mail server ${host} did not accept an email: ${fault}`)
    },
    close: () => void transport?.then(opened => opened.close()),
  }
}

/** The server's reply without email addresses, because the log must not contain personal data. */
function explain(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string }
  return `${code ?? 'unknown'}: ${message}`.replaceAll(/[^\s<>:;,"']+@[^\s<>:;,"']+/g, '…').slice(0, 300)
}
