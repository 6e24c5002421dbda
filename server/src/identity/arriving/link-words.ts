import type { Locale } from '../../platform/locales.ts'
import type { PageWords } from '../../platform/pages/account-page.ts'
import { isolated } from '../../platform/texts.ts'
import type { InvitationPreview } from './messages.ts'

/** An invitation that can no longer be accepted, whatever the reason. */
export const ended = {
  en: {
    used: {
      title: 'This invitation is no longer open',
      text: 'It was accepted, revoked or replaced by a newer one, or the organization or the person who invited you is no longer there. If you have accepted it, sign in. Otherwise ask for a new one.',
    },
    expired: {
      title: 'This invitation has expired',
      text: 'Ask the person who invited you to send it again.',
    },
  },
  de: {
    used: {
      title: 'Diese Einladung ist nicht mehr offen',
      text: 'Sie wurde angenommen, zurückgezogen oder durch eine neuere ersetzt, oder die Organisation oder wer Sie eingeladen hat ist nicht mehr da. Haben Sie sie angenommen, melden Sie sich an. Bitten Sie sonst um eine neue.',
    },
    expired: {
      title: 'Diese Einladung ist abgelaufen',
      text: 'Bitten Sie die Person, die Sie eingeladen hat, sie noch einmal zu senden.',
    },
  },
}

/** The organization of the invitation is suspended. */
export const suspended = {
  en: {
    title: 'The organization is suspended',
    text: 'No one can join it at the moment. Open the invitation again later, or ask the person who invited you.',
  },
  de: {
    title: 'Die Organisation ist ausgesetzt',
    text: 'Zurzeit kann niemand beitreten. Öffnen Sie die Einladung später noch einmal oder fragen Sie, wer Sie eingeladen hat.',
  },
}

/** Who invites to what, for the head of the page. */
export function offerIn(offer: InvitationPreview, locale: Locale) {
  const { organization_name, inviter_name, creates_account } = offer
  const organization = isolated(organization_name)
  const inviter = inviter_name === null ? null : isolated(inviter_name)
  if (locale === 'de') {
    const invites =
      inviter === null ? `Sie sind zu ${organization} eingeladen.` : `${inviter} lädt Sie zu ${organization} ein.`
    const does = creates_account === true ? 'Damit entsteht Ihr Konto.' : 'Sie treten mit Ihrem Konto bei.'
    return {
      title: `${organization} beitreten`,
      text: `${invites} ${does} Die Mitglieder sehen Ihren Namen und Ihre Adresse.`,
    }
  }
  const invites =
    inviter === null ? `You are invited to ${organization}.` : `${inviter} invites you to ${organization}.`
  const does = creates_account === true ? 'Joining creates your account.' : 'You join with your account.'
  return {
    title: `Join ${organization}`,
    text: `${invites} ${does} The members will see your name and address.`,
  }
}

const refused = {
  en: {
    'invitation-ended': ended.en.used,
    'organization-suspended': suspended.en,
    'invitation-needs-sign-in': {
      title: 'Sign in to accept',
      text: 'This address may already have an account. Sign in with it, and accept the invitation there.',
    },
  },
  de: {
    'invitation-ended': ended.de.used,
    'organization-suspended': suspended.de,
    'invitation-needs-sign-in': {
      title: 'Melden Sie sich dafür an',
      text: 'Zu dieser Adresse gibt es vielleicht schon ein Konto. Melden Sie sich damit an und nehmen Sie die Einladung dort an.',
    },
  },
}

/** The page of a link that was handed over, if addresses may be verified later: it creates an account. */
export const creatingWords: Record<Locale, PageWords> = {
  en: {
    title: 'Join the organization',
    text: 'You were given this link to an invitation. If you already have an account with this address, sign in and accept the invitation there. Otherwise choose a password: this creates an account, and the person who invited you will see its address.',
    button: 'Create the account and join',
    done: {
      title: 'You are a member now',
      text: 'Sign in to see the organization. An email asks you to verify your address.',
    },
    ended: ended.en,
    refused: refused.en,
  },
  de: {
    title: 'Der Organisation beitreten',
    text: 'Sie haben diesen Link zu einer Einladung bekommen. Wenn Sie mit dieser Adresse schon ein Konto haben, melden Sie sich an und nehmen Sie die Einladung dort an. Sonst legen Sie ein Passwort fest: So entsteht ein Konto, und wer Sie eingeladen hat, sieht dessen Adresse.',
    button: 'Konto anlegen und beitreten',
    done: {
      title: 'Sie gehören jetzt dazu',
      text: 'Melden Sie sich an, um die Organisation zu sehen. Eine E-Mail bittet Sie, Ihre Adresse zu bestätigen.',
    },
    ended: ended.de,
    refused: refused.de,
  },
}

/** The same, if addresses must be verified first: it emails the invitation again. */
export const mailingWords: Record<Locale, PageWords> = {
  en: {
    title: 'Join the organization',
    text: 'You were given this link to an invitation. If you already have an account with this address, sign in and accept the invitation there. Otherwise we send the invitation to this address, and you join with the link in that email.',
    button: 'Send the email',
    done: {
      title: 'Check your email',
      text: 'If the invitation is still open, an email with the next step is on its way to the invited address.',
    },
    ended: ended.en,
    refused: refused.en,
  },
  de: {
    title: 'Der Organisation beitreten',
    text: 'Sie haben diesen Link zu einer Einladung bekommen. Wenn Sie mit dieser Adresse schon ein Konto haben, melden Sie sich an und nehmen Sie die Einladung dort an. Sonst senden wir die Einladung an diese Adresse, und Sie treten mit dem Link in der E-Mail bei.',
    button: 'E-Mail senden',
    done: {
      title: 'Sehen Sie in Ihr Postfach',
      text: 'Wenn die Einladung noch offen ist, kommt an die eingeladene Adresse gleich eine E-Mail mit dem nächsten Schritt.',
    },
    ended: ended.de,
    refused: refused.de,
  },
}
