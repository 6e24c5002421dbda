import type { SystemRunner } from '../../platform/database/database.ts'
import { feature } from '../../platform/feature.ts'
import type { Locale } from '../../platform/locales.ts'
import type { Offered } from '../../platform/pages/account-pages-fields.ts'
import { mails, tokenMails } from './mails.ts'
import { recoveryPages } from './pages.ts'
import { passwordChanged, passwordReset, resetPasswordToken } from './recovery.ts'
import { recoveryRoutes } from './routes.ts'

declare module '../../platform/services.ts' {
  interface Services {
    /** What the page offers after a reset to the reader of the mailbox; nothing, unless a feature adds something. */
    readonly offerAfterReset: (email: string, visitor: SystemRunner, locale: Locale) => Promise<Offered | undefined>
  }
}

/** Resetting a forgotten password, and changing the password. */
export const recovery = feature({
  name: 'recovery',
  uses: ['users', 'sessions', 'history', 'changes', 'accounts', 'passwords', 'devices', 'lockout', 'proofs'],
  tokens: [resetPasswordToken],
  events: [passwordReset, passwordChanged],
  mails,
  tokenMails,
  provide: () => ({ offerAfterReset: async () => undefined }),
  routes: [recoveryRoutes],
  pages: recoveryPages,
})
