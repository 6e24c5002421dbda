import type { Database } from '../database/database.ts'
import type { Locale } from '../locales.ts'
import { sealToken } from '../tokens/one-time-tokens.ts'
import { asName } from './drafts.ts'
import { draftOfEvent } from './event-drafts.ts'
import { isLocale } from './mails.ts'
import { renderMail } from './render.ts'
import type { Message } from './render.ts'
import type { Templates } from './templates.ts'
import { draftOfToken } from './token-drafts.ts'
import type { Links } from './token-drafts.ts'

export interface ComposeOptions {
  templates: Templates
  /** Seals one-time tokens. */
  tokenKey: Buffer
  appName: string
  /** Where people find the product. */
  home: string
  /** Where links lead, without a trailing slash. Configured, never taken from a request. */
  pagesUrl: string
  defaultLocale: Locale
}

/**
 * The mail of a job, `{token_id}` or `{event_id}`, decided now and not when it was asked for. Undefined: nothing is to be
 * sent. The same job gives the same mail again.
 */
export async function composeMail(
  database: Database,
  { templates, tokenKey, appName, home, pagesUrl, defaultLocale }: ComposeOptions,
  { token_id, event_id }: Readonly<Record<string, string>>,
): Promise<Message | undefined> {
  const links: Links = {
    key: tokenKey,
    of: (purpose, id) => `${pagesUrl}/${purpose}?token=${sealToken(tokenKey, purpose, id)}`,
    reset: `${pagesUrl}/reset-password`,
  }
  const draft =
    token_id === undefined
      ? event_id && (await draftOfEvent(database, links.reset, event_id))
      : await draftOfToken(database, links, token_id)
  if (!draft) return undefined
  const { name, to, person } = draft
  const locale = [person?.locale, draft.locale].find(isLocale) ?? defaultLocale
  // Only where the address is known to be the person's: a stranger's would be greeted with whatever somebody typed.
  const called = person?.email_verified && person.email === to ? (person.given_name ?? person.full_name) : null
  return renderMail(templates, {
    locale,
    name,
    to,
    values: {
      app: appName,
      home,
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

const formats: Record<Locale, { format: Intl.DateTimeFormat; suffix: string }> = {
  en: { format: formatOf('en-GB'), suffix: ' UTC' },
  de: { format: formatOf('de-DE'), suffix: ' Uhr (UTC)' },
}

function formatOf(language: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat(language, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' })
}

const timeIn = (locale: Locale, time: Date): string => `${formats[locale].format.format(time)}${formats[locale].suffix}`
