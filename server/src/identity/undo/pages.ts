import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-pages.ts'
import type { Services } from '../../platform/services.ts'
import { isChange, undoToken } from '../changes/changes.ts'
import { isProtected, listChanges, offerOf, undoChange } from './undo.ts'

/**
 * The page behind the link that undoes a change. It runs no script, so it takes a code or a recovery code; a passkey is given
 * by a front end, with `POST /api/v1/auth/undo`.
 */
export const undoPages = (services: Services) =>
  ({
    [undoToken.purpose]: {
      words,
      form: async (token, visitor, locale) => {
        const offer = await offerOf(visitor, services, token)
        return { notice: wordsOf(services, offer.kind.type, offer.changed_at, locale), asksCode: isProtected(offer) }
      },
      act: ({ token, code }, visitor) => undoChange(visitor, services, token, answerOf(code)),
    },
  }) satisfies Record<string, AccountPage>

/** After a reset: the links to the pages of the changes that can still be undone. */
export const offerChanges =
  (services: Pick<Services, 'declared' | 'keys'>): Services['offerAfterReset'] =>
  async (email, visitor, locale) => {
    const changes = await listChanges(visitor, services, email)
    if (changes.length === 0) return undefined
    const links = changes.map(({ change, changed_at, token }) => ({
      text: wordsOf(services, change, changed_at, locale),
      href: `${undoToken.purpose}?token=${token}`,
    }))
    return { text: lately[locale], links }
  }

/** Six digits are a code of an app, anything longer is a recovery code. */
function answerOf(code: string): { code: string } | { recovery_code: string } | undefined {
  const plain = code.trim()
  if (plain === '') return undefined
  return /^\d{3} ?\d{3}$/.test(plain) ? { code: plain } : { recovery_code: plain.slice(0, 64) }
}

function wordsOf({ declared }: Pick<Services, 'declared'>, type: string, changed_at: string, locale: Locale): string {
  const kind = declared.events.get(type)
  const format = new Intl.DateTimeFormat(locale === 'de' ? 'de-DE' : 'en-GB', {
    dateStyle: 'long',
    timeStyle: 'short',
    timeZone: 'UTC',
  })
  const what = isChange(kind) ? kind.change.words[locale] : type
  return `${what} (${format.format(new Date(changed_at))} UTC)`
}

const lately: Record<Locale, string> = {
  en: 'These changes of the last seven days can still be undone. If you did not make one of them, undo it.',
  de: 'Diese Änderungen der letzten sieben Tage lassen sich noch rückgängig machen. Haben Sie eine davon nicht selbst vorgenommen, machen Sie sie rückgängig.',
}

const words: Record<Locale, PageWords> = {
  en: {
    title: 'Undo a change',
    text: 'If it was not you, undo exactly this change. All your sessions end, and a password that was changed becomes void. Set a new password afterwards. If it was you, close this page.',
    button: 'Undo the change',
    done: 'The change is undone, and you are signed out everywhere. Set a new password now, and look through the other mails about changes.',
    refused: {
      'email-taken': 'Another account has this address by now. Write to those who run this service, from this address.',
      'totp-enrolled':
        'Another authenticator app was added after this change. Undo that first, with the mail about it.',
    },
  },
  de: {
    title: 'Eine Änderung rückgängig machen',
    text: 'Waren Sie es nicht, machen Sie genau diese Änderung rückgängig. Alle Ihre Sitzungen werden beendet, und ein geändertes Passwort wird ungültig. Legen Sie danach ein neues Passwort fest. Waren Sie es selbst, schließen Sie diese Seite.',
    button: 'Rückgängig machen',
    done: 'Die Änderung ist rückgängig gemacht, und Sie sind überall abgemeldet. Legen Sie jetzt ein neues Passwort fest und sehen Sie die anderen E-Mails über Änderungen durch.',
    refused: {
      'email-taken':
        'Diese Adresse gehört inzwischen zu einem anderen Konto. Schreiben Sie von ihr aus an die Betreiber dieses Dienstes.',
      'totp-enrolled':
        'Nach dieser Änderung wurde eine andere Authenticator-App hinzugefügt. Machen Sie zuerst das rückgängig, mit der E-Mail darüber.',
    },
  },
}
