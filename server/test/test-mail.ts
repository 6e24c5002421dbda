import type pg from 'pg'
import { composeMail, withTemplates } from '../src/directory/notifications/compose.ts'
import { systemFor } from '../src/platform/database/runners.ts'
import type { Database } from '../src/platform/database/database.ts'
import type { Message } from '../src/platform/mail/render.ts'
import type { Services } from '../src/platform/services.ts'

interface TestMail extends Message {
  /** Where its button leads, and the one-time token in that link; empty if there is none. */
  link: string
  token: string
}

export type MailTo = (email: string) => Promise<TestMail[]>

/** Runs the pending jobs for an address as the worker would, and returns the emails to it, newest last. */
export function createMailTo(services: Services, database: Database, admin: pg.Pool): MailTo {
  const complete = withTemplates(services)
  const system = systemFor(database, 'mail')
  return async email => {
    const { rows: jobs } = await admin.query<{ id: string; data: Record<string, string> }>(
      `select j.id, j.data from freehold_jobs.job j
        left join one_time_tokens t on t.id = (j.data ->> 'token_id')::uuid
        left join security_events e on e.id = (j.data ->> 'event_id')::uuid
        left join one_time_tokens change on change.id = (e.details ->> 'token_id')::uuid
        left join users u on u.id = coalesce(t.user_id, e.user_id)
      where j.name = 'mail' and j.state = 'created' and $1 in (u.email, t.email, change.details ->> 'old_email')
      order by coalesce(t.id, e.id)`,
      [email.toLowerCase()],
    )
    const mails: TestMail[] = []
    for (const { id, data } of jobs) {
      const message = await composeMail(system, complete, data)
      if (message !== undefined && message.to !== email.toLowerCase()) continue
      await admin.query(`update freehold_jobs.job set state = 'completed', completed_on = now() where id = $1`, [id])
      if (message === undefined) continue
      const link = /^https?:\S+$/m.exec(message.text)?.[0] ?? ''
      mails.push({ ...message, link, token: /[?&]token=([\w-]+)/.exec(link)?.[1] ?? '' })
    }
    return mails
  }
}
