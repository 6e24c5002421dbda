import { feature } from '../../platform/feature.ts'
import { mails, tokenMails } from './mails.ts'
import { recoveryPages } from './pages.ts'
import { passwordChanged, passwordChangeFailed, passwordReset, resetPasswordToken } from './recovery.ts'
import { recoveryRoutes } from './routes.ts'

/** Forgotten passwords, and changes of a password. */
export const recovery = feature({
  name: 'recovery',
  uses: ['users', 'sessions', 'history', 'accounts', 'passwords', 'devices', 'lockout'],
  tokens: [resetPasswordToken],
  events: [passwordReset, passwordChanged, passwordChangeFailed],
  mails,
  tokenMails,
  routes: [recoveryRoutes],
  pages: recoveryPages,
})
