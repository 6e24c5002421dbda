import type { FastifyReply, FastifyRequest } from 'fastify'
import { statusOf } from '../../platform/server/errors.ts'
import { noteFailure } from '../../platform/observation/failures.ts'
import type { Locale } from '../../platform/locales.ts'
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
  const { again, otherwise, texts } = words[locale]
  if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
  return notices.say(reply, statusOf(declared.problems, code), {
    ...(texts[code] ?? otherwise),
    tone: 'bad',
    next: retry === undefined ? undefined : { text: again, href: retry },
    note: `${code} · ${request.id}`,
  })
}

interface Said {
  title: string
  text: string
}

interface Words {
  again: string
  otherwise: Said
  /** By the problem's code. */
  texts: Readonly<Record<string, Said>>
}

const words: Record<Locale, Words> = {
  en: {
    again: 'Begin again',
    otherwise: {
      title: 'You are not signed in',
      text: 'The sign-in could not be finished. Please try again, or sign in another way.',
    },
    texts: {
      'invalid-token': {
        title: 'This sign-in is no longer open',
        text: 'It has expired, or it was finished before. Begin it again.',
      },
      'browser-unknown': {
        title: 'This sign-in belongs to another browser',
        text: 'It began in another browser, or this browser accepts no cookies. Begin it again here, with cookies allowed.',
      },
      'provider-refused': {
        title: 'The sign-in was cancelled',
        text: 'It was cancelled at the provider. Begin it again if you did not mean to.',
      },
      'provider-failed': {
        title: 'The provider does not answer',
        text: 'At least not as it should. Try again later, or sign in another way.',
      },
      'provider-email-missing': {
        title: 'Your email address is missing',
        text: 'The provider gave us none. Allow it there and begin again, or sign up another way.',
      },
      'link-required': {
        title: 'You already have an account',
        text: 'It has your email address. Sign in to it as usual, then link the provider in its settings.',
      },
      'account-closed': {
        title: 'This account is closed',
        text: 'It was deleted or disabled. If you deleted it, the email about that restores it.',
      },
      'email-unverified': {
        title: 'Check your email',
        text: 'We have sent you an email. Open its link in this browser, then sign in again.',
      },
      'mfa-required': {
        title: 'Your second factor is needed',
        text: 'Your account has a second factor. Sign in where you use it, and have your second factor at hand.',
      },
      'identity-taken': {
        title: 'Linked to another account',
        text: 'This account at the provider is linked to another account here. Sign in with that one, or unlink it there first.',
      },
      'database-unavailable': {
        title: 'Not now',
        text: 'The service is unavailable for a moment. Please try again shortly.',
      },
      busy: { title: 'Not now', text: 'The service is busy for a moment. Please try again shortly.' },
    },
  },
  de: {
    again: 'Neu beginnen',
    otherwise: {
      title: 'Sie sind nicht angemeldet',
      text: 'Die Anmeldung ließ sich nicht abschließen. Versuchen Sie es noch einmal, oder melden Sie sich anders an.',
    },
    texts: {
      'invalid-token': {
        title: 'Diese Anmeldung ist nicht mehr offen',
        text: 'Sie ist abgelaufen oder wurde schon abgeschlossen. Beginnen Sie sie neu.',
      },
      'browser-unknown': {
        title: 'Diese Anmeldung gehört zu einem anderen Browser',
        text: 'Sie begann in einem anderen Browser, oder dieser Browser nimmt keine Cookies an. Beginnen Sie sie hier neu, mit erlaubten Cookies.',
      },
      'provider-refused': {
        title: 'Die Anmeldung wurde abgebrochen',
        text: 'Sie wurde beim Anmeldedienst abgebrochen. War das nicht Ihre Absicht, beginnen Sie sie neu.',
      },
      'provider-failed': {
        title: 'Der Anmeldedienst antwortet nicht',
        text: 'Jedenfalls nicht, wie er soll. Versuchen Sie es später noch einmal, oder melden Sie sich anders an.',
      },
      'provider-email-missing': {
        title: 'Ihre E-Mail-Adresse fehlt',
        text: 'Der Anmeldedienst hat uns keine genannt. Erlauben Sie es dort und beginnen Sie neu, oder registrieren Sie sich anders.',
      },
      'link-required': {
        title: 'Sie haben schon ein Konto',
        text: 'Es hat Ihre E-Mail-Adresse. Melden Sie sich dort wie gewohnt an und verknüpfen Sie den Anmeldedienst in den Einstellungen.',
      },
      'account-closed': {
        title: 'Dieses Konto ist geschlossen',
        text: 'Es wurde gelöscht oder gesperrt. Haben Sie es selbst gelöscht, stellt die E-Mail darüber es wieder her.',
      },
      'email-unverified': {
        title: 'Sehen Sie in Ihr Postfach',
        text: 'Wir haben Ihnen eine E-Mail gesendet. Öffnen Sie ihren Link in diesem Browser und melden Sie sich dann noch einmal an.',
      },
      'mfa-required': {
        title: 'Ihr zweiter Faktor fehlt noch',
        text: 'Ihr Konto hat einen zweiten Faktor. Melden Sie sich dort an, wo Sie es benutzen, und halten Sie ihn bereit.',
      },
      'identity-taken': {
        title: 'Mit einem anderen Konto verknüpft',
        text: 'Dieses Konto beim Anmeldedienst ist hier mit einem anderen Konto verknüpft. Melden Sie sich mit jenem an, oder lösen Sie die Verknüpfung dort.',
      },
      'database-unavailable': {
        title: 'Gerade nicht möglich',
        text: 'Der Dienst ist gerade nicht erreichbar. Bitte versuchen Sie es gleich noch einmal.',
      },
      busy: {
        title: 'Gerade nicht möglich',
        text: 'Der Dienst ist gerade überlastet. Bitte versuchen Sie es gleich noch einmal.',
      },
    },
  },
}
