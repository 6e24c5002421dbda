import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-page.ts'
import type { Services } from '../../platform/services.ts'
import { requirementsOf } from '../passwords/password-policy.ts'
import { completePasswordReset, requestPasswordReset } from './recovery.ts'

/** The page of the link to set a new password, with what other features offer after it. */
export const recoveryPages = (services: Services) =>
  ({
    'reset-password': {
      words,
      asks: ['new_password'],
      passwordRules: requirementsOf(services.passwordPolicy),
      act: ({ token, new_password }, visitor) => completePasswordReset(visitor, services, token, new_password),
      offer: services.offerAfterReset,
      ask: (email, visitor, locale) => requestPasswordReset(visitor, email, locale),
    },
  }) satisfies Record<string, AccountPage>

const words: Record<Locale, PageWords> = {
  en: {
    title: 'Set a new password',
    text: 'This ends all your sessions: sign in again everywhere afterwards. A second factor is still required.',
    button: 'Set the password',
    done: {
      title: 'Your new password is set',
      text: 'You are signed out everywhere. Sign in with the new password.',
    },
    ask: {
      title: 'Forgot your password?',
      text: 'Enter the address of your account. We will send you a link to set a new password.',
      button: 'Send the link',
      done: {
        title: 'Check your email',
        text: 'If this address has an account, an email with a link is on its way; the link works for half an hour. Check your spam folder, too.',
      },
    },
  },
  de: {
    title: 'Neues Passwort festlegen',
    text: 'Dabei werden alle Ihre Sitzungen beendet: Melden Sie sich danach überall neu an. Ein zweiter Faktor wird wie immer verlangt.',
    button: 'Passwort festlegen',
    done: {
      title: 'Ihr neues Passwort gilt',
      text: 'Sie sind überall abgemeldet. Melden Sie sich mit dem neuen Passwort an.',
    },
    ask: {
      title: 'Passwort vergessen?',
      text: 'Geben Sie die Adresse Ihres Kontos ein. Wir senden einen Link dorthin, mit dem Sie ein neues Passwort festlegen.',
      button: 'Link senden',
      done: {
        title: 'Sehen Sie in Ihr Postfach',
        text: 'Gehört zu dieser Adresse ein Konto, ist eine E-Mail mit einem Link unterwegs; er gilt eine halbe Stunde. Sehen Sie auch im Spam-Ordner nach.',
      },
    },
  },
}
