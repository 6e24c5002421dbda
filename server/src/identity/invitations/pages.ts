import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-pages.ts'
import type { Services } from '../../platform/services.ts'
import { acceptInvitation, hasAccount } from './invitations.ts'

/** The page behind the link of an invitation: an address without an account chooses a password, any other joins by the button. */
export const invitationPages = (services: Services) =>
  ({
    invitation: {
      words,
      asksPassword: async (token, visitor) => !(await hasAccount(visitor, token)),
      act: ({ token, new_password }, visitor) =>
        acceptInvitation(visitor, services, { token, ...(new_password !== '' && { password: new_password }) }),
    },
  }) satisfies Record<string, AccountPage>

const words: Record<Locale, PageWords> = {
  en: {
    title: 'Join the organization',
    text: 'You are invited to the organization that the mail names. The person who invited you will see your name and address.',
    button: 'Join',
    done: 'You belong to the organization now. Sign in to see it.',
    refused: {
      'already-member': 'You belong to this organization already. Sign in to see it.',
      'email-unverified':
        'The account with this address has never confirmed it. Set a new password by the link “forgot password”, then open the invitation again.',
    },
  },
  de: {
    title: 'Der Organisation beitreten',
    text: 'Sie sind in die Organisation eingeladen, die in der E-Mail steht. Wer Sie eingeladen hat, sieht Ihren Namen und Ihre Adresse.',
    button: 'Beitreten',
    done: 'Sie gehören jetzt zu der Organisation. Melden Sie sich an, um sie zu sehen.',
    refused: {
      'already-member': 'Sie gehören schon zu dieser Organisation. Melden Sie sich an, um sie zu sehen.',
      'email-unverified':
        'Das Konto mit dieser Adresse hat sie nie bestätigt. Legen Sie über „Passwort vergessen“ ein neues Passwort fest und öffnen Sie die Einladung dann noch einmal.',
    },
  },
}
