import type { FastifyReply, FastifyRequest } from 'fastify'
import { statusOf } from '../../platform/server/errors.ts'
import { noteFailure } from '../../platform/failures.ts'
import type { Locale } from '../../platform/locales.ts'
import { html } from '../../platform/pages/html.ts'
import type { Notices } from '../../platform/pages/notice.ts'
import { isNavigation } from '../../platform/pages/problem-page.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { recordRefusal } from '../../platform/server/logging.ts'
import { addParameter } from './flows.ts'

/** Where the browser goes on after a flow has failed. */
interface WayOn {
  /** The front end's address, which gets the code of the problem as `error`. */
  redirect_to?: string | undefined
  /** Where the flow can be begun again. */
  retry?: string | undefined
}

/**
 * Ends a flow that has failed: at the front end, with `error`; else in a page, if a browser asks.
 * @throws Problem the given one, for a program
 */
export function endFailedFlow(
  request: FastifyRequest,
  reply: FastifyReply,
  { log, declared }: Pick<Services, 'log' | 'declared'>,
  notices: Notices,
  error: unknown,
  { redirect_to, retry }: WayOn,
): FastifyReply {
  if (!(error instanceof Problem)) throw error
  const { code, cause } = error
  const isPage = isNavigation(request)
  if (redirect_to === undefined && !isPage) throw error
  if (cause !== undefined) noteFailure(log, code, cause)
  recordRefusal(request, code)
  if (redirect_to !== undefined) return reply.redirect(addParameter(redirect_to, 'error', code))
  const locale = notices.localeOf(request)
  const { title, text, again } = wordsOf(code, locale)
  if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
  return notices.say(
    reply,
    statusOf(declared.problems, code),
    title,
    text,
    html`${retry !== undefined && html`<p><a class="button" href="${retry}">${again}</a></p>`}
      <p class="dim">${code} · ${request.id}</p>`,
  )
}

const wordsOf = (code: string, locale: Locale): { title: string; text: string; again: string } => {
  const { title, again, otherwise, texts } = words[locale]
  return { title, again, text: texts[code] ?? otherwise }
}

interface Words {
  title: string
  again: string
  otherwise: string
  /** By the problem's code. */
  texts: Readonly<Record<string, string>>
}

const words: Record<Locale, Words> = {
  en: {
    title: 'You are not signed in',
    again: 'Begin again',
    otherwise: 'The sign-in could not be finished. Please try again, or sign in another way.',
    texts: {
      'invalid-token': 'This sign-in has expired or was finished before. Begin it again.',
      'browser-unknown':
        'This sign-in began in another browser, or this browser accepts no cookies. Begin it again here, with cookies allowed.',
      'provider-refused': 'The sign-in was cancelled at the provider. Begin it again if you did not mean to.',
      'provider-failed': 'The provider does not answer as it should. Try again later, or sign in another way.',
      'provider-email-missing':
        'The provider gave us no email address. Allow it there and begin again, or sign up another way.',
      'link-required':
        'An account has your email address already. Sign in to it as usual, then link the provider in its settings.',
      'account-closed':
        'The account of this sign-in was deleted or disabled. If you deleted it, the email about that restores it.',
      'email-unverified': 'We have sent you an email. Open its link in this browser, then sign in again.',
      'mfa-required':
        'Your account has a second factor. Sign in where you use it, and have your second factor at hand.',
      'identity-taken': 'This account at the provider is linked to another account here.',
      'database-unavailable': 'The service is unavailable for a moment. Please try again shortly.',
      busy: 'The service is busy for a moment. Please try again shortly.',
    },
  },
  de: {
    title: 'Sie sind nicht angemeldet',
    again: 'Neu beginnen',
    otherwise:
      'Die Anmeldung ließ sich nicht abschließen. Versuchen Sie es noch einmal, oder melden Sie sich anders an.',
    texts: {
      'invalid-token': 'Diese Anmeldung ist abgelaufen oder wurde schon abgeschlossen. Beginnen Sie sie neu.',
      'browser-unknown':
        'Diese Anmeldung begann in einem anderen Browser, oder dieser Browser nimmt keine Cookies an. Beginnen Sie sie hier neu, mit erlaubten Cookies.',
      'provider-refused':
        'Die Anmeldung wurde beim Anmeldedienst abgebrochen. War das nicht Ihre Absicht, beginnen Sie sie neu.',
      'provider-failed':
        'Der Anmeldedienst antwortet nicht, wie er soll. Versuchen Sie es später noch einmal, oder melden Sie sich anders an.',
      'provider-email-missing':
        'Der Anmeldedienst hat uns keine E-Mail-Adresse genannt. Erlauben Sie es dort und beginnen Sie neu, oder registrieren Sie sich anders.',
      'link-required':
        'Ein Konto hat Ihre E-Mail-Adresse schon. Melden Sie sich dort wie gewohnt an und verknüpfen Sie den Anmeldedienst in den Einstellungen.',
      'account-closed':
        'Das Konto zu dieser Anmeldung wurde gelöscht oder gesperrt. Haben Sie es selbst gelöscht, stellt die E-Mail darüber es wieder her.',
      'email-unverified':
        'Wir haben Ihnen eine E-Mail gesendet. Öffnen Sie ihren Link in diesem Browser und melden Sie sich dann noch einmal an.',
      'mfa-required':
        'Ihr Konto hat einen zweiten Faktor. Melden Sie sich dort an, wo Sie es benutzen, und halten Sie ihn bereit.',
      'identity-taken': 'Dieses Konto beim Anmeldedienst ist hier mit einem anderen Konto verknüpft.',
      'database-unavailable': 'Der Dienst ist gerade nicht erreichbar. Bitte versuchen Sie es gleich noch einmal.',
      busy: 'Der Dienst ist gerade überlastet. Bitte versuchen Sie es gleich noch einmal.',
    },
  },
}
