import type { SystemRunner } from '../../platform/database/database.ts'
import type { JobData } from '../../platform/jobs/jobs.ts'
import { timeIn } from '../../platform/locales.ts'
import { asName, isLocale } from '../../platform/mail/mails.ts'
import { renderMail } from '../../platform/mail/render.ts'
import type { Message } from '../../platform/mail/render.ts'
import { loadTemplates } from '../../platform/mail/templates.ts'
import type { Templates } from '../../platform/mail/templates.ts'
import type { Services } from '../../platform/services.ts'
import { sealToken } from '../../platform/tokens/one-time-tokens.ts'
import { draftOfEvent } from './event-drafts.ts'
import { draftOfToken } from './token-drafts.ts'
import type { Links } from './token-drafts.ts'

/** The services that composing needs, with the templates of all emails. */
export interface ComposeServices extends Pick<Services, 'config' | 'declared' | 'keys'> {
  readonly templates: Templates
}

/** Loads the templates, which only processes that send email need. @throws Error with every fault of MAIL_TEMPLATES */
export const withTemplates = (services: Pick<Services, 'config' | 'declared' | 'keys'>): ComposeServices => ({
  ...services,
  templates: loadTemplates(services.declared, services.config.mail.templates),
})

/**
 * Composes the email of a job, `{token_id}` or `{event_id}`, from the data at the time of sending. Returns undefined
 * when no email is to be sent. The same job always gives the same email.
 */
export async function composeMail(
  system: SystemRunner,
  { config, declared, keys, templates }: ComposeServices,
  { token_id, event_id }: JobData,
): Promise<Message | undefined> {
  const links = linksOf(config.accountPagesUrl, keys.oneTime)
  // system: an email can be for any user, and its text depends on tokens, which only this login can read
  const draft = await system.transaction(async transaction => {
    if (token_id !== undefined) return draftOfToken({ transaction, declared, links }, token_id)
    return event_id === undefined ? undefined : draftOfEvent(transaction, declared, links, event_id)
  })
  if (draft === undefined) return undefined
  const { name, to, person } = draft
  const locale = [person?.locale, draft.locale].find(isLocale) ?? config.mail.defaultLocale
  // Only for a verified address: others would be greeted with any text that someone typed at sign-up.
  const called = person?.email_verified && person.email === to ? (person.given_name ?? person.full_name) : null
  return renderMail(templates, {
    locale,
    name,
    to,
    values: {
      app: config.appName,
      home: config.frontendUrl ?? config.publicUrl,
      name: called && asName(called),
      ...Object.fromEntries(
        Object.entries(draft.values).map(([key, value]) => [
          key,
          value instanceof Date ? timeIn(locale, value) : value,
        ]),
      ),
    },
  })
}

/** Links are below the configured URL, never one from a request. */
const linksOf = (pagesUrl: string, key: Buffer): Links => ({
  key,
  of: (purpose, id) => `${pagesUrl}/${purpose}?token=${sealToken(key, { purpose }, id)}`,
  reset: `${pagesUrl}/reset-password`,
})
