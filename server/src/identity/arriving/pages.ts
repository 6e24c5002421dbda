import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-pages.ts'
import type { Services } from '../../platform/services.ts'
import { acceptInvitation } from './acceptance.ts'
import { hasAccount, requireOpen } from './joining.ts'
import { creatingWords, mailingWords } from './link-words.ts'

/** The pages of invitation links. Emailed: without an account, the user chooses a password; otherwise the button joins. */
export const invitationPages = (services: Services) =>
  ({
    invitation: {
      words,
      asksPassword: async (token, visitor) => !(await hasAccount(visitor, token)),
      act: ({ token, new_password }, visitor) =>
        acceptInvitation(visitor, services, { token, ...(new_password !== '' && { password: new_password }) }),
    },
    // Handed over: the page shows nothing about the address, because anyone may hold the link.
    'invitation-link': {
      words: services.config.emailVerification === 'required' ? mailingWords : creatingWords,
      asksPassword: services.config.emailVerification !== 'required',
      form: async (token, visitor) => {
        await requireOpen(visitor, token)
        return {}
      },
      act: ({ token, new_password }, visitor) =>
        acceptInvitation(visitor, services, { token, ...(new_password !== '' && { password: new_password }) }),
    },
  }) satisfies Record<string, AccountPage>

const words: Record<Locale, PageWords> = {
  en: {
    title: 'Join the organization',
    text: 'You are invited to the organization named in the email. The person who invited you will see your name and email address.',
    button: 'Join',
    done: 'You are now a member of the organization. Sign in to see it.',
    refused: {
      'already-member': 'You are already a member of this organization. Sign in to see it.',
      'invitation-ended':
        'This invitation is no longer valid: it was accepted, replaced or revoked, it has expired, or the organization or the person who invited you is no longer there. Ask for a new one.',
      'organization-suspended':
        'The organization is suspended at the moment, so no one can join it. Open the invitation again later, or ask the person who invited you.',
      'account-unavailable':
        'The account with this address is deleted or disabled. Restore it with the link in the email about its deletion, or ask for an invitation to another address.',
      'email-unverified':
        'The address of this account was never confirmed. Set a new password with “forgot password”, then open the invitation again.',
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
      'organization-suspended':
        'Die Organisation ist zurzeit ausgesetzt, deshalb kann niemand beitreten. Öffnen Sie die Einladung später noch einmal oder fragen Sie, wer Sie eingeladen hat.',
      'account-unavailable':
        'Das Konto mit dieser Adresse ist gelöscht oder gesperrt. Stellen Sie es über die E-Mail wieder her, die von der Löschung berichtet hat, oder bitten Sie um eine Einladung an eine andere Adresse.',
      'email-unverified':
        'Das Konto mit dieser Adresse hat sie nie bestätigt. Legen Sie über „Passwort vergessen“ ein neues Passwort fest und öffnen Sie die Einladung dann noch einmal.',
    },
  },
}
