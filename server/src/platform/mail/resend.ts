import { send } from '../outbound/outbound.ts'
import type { Message } from './render.ts'
import type { Envelope, Mailer } from './transport.ts'

/** Mail by Resend's API: one request a mail, under the key by which a repetition is known. */
export function createResend(
  key: string,
  enclose: (message: Message, id: string) => Envelope,
  { timeoutMs, resendUrl }: { timeoutMs: number; resendUrl: string },
): Mailer {
  return {
    kind: 'resend',
    send: async (message, id) => {
      const fault = await send(`${resendUrl}/emails`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'idempotency-key': id },
        body: JSON.stringify(enclose(message, id)),
        timeoutMs: timeoutMs,
        to: 'operator',
      }).then(faultOf, (error: Error) => `no answer: ${error.message}`)
      if (fault === undefined) return
      throw new Error(`Resend did not take a mail: ${fault}`.replaceAll(/\S+@\S+/g, '…').slice(0, 300))
    },
    close: () => {},
  }
}

/** Why the mail was not taken, in words of the API. */
async function faultOf(answer: Response): Promise<string | undefined> {
  if (answer.ok) return undefined
  const text = await answer.text()
  const said = parse(text)
  // The key was used with other words, a name that has changed say: that attempt was the mail.
  if (said?.name === 'invalid_idempotent_request') return undefined
  return said === undefined ? `status ${answer.status}` : `${said.name}: ${said.message}`
}

function parse(text: string): { name: string; message: string } | undefined {
  try {
    const { name, message } = JSON.parse(text) as { name?: unknown; message?: unknown }
    return typeof name === 'string' ? { name, message: String(message) } : undefined
  } catch {
    return undefined
  }
}
