import { redact } from '../observation/redaction.ts'
import { send } from '../outbound/outbound.ts'
import type { Message } from './render.ts'
import { MailRefused } from './refusal.ts'
import type { Envelope, Mailer } from './transport.ts'

/** Sends emails through Resend's API: one request for each, with an idempotency key. */
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
        timeoutMs,
        to: 'operator',
      }).then(faultOf, (error: Error) => `no answer: ${error.message}`)
      if (fault === undefined) return
      const said = redact(`Resend did not accept an email: ${fault}`).slice(0, 300)
      throw isFinal(fault) ? new MailRefused(said) : new Error(said)
    },
    check: async () => {
      const fault = await send(`${resendUrl}/domains`, {
        method: 'GET',
        headers: { authorization: `Bearer ${key}` },
        timeoutMs,
        to: 'operator',
      }).then(faultOf, (error: Error) => `no answer: ${error.message}`)
      // A key that may only send may not list domains.
      if (fault !== undefined && !fault.startsWith('restricted_api_key'))
        throw new Error(`RESEND_API_KEY: Resend does not let this service send: ${fault.slice(0, 200)}`)
    },
    close: () => {},
  }
}

/** Whether it is the recipient's address that the API does not take; everything else is configuration, or passes. */
const isFinal = (fault: string): boolean => /^validation_error: .*`to`/s.test(fault)

/** The API's reason for not accepting the email. */
async function faultOf(answer: Response): Promise<string | undefined> {
  if (answer.ok) return undefined
  const text = await answer.text()
  const said = parse(text)
  // The key was used with another text (a name has changed, for example): that attempt has sent the email.
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
