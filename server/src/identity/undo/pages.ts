import { timeIn } from '../../platform/locales.ts'
import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-page.ts'
import type { Services } from '../../platform/services.ts'
import { matches } from '../../platform/validator.ts'
import { Problem } from '../../platform/problems.ts'
import { Code, PasskeyAnswer } from '../proofs/messages.ts'
import { isChange, undoToken } from '../changes/changes.ts'
import { acceptsPasskey, isProtected, listChanges, offerOf, undoChange } from './undo.ts'

/**
 * The page of the link that undoes a change. It accepts a code or a recovery code and, if the passkeys belong to its
 * domain, a passkey; otherwise a front end calls `POST /api/v1/auth/undo` for that.
 */
export const undoPages = (services: Services) =>
  ({
    [undoToken.purpose]: {
      words,
      form: async (token, visitor, locale) => {
        const offer = await offerOf(visitor, services, token)
        const notice = wordsOf(services, offer.kind.type, offer.changed_at, locale)
        const passkeyOptions =
          isOfParty(services) && (await acceptsPasskey(visitor, offer))
            ? '/api/v1/auth/undo/passkey-options'
            : undefined
        return { notice, asks: isProtected(offer) ? (['code'] as const) : [], passkeyOptions }
      },
      act: ({ token, code, passkey }, visitor) =>
        undoChange(visitor, services, token, passkey === '' ? answerOf(code) : { passkey: readPasskey(passkey) }),
    },
  }) satisfies Record<string, AccountPage>

/** After a reset: the links to the pages that undo recent changes. */
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

/** Whether browsers let pages of this service use the passkeys. */
const isOfParty = ({ relyingParty, config }: Pick<Services, 'relyingParty' | 'config'>): boolean =>
  relyingParty?.origins.includes(new URL(config.publicUrl).origin) === true

/** @throws Problem invalid-passkey when the page has not sent the answer of a passkey */
function readPasskey(text: string): PasskeyAnswer {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch (error) {
    throw new Problem('invalid-passkey', { cause: error })
  }
  if (!matches(PasskeyAnswer, answer)) throw new Problem('invalid-passkey')
  return answer as PasskeyAnswer
}

/** Six digits are a code of an authenticator app, anything longer is a recovery code. */
function answerOf(code: string): { code: string } | { recovery_code: string } | undefined {
  const plain = code.trim()
  if (plain === '') return undefined
  return matches(Code, plain) ? { code: plain } : { recovery_code: plain.slice(0, 64) }
}

function wordsOf({ declared }: Pick<Services, 'declared'>, type: string, changed_at: string, locale: Locale): string {
  const kind = declared.events.get(type)
  const what = isChange(kind) ? kind.change.words[locale] : type
  return `${timeIn(locale, new Date(changed_at))}: ${what}`
}

const lately: Record<Locale, string> = {
  en: 'These changes from the last seven days can still be undone. If one of them was not made by you, undo it.',
  de: 'Diese Änderungen der letzten sieben Tage lassen sich noch rückgängig machen. Haben Sie eine davon nicht selbst vorgenommen, machen Sie sie rückgängig.',
}

const words: Record<Locale, PageWords> = {
  en: {
    title: 'Undo a change',
    text: 'If you did not make this change, undo it here. This ends all your sessions, and a changed password becomes invalid. Set a new password afterwards. If you made the change, close this page.',
    button: 'Undo the change',
    done: {
      title: 'The change is undone',
      text: 'You are signed out everywhere. Set a new password now, and check the other emails about changes.',
      next: 'reset-password',
    },
    ended: {
      used: {
        title: 'This link was used or replaced',
        text: 'If you have undone the change, everything is done. If you cannot sign in, set a new password: the page for that also offers to undo the changes of the last seven days.',
        next: 'reset-password',
      },
      expired: {
        title: 'This change can no longer be undone',
        text: 'Changes can be undone for seven days. If you cannot sign in, set a new password.',
        next: 'reset-password',
      },
    },
    refused: {
      'email-taken': {
        title: 'Another account has this address',
        text: 'So the change of address cannot be undone here. Write to the operators of this service, from this address.',
      },
      'totp-enrolled': {
        title: 'Undo a later change first',
        text: 'Another authenticator app was added after this change. Undo that first, with the email about it.',
      },
    },
  },
  de: {
    title: 'Eine Änderung rückgängig machen',
    text: 'Waren Sie es nicht, machen Sie genau diese Änderung rückgängig. Alle Ihre Sitzungen werden beendet, und ein geändertes Passwort wird ungültig. Legen Sie danach ein neues Passwort fest. Waren Sie es selbst, schließen Sie diese Seite.',
    button: 'Rückgängig machen',
    done: {
      title: 'Die Änderung ist rückgängig gemacht',
      text: 'Sie sind überall abgemeldet. Legen Sie jetzt ein neues Passwort fest und sehen Sie die anderen E-Mails über Änderungen durch.',
      next: 'reset-password',
    },
    ended: {
      used: {
        title: 'Dieser Link wurde schon benutzt oder ersetzt',
        text: 'Haben Sie die Änderung rückgängig gemacht, ist alles erledigt. Können Sie sich nicht anmelden, legen Sie ein neues Passwort fest: Die Seite dafür bietet auch an, die Änderungen der letzten sieben Tage rückgängig zu machen.',
        next: 'reset-password',
      },
      expired: {
        title: 'Diese Änderung lässt sich nicht mehr rückgängig machen',
        text: 'Das geht sieben Tage lang. Können Sie sich nicht anmelden, legen Sie ein neues Passwort fest.',
        next: 'reset-password',
      },
    },
    refused: {
      'email-taken': {
        title: 'Die Adresse gehört zu einem anderen Konto',
        text: 'Deshalb lässt sich die Änderung hier nicht rückgängig machen. Schreiben Sie von dieser Adresse aus an die Betreiber dieses Dienstes.',
      },
      'totp-enrolled': {
        title: 'Machen Sie zuerst eine spätere Änderung rückgängig',
        text: 'Nach dieser Änderung wurde eine andere Authenticator-App hinzugefügt. Machen Sie zuerst das rückgängig, mit der E-Mail darüber.',
      },
    },
  },
}
