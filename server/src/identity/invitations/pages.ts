import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-pages.ts'
import type { Services } from '../../platform/services.ts'
import { acceptInvitation, hasAccount } from './acceptance.ts'

/** The page behind the link of an invitation: an address without an account chooses a password, any other joins by the button. */
export const invitationPages = (services: Services) =>
  ({
    invitation: {
      words,
      asksPassword: async (token, visitor) => !(await hasAccount(visitor, services, token)),
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
      'invitation-ended':
        'This invitation leads nowhere any more: it was accepted, replaced or revoked, has expired, or the organization or the person who invited you is gone. Ask for a new one.',
      'account-unavailable':
        'The account with this address is deleted or disabled. Restore it by the mail that told you of its deletion, or ask to be invited by another address.',
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
      'invitation-ended':
        'Diese Einladung gilt nicht mehr: Sie wurde angenommen, ersetzt oder zurückgezogen, ist abgelaufen, oder die Organisation oder wer Sie eingeladen hat ist nicht mehr da. Bitten Sie um eine neue.',
      'account-unavailable':
        'Das Konto mit dieser Adresse ist gelöscht oder gesperrt. Stellen Sie es über die E-Mail wieder her, die von der Löschung berichtet hat, oder bitten Sie um eine Einladung an eine andere Adresse.',
      'email-unverified':
        'Das Konto mit dieser Adresse hat sie nie bestätigt. Legen Sie über „Passwort vergessen“ ein neues Passwort fest und öffnen Sie die Einladung dann noch einmal.',
    },
  },
}
