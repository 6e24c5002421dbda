import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-pages.ts'
import type { Services } from '../../platform/services.ts'
import { restoreAccount } from './leaving.ts'

/** The page of the link in the email about the deletion of an account. */
export const leavingPages = (services: Services) =>
  ({
    'restore-account': { words, act: ({ token }, visitor) => restoreAccount(visitor, services, token) },
  }) satisfies Record<string, AccountPage>

const words: Record<Locale, PageWords> = {
  en: {
    title: 'Restore your account',
    text: 'This restores your account with everything in it. If you did not delete it yourself, set a new password right afterwards.',
    button: 'Restore my account',
    done: 'Your account is restored. Sign in as usual.',
  },
  de: {
    title: 'Konto wiederherstellen',
    text: 'Sie erhalten Ihr Konto mit allem zurück, was darin war. Haben Sie es nicht selbst gelöscht, legen Sie danach sofort ein neues Passwort fest.',
    button: 'Konto wiederherstellen',
    done: 'Ihr Konto ist wieder da. Melden Sie sich wie gewohnt an.',
  },
}
