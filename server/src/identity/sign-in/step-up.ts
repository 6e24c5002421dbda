import { sql } from 'kysely'
import type { Database, Origin } from '../../platform/database/database.ts'
import { Problem } from '../../platform/problems.ts'
import { query, statement } from '../../platform/database/statement.ts'
import { authTime } from '../../directory/sessions/sessions.ts'
import { withAttempt } from '../lockout/attempts.ts'
import type { Lockout } from '../lockout/attempts.ts'
import type { Passwords } from '../passwords/passwords.ts'

/** Renews the moment of one's last proof (system login): the password's owner is still signed in. */
const renewSignIn = (session_id: string, user_id: string, password_hash: string) =>
  statement(
    query
      .updateTable('sessions')
      .from('users')
      .set({ authenticated_at: sql<string>`now()` })
      .whereRef('users.id', '=', 'sessions.user_id')
      .where('sessions.id', '=', session_id)
      .where('sessions.revoked_at', 'is', null)
      .where('sessions.expires_at', '>', sql<string>`now()`)
      .where('users.id', '=', user_id)
      .where('users.password_hash', '=', password_hash)
      .where('users.disabled_at', 'is', null)
      .where('users.deleted_at', 'is', null)
      .returning(authTime),
    ([row]) => {
      if (row === undefined) throw new Problem('session-ended')
      return row.auth_time
    },
  )

/** Proves again who one is, by password. Returns the new time of proof, in Unix seconds. @throws Problem invalid-credentials, session-ended */
export async function stepUp(
  tools: { database: Database; passwords: Passwords; lockout: Lockout },
  origin: Origin,
  { user_id, session_id }: { user_id: string; session_id: string },
  password: string,
): Promise<number> {
  const account = await withAttempt(
    tools,
    origin,
    { who: { user_id }, counter: 'password', failed: 'step-up-failed', session_id },
    found => tools.passwords.verify(found?.password_hash, password),
  )
  if (account === undefined) throw new Problem('invalid-credentials')
  return tools.database.system.run({ origin }, renewSignIn(session_id, user_id, account.password_hash ?? ''))
}
