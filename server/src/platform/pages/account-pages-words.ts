import type { Locale } from '../locales.ts'

/** The texts of all account pages. */
export const words = {
  en: {
    start: { title: 'Your account', text: 'If you cannot sign in, one of these helps.' },
    address: 'E-mail address',
    newPassword: 'New password',
    repeatedPassword: 'New password, once more',
    password: 'Password',
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
    goOn: (name: string) => `Go to ${name}`,
    again: 'Ask for a new link',
    broken: {
      title: 'This link does not work',
      text: 'It is incomplete, has expired or was used before. If you have just used it, everything is done: you can sign in.',
    },
  },
  de: {
    start: { title: 'Ihr Konto', text: 'Wenn Sie sich nicht anmelden können, hilft eines davon.' },
    address: 'E-Mail-Adresse',
    newPassword: 'Neues Passwort',
    repeatedPassword: 'Neues Passwort, noch einmal',
    password: 'Passwort',
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
    goOn: (name: string) => `Weiter zu ${name}`,
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
      'must not contain your e-mail address, your name, your organization or what this product is called':
        'Es darf weder Ihre E-Mail-Adresse noch Ihren Namen, Ihre Organisation oder den Namen dieses Dienstes enthalten.',
    },
    again: 'Neuen Link anfordern',
    broken: {
      title: 'Dieser Link führt nicht weiter',
      text: 'Er ist unvollständig, abgelaufen oder wurde schon benutzt. Haben Sie ihn gerade eben benutzt, ist alles erledigt: Sie können sich anmelden.',
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
  const lacks: Readonly<Record<string, string>> = words.de.lacks
  const inGerman = lacks[detail]
  if (inGerman === undefined) return detail
  return locale === 'de' ? inGerman : `It ${detail}.`
}
