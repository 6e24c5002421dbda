import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Locale } from '../locales.ts'
import type { Notices } from './notice.ts'
import { problemWords, words } from './account-pages-words.ts'

/** Paths of programs. A path with a wire format of its own answers in that format, before this is asked. */
const API = /^\/api(?=[/?]|$)/

/**
 * Whether a refusal is shown as a page: a browser navigates to a path that is for people, or to one that does not exist.
 * Operations of the API are for programs, unless they are `browsed`; so is a client that also accepts JSON.
 */
export function isNavigation({ method, headers, originalUrl, routeOptions }: FastifyRequest): boolean {
  const { accept = '' } = headers
  if (method !== 'GET' || !/\btext\/html\b/i.test(accept) || /\/(?:[\w.-]+\+)?json\b/i.test(accept)) return false
  if (routeOptions.config.rules?.browsed === true) return true
  return routeOptions.schema?.operationId === undefined && !API.test(originalUrl)
}

/** Shows a problem as a page. Its code and the id of the request are there for the person who is asked for help. */
export function sendProblemPage(notices: Notices, reply: FastifyReply, status: number, code: string): FastifyReply {
  const locale = notices.localeOf(reply.request)
  const canRetry = status === 429 || status >= 500
  const next = canRetry ? { text: words[locale].retry, href: reply.request.originalUrl } : undefined
  return notices.say(reply, status, {
    ...wordsOf(status, locale),
    tone: 'bad',
    next,
    note: `${code} · ${reply.request.id}`,
  })
}

type Texts = Record<Locale, { title: string; text: string }>

const missing: Texts = {
  en: { title: 'There is nothing here', text: 'The address is mistyped, or the page no longer exists.' },
  de: { title: 'Hier ist nichts', text: 'Die Adresse ist falsch geschrieben, oder die Seite gibt es nicht mehr.' },
}
const unreadable: Texts = {
  en: {
    title: 'This link does not work',
    text: 'It is incomplete or was changed on the way. Open the original link again.',
  },
  de: {
    title: 'Dieser Link führt nicht weiter',
    text: 'Er ist unvollständig oder wurde unterwegs verändert. Öffnen Sie den ursprünglichen Link noch einmal.',
  },
}
const closed: Texts = {
  en: { title: 'Not for you', text: 'This page is only for people who have signed in and may see it.' },
  de: {
    title: 'Nicht zugänglich',
    text: 'Diese Seite ist nur für Personen, die angemeldet sind und sie sehen dürfen.',
  },
}
const away: Texts = {
  en: { title: 'Not now', text: 'The service is busy or unavailable for a moment. Please try again shortly.' },
  de: {
    title: 'Gerade nicht möglich',
    text: 'Der Dienst ist gerade überlastet oder nicht erreichbar. Bitte versuchen Sie es gleich noch einmal.',
  },
}
/** What a page of any path says; too many attempts and our own faults are said as in the account pages. */
function wordsOf(status: number, locale: Locale): Texts[Locale] {
  const known: Readonly<Record<number, Texts>> = { 401: closed, 403: closed, 404: missing, 503: away }
  const own = known[status] ?? (status < 500 && status !== 429 ? unreadable : undefined)
  return own?.[locale] ?? problemWords(status, locale)
}
