import type { JobHandler, JobTools } from '../../platform/jobs/jobs.ts'
import { noteFailure } from '../../platform/observation/failures.ts'
import { MailRefused } from '../../platform/mail/refusal.ts'
import { createMailer } from '../../platform/mail/transport.ts'
import { composeMail, withTemplates } from './compose.ts'

/**
 * Runs the jobs of the queue `mail`: composes and sends each email. A job that throws is retried. Undefined if this
 * process cannot send email: the jobs wait for one that can. @throws Error with every fault of MAIL_TEMPLATES
 */
export function mailHandler({ system, services, defer }: JobTools): JobHandler | undefined {
  const { config, log } = services
  const mailer = createMailer(config)
  if (mailer === undefined) return undefined
  defer(() => mailer.close())
  if (mailer.kind === 'outbox') log.info(`email is only shown at ${config.publicUrl}/dev/mail`)
  const complete = withTemplates(services)
  return async (data, id) => {
    const message = await composeMail(system, complete, data)
    if (message === undefined) return
    await mailer.send(message, id).catch((error: unknown) => {
      if (!(error instanceof MailRefused)) throw error
      noteFailure(log, 'an email was refused for good and is not sent again', error, { job: id })
    })
  }
}
