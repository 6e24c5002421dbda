import type { Locale } from '../../platform/locales.ts'
import type { Origin } from '../../platform/database/database.ts'
import type { AccountPage, PageWords } from '../../platform/pages/account-pages.ts'
import { unlockByToken } from '../lockout/lockout.ts'
import { completePasswordReset, requestPasswordReset } from './recovery.ts'
import type { RecoveryTools } from './recovery.ts'
import { requestVerification, verifyEmail } from '../verification/verification.ts'

/** The pages behind the links that prove an address or set a new password, by the purpose of their token. */
export function authPages(tools: RecoveryTools) {
  const verify = ({ token }: { token: string }, origin: Origin) => verifyEmail(tools, origin, token)
  const resend = (email: string, origin: Origin, locale: Locale) =>
    tools.database.system.run({ origin }, requestVerification(email, locale))
  return {
    'verify-email': { words: verificationWords, act: verify, ask: resend },
    'sign-up': { words: signUpWords, act: verify, ask: resend },
    'change-email': { words: changeWords, act: verify },
    'reset-password': {
      words: resetWords,
      asksPassword: true,
      act: ({ token, new_password }, origin) => completePasswordReset(tools, origin, token, new_password),
      ask: (email, origin, locale) => tools.database.system.run({ origin }, requestPasswordReset(email, locale)),
    },
    unlock: {
      words: unlockWords,
      act: ({ token }, origin) => unlockByToken(tools.database, tools.key, origin, token),
    },
  } satisfies Record<string, AccountPage>
}

const askAgain: Record<Locale, NonNullable<PageWords['ask']>> = {
  en: {
    title: 'Confirm your e-mail address',
    text: 'Enter the address that you signed up with. If it still waits to be confirmed, we send the link again.',
    button: 'Send the link',
    done: 'If this address waits to be confirmed, a mail with a new link is on its way. Look into your spam folder too.',
  },
  de: {
    title: 'E-Mail-Adresse bestätigen',
    text: 'Geben Sie die Adresse ein, mit der Sie sich registriert haben. Ist sie noch nicht bestätigt, senden wir den Link noch einmal.',
    button: 'Link senden',
    done: 'Wenn diese Adresse noch zu bestätigen ist, ist eine E-Mail mit einem neuen Link unterwegs. Sehen Sie auch im Spam-Ordner nach.',
  },
}

const verificationWords: Record<Locale, PageWords> = {
  en: {
    title: 'Confirm your e-mail address',
    text: 'With this you confirm that the address is yours. If you have no account here, close this page.',
    button: 'Confirm',
    done: 'Thank you, your address is confirmed.',
    ask: askAgain.en,
  },
  de: {
    title: 'E-Mail-Adresse bestätigen',
    text: 'Damit bestätigen Sie, dass die Adresse Ihnen gehört. Haben Sie hier kein Konto, schließen Sie diese Seite.',
    button: 'Bestätigen',
    done: 'Vielen Dank, Ihre Adresse ist bestätigt.',
    ask: askAgain.de,
  },
}

const signUpWords: Record<Locale, PageWords> = {
  en: {
    title: 'Finish signing up',
    text: 'With this you confirm that the address is yours, and your account is made. If you did not sign up yourself, close this page.',
    button: 'Make my account',
    done: 'Your account is ready. Sign in with the password that you chose when you signed up. If you signed up more than once, a mail is on its way in which you choose a new one.',
    ask: askAgain.en,
  },
  de: {
    title: 'Registrierung abschließen',
    text: 'Damit bestätigen Sie, dass die Adresse Ihnen gehört, und Ihr Konto wird angelegt. Haben Sie sich nicht selbst registriert, schließen Sie diese Seite.',
    button: 'Konto anlegen',
    done: 'Ihr Konto ist bereit. Melden Sie sich mit dem Passwort an, das Sie bei der Registrierung gewählt haben. Haben Sie sich mehrmals registriert, ist eine E-Mail unterwegs, über die Sie ein neues festlegen.',
    ask: askAgain.de,
  },
}

const changeWords: Record<Locale, PageWords> = {
  en: {
    title: 'Use this e-mail address',
    text: 'From now on your account has this address: you sign in with it, and our mails go there. If you did not ask for this yourself, close this page.',
    button: 'Use this address',
    done: 'Your account has the new address. You stay signed in wherever you are; sign in with the new address from now on.',
  },
  de: {
    title: 'Diese E-Mail-Adresse verwenden',
    text: 'Ihr Konto hat von jetzt an diese Adresse: Sie melden sich mit ihr an und erhalten dort unsere E-Mails. Haben Sie das nicht selbst gewünscht, schließen Sie diese Seite.',
    button: 'Adresse verwenden',
    done: 'Ihr Konto hat die neue Adresse. Sie bleiben überall angemeldet; melden Sie sich künftig mit der neuen Adresse an.',
  },
}

const resetWords: Record<Locale, PageWords> = {
  en: {
    title: 'Set a new password',
    text: 'It ends all your sessions: sign in again everywhere afterwards. A second factor is asked for as always.',
    button: 'Set the password',
    done: 'Your new password is set, and you are signed out everywhere. Sign in with it.',
    ask: {
      title: 'Set a new password',
      text: 'Enter the address of your account. We send a link there that lets you set a new password.',
      button: 'Send the link',
      done: 'If this address has an account, a mail with a link is on its way; it works for half an hour. Look into your spam folder too.',
    },
  },
  de: {
    title: 'Neues Passwort festlegen',
    text: 'Dabei werden alle Ihre Sitzungen beendet: Melden Sie sich danach überall neu an. Ein zweiter Faktor wird wie immer verlangt.',
    button: 'Passwort festlegen',
    done: 'Ihr neues Passwort gilt, und Sie sind überall abgemeldet. Melden Sie sich damit an.',
    ask: {
      title: 'Neues Passwort festlegen',
      text: 'Geben Sie die Adresse Ihres Kontos ein. Wir senden einen Link dorthin, mit dem Sie ein neues Passwort festlegen.',
      button: 'Link senden',
      done: 'Gehört zu dieser Adresse ein Konto, ist eine E-Mail mit einem Link unterwegs; er gilt eine halbe Stunde. Sehen Sie auch im Spam-Ordner nach.',
    },
  },
}

const unlockWords: Record<Locale, PageWords> = {
  en: {
    title: 'Unlock sign-in',
    text: 'Your account accepts passwords again at once, and the failures so far are forgotten.',
    button: 'Unlock',
    done: 'Your account is unlocked. Sign in as usual; if somebody else may know your password, set a new one.',
  },
  de: {
    title: 'Anmeldung entsperren',
    text: 'Ihr Konto nimmt sofort wieder Passwörter an, und die bisherigen Fehlversuche sind vergessen.',
    button: 'Entsperren',
    done: 'Ihr Konto ist entsperrt. Melden Sie sich wie gewohnt an; wenn jemand anderes Ihr Passwort kennen könnte, legen Sie ein neues fest.',
  },
}
