import type { Locale } from '../../platform/locales.ts'
import type { PageWords } from '../../platform/pages/account-pages.ts'

const refused = {
  en: {
    'invitation-ended':
      'This link is no longer valid: the invitation was accepted, replaced or revoked, or the organization or the person who gave you the link is no longer there. Ask for a new one.',
    'organization-suspended':
      'The organization is suspended at the moment, so no one can join it. Open the link again later, or ask the person who gave it to you.',
    'invitation-needs-sign-in':
      'This address may already have an account. Sign in with it, and accept the invitation there.',
  },
  de: {
    'invitation-ended':
      'Dieser Link gilt nicht mehr: Die Einladung wurde angenommen, ersetzt oder zurückgezogen, oder die Organisation oder wer Ihnen den Link gegeben hat ist nicht mehr da. Bitten Sie um einen neuen.',
    'organization-suspended':
      'Die Organisation ist zurzeit ausgesetzt, deshalb kann niemand beitreten. Öffnen Sie den Link später noch einmal oder fragen Sie, wer ihn Ihnen gegeben hat.',
    'invitation-needs-sign-in':
      'Zu dieser Adresse gibt es vielleicht schon ein Konto. Melden Sie sich damit an und nehmen Sie die Einladung dort an.',
  },
}

/** The page of a link that was handed over, if addresses may be verified later: it creates an account. */
export const creatingWords: Record<Locale, PageWords> = {
  en: {
    title: 'Join the organization',
    text: 'You were given this link to an invitation. If you already have an account with this address, sign in and accept the invitation there. Otherwise choose a password: this creates an account, and the person who invited you will see its address.',
    button: 'Create the account and join',
    done: 'You are now a member of the organization. Sign in to see it. An email asks you to verify your address.',
    refused: refused.en,
  },
  de: {
    title: 'Der Organisation beitreten',
    text: 'Sie haben diesen Link zu einer Einladung bekommen. Wenn Sie mit dieser Adresse schon ein Konto haben, melden Sie sich an und nehmen Sie die Einladung dort an. Sonst legen Sie ein Passwort fest: So entsteht ein Konto, und wer Sie eingeladen hat, sieht dessen Adresse.',
    button: 'Konto anlegen und beitreten',
    done: 'Sie gehören jetzt zu der Organisation. Melden Sie sich an, um sie zu sehen. Eine E-Mail bittet Sie, Ihre Adresse zu bestätigen.',
    refused: refused.de,
  },
}

/** The same, if addresses must be verified first: it emails the invitation again. */
export const mailingWords: Record<Locale, PageWords> = {
  en: {
    title: 'Join the organization',
    text: 'You were given this link to an invitation. If you already have an account with this address, sign in and accept the invitation there. Otherwise we send the invitation to this address, and you join with the link in that email.',
    button: 'Send the email',
    done: 'If the invitation is still open, an email with the next step is on its way to this address.',
    refused: refused.en,
  },
  de: {
    title: 'Der Organisation beitreten',
    text: 'Sie haben diesen Link zu einer Einladung bekommen. Wenn Sie mit dieser Adresse schon ein Konto haben, melden Sie sich an und nehmen Sie die Einladung dort an. Sonst senden wir die Einladung an diese Adresse, und Sie treten mit dem Link in der E-Mail bei.',
    button: 'E-Mail senden',
    done: 'Wenn die Einladung noch offen ist, kommt an diese Adresse gleich eine E-Mail mit dem nächsten Schritt.',
    refused: refused.de,
  },
}
