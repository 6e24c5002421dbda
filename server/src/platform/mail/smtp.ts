import type { Transporter } from 'nodemailer'
import { isLoopback } from '../../config/kinds.ts'
import type { Message } from './render.ts'
import type { Envelope, Mailer } from './transport.ts'

/** Mail by a server: a connection a mail, TLS with a valid certificate unless the server is this machine. */
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
      // Not at the start: it is large, and most processes have sent nothing yet.
      const opened = await (transport ??= import('nodemailer').then(mailer => mailer.createTransport(options)))
      const fault = await opened.sendMail(enclose(message, id)).then(() => undefined, explain)
      if (fault !== undefined) throw new Error(`the mail server ${host} did not take a mail: ${fault}`)
    },
    close: () => void transport?.then(opened => opened.close()),
  }
}

/** What the server said, without the addresses that it likes to repeat: the log holds no personal values. */
function explain(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string }
  return `${code ?? 'unknown'}: ${message}`.replaceAll(/[^\s<>:;,"']+@[^\s<>:;,"']+/g, '…').slice(0, 300)
}
