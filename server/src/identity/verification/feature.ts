import { feature } from '../../platform/feature.ts'
import { mails, tokenMails } from './mails.ts'
import { verificationPages } from './pages.ts'
import { verificationRoutes } from './routes.ts'
import { changeEmailToken, emailChanged, emailChangeRequested, verificationFailed } from './verification.ts'

/** Verifying email addresses by a link, and changing them. */
export const verification = feature({
  name: 'verification',
  uses: ['users', 'sessions', 'history', 'changes', 'accounts', 'passwords', 'lockout', 'factors', 'proofs', 'sign-up'],
  tokens: [changeEmailToken],
  events: [emailChangeRequested, emailChanged, verificationFailed],
  mails,
  tokenMails,
  routes: [verificationRoutes],
  pages: verificationPages,
})
