import { sql } from 'kysely'
import { deriveKey } from '../../platform/crypto/sealing.ts'
import { feature } from '../../platform/feature.ts'
import type { Lockout } from './attempts.ts'
import { addressBlocked, secondFactorLocked, signInLocked, signInUnlocked, unlockToken } from './lockout.ts'
import { mails, tokenMails } from './mails.ts'
import { unlockPages } from './pages.ts'
import { lockoutRoutes } from './routes.ts'

declare module '../../platform/services.ts' {
  interface Services {
    readonly lockout: Lockout
  }
}

/** Lockout: counts guesses at passwords and codes, and locks and unlocks accounts. */
export const lockout = feature({
  name: 'lockout',
  uses: ['accounts', 'users', 'sessions', 'history', 'devices'],
  sql: [new URL('attempts.sql', import.meta.url)],
  tokens: [unlockToken],
  events: [signInLocked, secondFactorLocked, addressBlocked, signInUnlocked],
  mails,
  tokenMails,
  retention: [
    {
      table: 'throttles',
      key: 'updated_at',
      isOver: () => sql`updated_at < now() - interval '2 days' and coalesce(locked_until < now(), true)`,
    },
  ],
  provide: ({ config }) => ({ lockout: { ...config.lockout, key: deriveKey(config.secretKey, 'unknown names') } }),
  routes: [lockoutRoutes],
  pages: unlockPages,
})
