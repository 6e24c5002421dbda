import { changeCredentials, renewSignIn } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { statement, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { passwordGuess, withAttempt } from '../lockout/attempts.ts'

const query = tables('system', 'live_users')

export const stepUpFailed = eventKind('step-up-failed')

/**
 * Re-authenticates by password. @returns the new `auth_time`, in Unix seconds
 * @throws Problem invalid-credentials, session-ended; rate-limited, busy
 */
export async function stepUpByPassword(
  visitor: SystemRunner,
  services: Pick<Services, 'lockout' | 'passwords'>,
  { user_id, session_id }: SessionRef,
  password: string,
): Promise<number> {
  const guess = { ...passwordGuess, who: { user_id }, failed: stepUpFailed, session_id }
  const account = await withAttempt(visitor, services, guess, found =>
    services.passwords.verify(found?.secret, password),
  )
  if (account === undefined) throw new Problem('invalid-credentials')
  return changeCredentials(visitor, { user_id, session_id }, async transaction => {
    await transaction.run(requirePassword(user_id, account.secret ?? ''))
    return transaction.run(renewSignIn(session_id))
  })
}

/** The password may have been changed since it was verified. @throws Problem session-ended (when read) */
const requirePassword = (user_id: string, password_hash: string) =>
  statement(
    query.selectFrom('live_users').select('id').where('id', '=', user_id).where('password_hash', '=', password_hash),
    ([row]) => {
      if (row === undefined) throw new Problem('session-ended')
    },
  )
