import { regionalLocales } from '../locales.ts'
import type { Locale } from '../locales.ts'

/** The texts of all account pages. */
export const words = {
  en: {
    start: { title: 'Your account', text: 'If you cannot sign in, one of these helps.' },
    help: 'Help with your account',
    outbox: 'Emails in development',
    address: 'Email address',
    fullName: 'Your name',
    optional: 'optional',
    newPassword: 'New password',
    repeatedPassword: 'Repeat the new password',
    password: 'Password',
    show: 'Show',
    hide: 'Hide',
    needs: (rules: string) => `It needs ${rules}.`,
    notObvious: 'Common passwords, and ones with your name or address, are refused.',
    code: 'Code of your authenticator app, or a recovery code',
    differ: 'The two passwords differ.',
    wrongPassword: 'The password is wrong, or there were too many wrong ones before.',
    wrongCode: 'The code is wrong or was used before, or there were too many wrong ones. Wait for the next one.',
    wrongPasskey:
      'The passkey is not one that your account had before, or it did not verify you with a PIN, fingerprint or face.',
    usePasskey: 'Use a passkey instead',
    noPasskey: 'The passkey gave no answer. Try again, or enter a code.',
    missingPassword: 'Enter the password.',
    missingCode:
      'Enter a code of the authenticator app that your account had before, or a recovery code. If you did not add that app either, undo that first, with the link in the email about it.',
    badAddress: 'This is not an email address.',
    badName: 'A name is one line of at most 200 characters.',
    goOn: (name: string) => `Go to ${name}`,
    close: (name: string) => `You can close this page and return to ${name}.`,
    again: 'Ask for a new link',
    resend: 'Nothing arrived? Check the address and send it again',
    retry: 'Try again',
    goBack: 'The back button of your browser leads to the form again.',
    ended: {
      unknown: {
        title: 'This link does not work',
        text: 'It is incomplete or was changed on its way. Open it again where you received it, or copy all of it.',
      },
      used: {
        title: 'This link was used or replaced',
        text: 'Each link works once, and a newer one replaces it. If you have just used it, everything is done: you can sign in.',
      },
      expired: {
        title: 'This link has expired',
        text: 'It worked for a limited time, which is over. Nothing was changed.',
      },
    },
  },
  de: {
    start: { title: 'Ihr Konto', text: 'Wenn Sie sich nicht anmelden können, hilft eines davon.' },
    help: 'Hilfe zu Ihrem Konto',
    outbox: 'E-Mails in der Entwicklung',
    address: 'E-Mail-Adresse',
    fullName: 'Ihr Name',
    optional: 'optional',
    newPassword: 'Neues Passwort',
    repeatedPassword: 'Neues Passwort wiederholen',
    password: 'Passwort',
    show: 'Anzeigen',
    hide: 'Verbergen',
    needs: (rules: string) => `Es braucht ${rules}.`,
    notObvious: 'Häufige Passwörter und solche mit Ihrem Namen oder Ihrer Adresse werden abgelehnt.',
    code: 'Code Ihrer Authenticator-App oder ein Wiederherstellungscode',
    differ: 'Die beiden Passwörter unterscheiden sich.',
    wrongPassword: 'Das ist nicht das Passwort des Kontos, oder es kamen zu viele falsche zuvor.',
    wrongCode:
      'Der Code ist falsch, wurde schon benutzt, oder es kamen zu viele falsche zuvor. Warten Sie auf den nächsten.',
    missingPassword: 'Geben Sie das Passwort ein.',
    wrongPasskey:
      'Diesen Passkey hatte Ihr Konto vorher nicht, oder er hat Sie nicht mit PIN, Fingerabdruck oder Gesicht erkannt.',
    usePasskey: 'Stattdessen einen Passkey verwenden',
    noPasskey: 'Der Passkey hat nicht geantwortet. Versuchen Sie es noch einmal, oder geben Sie einen Code ein.',
    missingCode:
      'Geben Sie einen Code der Authenticator-App ein, die Ihr Konto vorher hatte, oder einen Wiederherstellungscode. Haben Sie auch diese App nicht selbst hinzugefügt, machen Sie zuerst das rückgängig, mit der E-Mail darüber.',
    badAddress: 'Das ist keine E-Mail-Adresse.',
    badName: 'Ein Name ist eine Zeile mit höchstens 200 Zeichen.',
    goOn: (name: string) => `Weiter zu ${name}`,
    close: (name: string) => `Sie können diese Seite schließen und zu ${name} zurückkehren.`,
    again: 'Neuen Link anfordern',
    resend: 'Nichts angekommen? Adresse prüfen und noch einmal senden',
    retry: 'Noch einmal versuchen',
    goBack: 'Die Zurück-Taste Ihres Browsers führt wieder zum Formular.',
    ended: {
      unknown: {
        title: 'Dieser Link führt nicht weiter',
        text: 'Er ist unvollständig oder wurde unterwegs verändert. Öffnen Sie ihn noch einmal dort, wo Sie ihn bekommen haben, oder kopieren Sie ihn ganz.',
      },
      used: {
        title: 'Dieser Link wurde schon benutzt oder ersetzt',
        text: 'Jeder Link gilt einmal, und ein neuerer ersetzt ihn. Haben Sie ihn gerade eben benutzt, ist alles erledigt: Sie können sich anmelden.',
      },
      expired: {
        title: 'Dieser Link ist abgelaufen',
        text: 'Er galt nur für begrenzte Zeit, und die ist vorbei. Es wurde nichts geändert.',
      },
    },
    /** The requirements of passwords, by the English text in the problem. */
    lacks: {
      'must have at least 15 characters': 'Es braucht mindestens 15 Zeichen.',
      'must have at least 8 characters': 'Es braucht mindestens 8 Zeichen.',
      'must have an upper-case letter': 'Es braucht einen Großbuchstaben.',
      'must have a lower-case letter': 'Es braucht einen Kleinbuchstaben.',
      'must have a digit': 'Es braucht eine Ziffer.',
      'must have a special character': 'Es braucht ein Sonderzeichen.',
      'must have at most 128 characters': 'Es darf höchstens 128 Zeichen haben.',
      'is among the most used passwords': 'Es gehört zu den meistbenutzten Passwörtern.',
      'must not contain your email address, your name, your organization or what this product is called':
        'Es darf weder Ihre E-Mail-Adresse noch Ihren Namen, Ihre Organisation oder den Namen dieses Dienstes enthalten.',
    },
  },
} as const satisfies Record<Locale, unknown>

const refusals = {
  en: {
    unreadable: {
      title: 'The form could not be read',
      text: 'Open the link in the email again and fill in the form that it shows.',
    },
    tooMany: { title: 'Too many attempts', text: 'Please wait a minute, then try again.' },
    away: {
      title: 'Not now',
      text: 'The service is busy or unavailable for a moment. Please try again shortly; your link still works.',
    },
    fault: { title: 'Something went wrong', text: 'This is our fault. Please try again later.' },
  },
  de: {
    unreadable: {
      title: 'Das Formular war nicht lesbar',
      text: 'Öffnen Sie den Link in der E-Mail noch einmal und füllen Sie das Formular dort aus.',
    },
    tooMany: {
      title: 'Zu viele Versuche',
      text: 'Bitte warten Sie eine Minute und versuchen Sie es dann noch einmal.',
    },
    away: {
      title: 'Gerade nicht möglich',
      text: 'Der Dienst ist gerade überlastet oder nicht erreichbar. Bitte versuchen Sie es gleich noch einmal; Ihr Link gilt weiterhin.',
    },
    fault: { title: 'Etwas ist schiefgegangen', text: 'Das liegt an uns. Bitte versuchen Sie es später noch einmal.' },
  },
} as const satisfies Record<Locale, unknown>

/** The text of a page instead of a problem's own, which is for programs. */
export function problemWords(status: number, locale: Locale): { title: string; text: string } {
  const { unreadable, tooMany, away, fault } = refusals[locale]
  if (status === 429) return tooMany
  if (status === 503) return away
  return status < 500 ? unreadable : fault
}

/** The fault of a field, as a sentence in that language. */
export function faultIn(detail: string, locale: Locale): string {
  const inGerman = germanOf(detail)
  if (inGerman === undefined) return detail
  return locale === 'de' ? inGerman : `It ${detail}.`
}

/** What a password needs, as one sentence, from the requirements as a refusal says them. */
export function needsIn(rules: readonly string[], locale: Locale): string {
  const needs = rules.map(rule =>
    locale === 'de' ? (germanOf(rule) ?? rule).replace(/^Es braucht (.*)\.$/, '$1') : rule.replace(/^must have /, ''),
  )
  const list = new Intl.ListFormat(regionalLocales[locale], { type: 'conjunction' })
  return words[locale].needs(list.format(needs))
}

const germanOf = (detail: string): string | undefined => {
  const lacks: Readonly<Record<string, string>> = words.de.lacks
  return lacks[detail]
}
