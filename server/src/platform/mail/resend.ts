import type { Message } from './render.ts'
import type { Envelope, Mailer } from './transport.ts'

/** Mail by Resend. The library is loaded with the first mail. */
export function createResend(
  key: string,
  enclose: (message: Message, id: string) => Envelope,
  { patience, resendUrl }: { patience: number; resendUrl: string },
): Mailer {
  const loading = import('resend').then(({ Resend }) => new Resend(key, { baseUrl: resendUrl }))
  loading.catch(() => {})
  return {
    kind: 'resend',
    send: async (message, id) => {
      const resend = await loading
      const options = { idempotencyKey: id, signal: AbortSignal.timeout(patience) }
      const { error } = await resend.emails.send(enclose(message, id), options)
      // The key was used with other words, a name that has changed say: that attempt was the mail.
      if (error === null || error.name === 'invalid_idempotent_request') return
      throw new Error(
        `Resend did not take a mail: ${error.name}: ${error.message}`.replaceAll(/\S+@\S+/g, '…').slice(0, 300),
      )
    },
    close: () => {},
  }
}
