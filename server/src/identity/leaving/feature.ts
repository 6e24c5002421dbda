import { sql } from 'kysely'
import { feature } from '../../platform/feature.ts'
import { accountErased, erasePlatformRows } from './erasure.ts'
import { accountExported, linksSection } from './export.ts'
import { accountDeleted, accountRestored, restoreAccountToken } from './leaving.ts'
import { mails, tokenMails } from './mails.ts'
import { leavingPages } from './pages.ts'
import { leavingRoutes } from './routes.ts'

/** The end of accounts: deletion, restoration and erasure, and the export of a user's data. */
export const leaving = feature({
  name: 'leaving',
  uses: ['accounts', 'users', 'sessions', 'history', 'organizations', 'limits', 'devices', 'factors'],
  tokens: [restoreAccountToken],
  events: [accountDeleted, accountRestored, accountExported, accountErased],
  mails,
  tokenMails,
  // The tables of the platform, which no feature owns.
  retention: [
    { table: 'one_time_tokens', key: 'expires_at', isOver: () => sql`expires_at < now() - interval '7 days'` },
    { table: 'idempotency_keys', key: 'created_at', isOver: () => sql`created_at < now() - interval '1 day'` },
  ],
  erasure: erasePlatformRows,
  export: [linksSection],
  routes: [leavingRoutes],
  pages: leavingPages,
})
