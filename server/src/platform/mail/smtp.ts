import { createTransport } from 'nodemailer'
import { isLoopback } from '../../config/kinds.ts'
import type { Message } from './render.ts'
import type { Envelope, Mailer } from './transport.ts'

/** Mail by a server: a connection a mail, TLS with a valid certificate unless the server is this machine. */
export function createSmtp(url: URL, enclose: (message: Message, id: string) => Envelope, patience: number): Mailer {
  const secure = url.protocol === 'smtps:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const transport = createTransport({
    host,
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    requireTLS: !isLoopback(url.hostname),
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2' },
    ...(url.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
    dnsTimeout: patience,
    connectionTimeout: patience,
    socketTimeout: patience,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    kind: 'smtp',
    send: async (message, id) => {
      const fault = await transport.sendMail(enclose(message, id)).then(() => undefined, explain)
      if (fault !== undefined) throw new Error(`the mail server ${host} did not take a mail: ${fault}`)
    },
    close: () => transport.close(),
  }
}

/** What the server said, without the addresses that it likes to repeat: the log holds no personal values. */
function explain(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string }
  return `${code ?? 'unknown'}: ${message}`.replaceAll(/[^\s<>:;,"']+@[^\s<>:;,"']+/g, '…').slice(0, 300)
}
