import type { SystemRunner } from '../../platform/database/database.ts'
import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, Filled, PageWords } from '../../platform/pages/account-page.ts'
import type { Services } from '../../platform/services.ts'
import { createBrowserCookie } from '../accounts/browser-cookie.ts'
import { requestVerification } from '../accounts/email.ts'
import { requirementsOf } from '../passwords/password-policy.ts'
import { asksForPassword, verifyEmail } from './verification.ts'

/** The pages of the links that verify an address, by the purpose of their token. */
export const verificationPages = (services: Services) => {
  const cookie = createBrowserCookie(services.config.publicUrl)
  const ask = (email: string, visitor: SystemRunner, locale: Locale) => requestVerification(visitor, email, locale)
  const verify = (visitor: SystemRunner, { token, cookies }: Filled, password?: string) =>
    verifyEmail(visitor, services, token, { password, browser: cookie.read(cookies) })
  return {
    'verify-email': {
      words: verificationWords,
      form: async (token, visitor) => ({
        asks: (await asksForPassword(visitor, token)) ? (['password'] as const) : [],
      }),
      act: (given, visitor) => verify(visitor, given, given.password || undefined),
      ask,
    },
    'sign-up': {
      words: signUpWords,
      asks: ['new_password'],
      passwordRules: requirementsOf(services.passwordPolicy),
      act: (given, visitor) => verify(visitor, given, given.new_password),
      ask,
    },
    'change-email': { words: changeWords, act: (given, visitor) => verify(visitor, given) },
  } satisfies Record<string, AccountPage>
}

const askAgain: Record<Locale, NonNullable<PageWords['ask']>> = {
  en: {
    title: 'Confirm your email address',
    text: 'Enter the address that you signed up with. If it is not confirmed yet, we will send the link again.',
    button: 'Send the link',
    done: {
      title: 'Check your email',
      text: 'If this address still has to be confirmed, an email with a new link is on its way. Check your spam folder, too.',
    },
  },
  de: {
    title: 'E-Mail-Adresse bestätigen',
    text: 'Geben Sie die Adresse ein, mit der Sie sich registriert haben. Ist sie noch nicht bestätigt, senden wir den Link noch einmal.',
    button: 'Link senden',
    done: {
      title: 'Sehen Sie in Ihr Postfach',
      text: 'Wenn diese Adresse noch zu bestätigen ist, ist eine E-Mail mit einem neuen Link unterwegs. Sehen Sie auch im Spam-Ordner nach.',
    },
  },
}

const verificationWords: Record<Locale, PageWords> = {
  en: {
    title: 'Confirm your email address',
    text: 'This confirms that the address is yours. If you have no account here, close this page.',
    button: 'Confirm',
    done: { title: 'Your address is confirmed', text: 'Thank you. You can go on where you were.' },
    ask: askAgain.en,
  },
  de: {
    title: 'E-Mail-Adresse bestätigen',
    text: 'Damit bestätigen Sie, dass die Adresse Ihnen gehört. Haben Sie hier kein Konto, schließen Sie diese Seite.',
    button: 'Bestätigen',
    done: { title: 'Ihre Adresse ist bestätigt', text: 'Vielen Dank. Sie können dort weitermachen, wo Sie waren.' },
    ask: askAgain.de,
  },
}

const signUpWords: Record<Locale, PageWords> = {
  en: {
    title: 'Finish signing up',
    text: 'Choose the password of your account. This confirms that the address is yours, and creates your account. If you did not sign up yourself, close this page.',
    button: 'Create my account',
    done: { title: 'Your account is ready', text: 'Sign in with the password that you just chose.' },
    ask: askAgain.en,
  },
  de: {
    title: 'Registrierung abschließen',
    text: 'Wählen Sie das Passwort Ihres Kontos. Damit bestätigen Sie, dass die Adresse Ihnen gehört, und Ihr Konto wird angelegt. Haben Sie sich nicht selbst registriert, schließen Sie diese Seite.',
    button: 'Konto anlegen',
    done: {
      title: 'Ihr Konto ist bereit',
      text: 'Melden Sie sich mit dem Passwort an, das Sie gerade gewählt haben.',
    },
    ask: askAgain.de,
  },
}

const changeWords: Record<Locale, PageWords> = {
  en: {
    title: 'Use this email address',
    text: 'This gives your account this address: you sign in with it, and our emails go there. If you did not request this yourself, close this page.',
    button: 'Use this address',
    done: {
      title: 'Your account has the new address',
      text: 'You stay signed in on all devices. Sign in with the new address from now on.',
    },
    ended: {
      expired: {
        title: 'This link has expired',
        text: 'Your account keeps its address. Sign in with it, and request the change again.',
      },
    },
  },
  de: {
    title: 'Diese E-Mail-Adresse verwenden',
    text: 'Damit erhält Ihr Konto diese Adresse: Sie melden sich mit ihr an und erhalten dort unsere E-Mails. Haben Sie das nicht selbst gewünscht, schließen Sie diese Seite.',
    button: 'Adresse verwenden',
    done: {
      title: 'Ihr Konto hat die neue Adresse',
      text: 'Sie bleiben überall angemeldet. Melden Sie sich künftig mit der neuen Adresse an.',
    },
    ended: {
      expired: {
        title: 'Dieser Link ist abgelaufen',
        text: 'Ihr Konto behält seine Adresse. Melden Sie sich mit ihr an, und fordern Sie die Änderung noch einmal an.',
      },
    },
  },
}
