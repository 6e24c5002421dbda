import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-pages.ts'
import type { Services } from '../../platform/services.ts'
import { unlockByToken, unlockToken } from './lockout.ts'

/** The page of the link in the email about a lock. */
export const unlockPages = (services: Pick<Services, 'keys'>): Record<string, AccountPage> => ({
  [unlockToken.purpose]: { words, act: ({ token }, visitor) => unlockByToken(visitor, services, token) },
})

const words: Record<Locale, PageWords> = {
  en: {
    title: 'Unlock sign-in',
    text: 'Your account accepts passwords again immediately, and the failures so far no longer count.',
    button: 'Unlock',
    done: 'Your account is unlocked. Sign in as usual; if someone else may know your password, set a new one.',
  },
  de: {
    title: 'Anmeldung entsperren',
    text: 'Ihr Konto nimmt sofort wieder Passwörter an, und die bisherigen Fehlversuche sind vergessen.',
    button: 'Entsperren',
    done: 'Ihr Konto ist entsperrt. Melden Sie sich wie gewohnt an; wenn jemand anderes Ihr Passwort kennen könnte, legen Sie ein neues fest.',
  },
}
