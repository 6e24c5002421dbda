import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-page.ts'
import type { Services } from '../../platform/services.ts'
import { unlockByToken, unlockToken } from './lockout.ts'

/** The page of the link in the email about a lock. */
export const unlockPages = (services: Pick<Services, 'keys'>): Record<string, AccountPage> => ({
  [unlockToken.purpose]: { words, act: ({ token }, visitor) => unlockByToken(visitor, services, token) },
})

const words: Record<Locale, PageWords> = {
  en: {
    title: 'Unlock sign-in',
    text: 'This lets your account accept passwords again at once. The failures so far no longer count.',
    button: 'Unlock',
    done: {
      title: 'Your account is unlocked',
      text: 'Sign in as usual. If someone else may know your password, set a new one.',
      also: 'reset-password',
    },
    ended: {
      used: {
        title: 'This link was used or replaced',
        text: 'Sign in as usual, or set a new password: that unlocks the account, too.',
        next: 'reset-password',
      },
      expired: {
        title: 'This link has expired',
        text: 'Sign in as usual, or set a new password: that unlocks the account, too.',
        next: 'reset-password',
      },
    },
  },
  de: {
    title: 'Anmeldung entsperren',
    text: 'Damit nimmt Ihr Konto sofort wieder Passwörter an. Die bisherigen Fehlversuche zählen nicht mehr.',
    button: 'Entsperren',
    done: {
      title: 'Ihr Konto ist entsperrt',
      text: 'Melden Sie sich wie gewohnt an. Wenn jemand anderes Ihr Passwort kennen könnte, legen Sie ein neues fest.',
      also: 'reset-password',
    },
    ended: {
      used: {
        title: 'Dieser Link wurde schon benutzt oder ersetzt',
        text: 'Melden Sie sich wie gewohnt an, oder legen Sie ein neues Passwort fest: Auch das entsperrt das Konto.',
        next: 'reset-password',
      },
      expired: {
        title: 'Dieser Link ist abgelaufen',
        text: 'Melden Sie sich wie gewohnt an, oder legen Sie ein neues Passwort fest: Auch das entsperrt das Konto.',
        next: 'reset-password',
      },
    },
  },
}
