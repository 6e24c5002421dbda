import type { JobHandler, JobTools } from '../../platform/jobs/jobs.ts'
import { createMailer } from '../../platform/mail/transport.ts'
import { composeMail, withTemplates } from './compose.ts'

/**
 * Does the jobs of the queue `mail`: composes what is still to be sent, and sends it. What it throws is tried again.
 * Undefined where no mail can be sent: it waits for a process that can. @throws Error with every fault of MAIL_TEMPLATES
 */
export function mailHandler({ system, services, defer }: JobTools): JobHandler | undefined {
  const { config, log } = services
  const mailer = createMailer(config)
  if (mailer === undefined) return undefined
  defer(() => mailer.close())
  if (mailer.kind === 'outbox') log.info(`mail goes nowhere but to ${config.publicUrl}/dev/mail`)
  const complete = withTemplates(services)
  return async (data, id) => {
    const message = await composeMail(system, complete, data)
    if (message !== undefined) await mailer.send(message, id)
  }
}
