import type { Config } from '../../config/config.ts'
import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-page.ts'
import type { Services } from '../../platform/services.ts'
import { restoreAccount } from './leaving.ts'

/** The page of the link in the email about the deletion of an account. */
export const leavingPages = (services: Services) =>
  ({
    'restore-account': {
      words: wordsFor(services.config.deletion),
      act: ({ token }, visitor) => restoreAccount(visitor, services, token),
    },
  }) satisfies Record<string, AccountPage>

const wordsFor = ({ reuseNames }: Config['deletion']): Record<Locale, PageWords> => ({
  en: {
    title: 'Restore your account',
    text: 'This restores your account with everything in it. If you did not delete it yourself, set a new password right afterwards.',
    button: 'Restore my account',
    done: {
      title: 'Your account is restored',
      text: 'Sign in as usual. If you did not delete it yourself, set a new password now.',
      also: 'reset-password',
    },
    ended: {
      used: {
        title: 'This link was used or replaced',
        text: 'If you have restored your account, sign in as usual. If it was deleted again, the email about that has a new link.',
      },
      expired: {
        title: 'This account can no longer be restored',
        text: `The time for that is over, and the account is erased. If you would like a new one, sign up${reuseNames ? '' : ' with another address'}.`,
      },
    },
  },
  de: {
    title: 'Konto wiederherstellen',
    text: 'Sie erhalten Ihr Konto mit allem zurück, was darin war. Haben Sie es nicht selbst gelöscht, legen Sie danach sofort ein neues Passwort fest.',
    button: 'Konto wiederherstellen',
    done: {
      title: 'Ihr Konto ist wieder da',
      text: 'Melden Sie sich wie gewohnt an. Haben Sie es nicht selbst gelöscht, legen Sie jetzt ein neues Passwort fest.',
      also: 'reset-password',
    },
    ended: {
      used: {
        title: 'Dieser Link wurde schon benutzt oder ersetzt',
        text: 'Haben Sie Ihr Konto wiederhergestellt, melden Sie sich wie gewohnt an. Wurde es noch einmal gelöscht, steht ein neuer Link in der E-Mail darüber.',
      },
      expired: {
        title: 'Dieses Konto lässt sich nicht mehr wiederherstellen',
        text: `Die Frist dafür ist vorbei, und das Konto ist gelöscht. Möchten Sie ein neues, registrieren Sie sich${reuseNames ? '' : ' mit einer anderen Adresse'}.`,
      },
    },
  },
})
