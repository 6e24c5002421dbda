import type { Locale } from '../../platform/locales.ts'
import type { AccountPage, Filled, PageWords } from '../../platform/pages/account-page.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import type { Services } from '../../platform/services.ts'
import { requirementsOf } from '../passwords/password-policy.ts'
import { acceptInvitation } from './acceptance.ts'
import { previewInvitation } from './joining.ts'
import type { InvitationToken } from './joining.ts'
import { creatingWords, ended, mailingWords, offerIn, suspended } from './link-words.ts'

/**
 * The pages of invitation links; they name the organization and the inviter, as the email does. Emailed: without an
 * account, the user chooses a name and a password; otherwise the button joins.
 */
export const invitationPages = (services: Services) => {
  const passwordRules = requirementsOf(services.passwordPolicy)
  const act = ({ token, new_password, full_name }: Filled, visitor: SystemRunner) =>
    acceptInvitation(visitor, services, {
      token,
      ...(new_password !== '' && { password: new_password }),
      ...(full_name !== '' && { full_name }),
    })
  const createsAccount = services.config.emailVerification !== 'required'
  return {
    invitation: {
      words,
      passwordRules,
      form: async (token: InvitationToken, visitor, locale) => {
        const offer = await previewInvitation(visitor, token)
        const asks = offer.creates_account === true ? (['full_name', 'new_password'] as const) : []
        return { ...offerIn(offer, locale), asks }
      },
      act,
    },
    // Handed over: the page shows nothing about the address, because anyone may hold the link.
    'invitation-link': {
      words: createsAccount ? creatingWords : mailingWords,
      asks: createsAccount ? ['full_name', 'new_password'] : [],
      passwordRules,
      form: async (token: InvitationToken, visitor, locale) => {
        const { title } = offerIn(await previewInvitation(visitor, token), locale)
        return { title }
      },
      act,
    },
  } satisfies Record<string, AccountPage>
}

const words: Record<Locale, PageWords> = {
  en: {
    title: 'Join the organization',
    text: 'You are invited to an organization. Its members will see your name and email address.',
    button: 'Join',
    done: { title: 'You are a member now', text: 'Sign in to see the organization.' },
    ended: ended.en,
    refused: {
      'already-member': { title: 'You are already a member', text: 'Sign in to see the organization.' },
      'invitation-ended': ended.en.used,
      'organization-suspended': suspended.en,
      'account-unavailable': {
        title: 'The account with this address is closed',
        text: 'It is deleted or disabled. Restore it with the link in the email about its deletion, or ask for an invitation to another address.',
      },
      'email-unverified': {
        title: 'Confirm your address first',
        text: 'The address of this account was never confirmed. Set a new password, which confirms it; then open the invitation again.',
        next: 'reset-password',
      },
    },
  },
  de: {
    title: 'Der Organisation beitreten',
    text: 'Sie sind in eine Organisation eingeladen. Ihre Mitglieder sehen Ihren Namen und Ihre Adresse.',
    button: 'Beitreten',
    done: { title: 'Sie gehören jetzt dazu', text: 'Melden Sie sich an, um die Organisation zu sehen.' },
    ended: ended.de,
    refused: {
      'already-member': { title: 'Sie gehören schon dazu', text: 'Melden Sie sich an, um die Organisation zu sehen.' },
      'invitation-ended': ended.de.used,
      'organization-suspended': suspended.de,
      'account-unavailable': {
        title: 'Das Konto mit dieser Adresse ist geschlossen',
        text: 'Es ist gelöscht oder gesperrt. Stellen Sie es über die E-Mail wieder her, die von der Löschung berichtet hat, oder bitten Sie um eine Einladung an eine andere Adresse.',
      },
      'email-unverified': {
        title: 'Bestätigen Sie zuerst Ihre Adresse',
        text: 'Das Konto mit dieser Adresse hat sie nie bestätigt. Legen Sie ein neues Passwort fest, das bestätigt sie; öffnen Sie die Einladung dann noch einmal.',
        next: 'reset-password',
      },
    },
  },
}
