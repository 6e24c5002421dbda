import { feature } from '../../platform/feature.ts'
import { mails } from './mails.ts'
import { offerChanges, undoPages } from './pages.ts'
import { undoRoutes } from './routes.ts'
import { changeUndone, undoFailed } from './undo.ts'

/** Undoes a change of a sign-in method: by the link in the email about it, and after a password reset. */
export const undo = feature({
  name: 'undo',
  uses: [
    'users',
    'sessions',
    'history',
    'changes',
    'accounts',
    'devices',
    'lockout',
    'factors',
    'proofs',
    'recovery',
    'passkeys',
  ],
  events: [changeUndone, undoFailed],
  mails,
  provide: services => ({ offerAfterReset: offerChanges(services) }),
  routes: [undoRoutes],
  pages: undoPages,
})
