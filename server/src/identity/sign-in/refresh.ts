import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import { authTime, revokeSession, sessionExpiry } from '../../directory/sessions/sessions.ts'
import { userColumns } from '../../directory/users/users.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { affect, find, get, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { openRefreshToken } from './refresh-token.ts'
import type { RefreshToken } from './refresh-token.ts'
import { chooseForSession } from './sign-in.ts'
import type { SignedIn, SignInRules } from './sign-in.ts'

const query = tables('system', 'sessions', 'users', 'live_users')

export const refreshTokenReused = eventKind('refresh-token-reused', { mailed: true })

/** A generation that was handed on is honoured for this long, whatever has happened to its successor; seconds. */
const GRACE_SECONDS = 10

/**
 * Rotates a refresh token. Generation n gives n+1; n again, within ten seconds or before n+1 is first used, gives the same
 * n+1, so two tabs, a retry or a lost answer log no one out and fork nothing. Anything older is a replay: it revokes the
 * session. The row lock is the one that revocation takes.
 * @throws Problem invalid-refresh-token, email-unverified; invalid-fields when the organization asked for is not the user's
 */
export async function refresh(
  visitor: SystemRunner,
  { keys, signInRules }: Pick<Services, 'keys' | 'signInRules'>,
  token: string,
  organization_id: string | undefined,
): Promise<SignedIn> {
  const presented = openRefreshToken(keys.refresh, token)
  if (presented === undefined) throw new Problem('invalid-refresh-token')
  // system: the refresh token is what the client has left, and may belong to a session that is over
  const refreshed = await visitor.transaction(transaction =>
    rotate(transaction, presented, organization_id, signInRules),
  )
  if (refreshed === undefined) throw new Problem('invalid-refresh-token')
  return refreshed
}

/** Undefined when refused: what it wrote of the refusal stays. */
async function rotate(
  transaction: Transaction<'system'>,
  presented: RefreshToken,
  asked: string | undefined,
  rules: SignInRules,
): Promise<SignedIn | undefined> {
  const session = await transaction.run(lockSession(presented))
  if (session === undefined || presented.generation > session.generation) return undefined
  const age = session.generation - presented.generation
  if (age > 1 && session.handed_on_recently !== true) {
    await transaction.run(revokeSession(session.id, 'refresh-token-reused'))
    await transaction.run(
      recordEvent(refreshTokenReused, session.user_id, session.id, {
        generation: presented.generation,
        current: session.generation,
      }),
    )
    return undefined
  }
  const { last_organization_id, ...user } = await transaction.run(
    get(query.selectFrom('users').select(userColumns).select('last_organization_id').where('id', '=', session.user_id)),
  )
  const preferred = [session.organization_id, last_organization_id]
  const organization = await chooseForSession(transaction, rules, user, asked, preferred)
  if (age === 0) await transaction.run(handOn(session.id, rules.idleSeconds))
  return {
    outcome: 'signed-in',
    user,
    organization,
    session: { id: session.id, generation: presented.generation + 1, auth_time: session.auth_time },
  }
}

/** The live session, locked against revocation and other refreshes until the transaction ends. */
const lockSession = ({ session_id, generation }: RefreshToken) =>
  find(
    query
      .selectFrom('sessions')
      .innerJoin('live_users', 'live_users.id', 'sessions.user_id')
      .select(['sessions.id', 'sessions.user_id', 'sessions.organization_id', 'sessions.generation'])
      .select(authTime)
      // rotated_at holds the moments of the latest hand-overs: the last belongs to the generation before the current one.
      .select(
        sql<
          boolean | null
        >`sessions.rotated_at[cardinality(sessions.rotated_at) - (sessions.generation - ${generation}::int) + 1]
          > clock_timestamp() - make_interval(secs => ${GRACE_SECONDS})`.as('handed_on_recently'),
      )
      .where('sessions.id', '=', session_id)
      .where('sessions.revoked_at', 'is', null)
      .where('sessions.expires_at', '>', sql<string>`now()`)
      .forUpdate('sessions'),
  )

const handOn = (id: string, idleSeconds: number) =>
  affect(
    query
      .updateTable('sessions')
      .set({
        generation: sql<number>`generation + 1`,
        // Only what may still be asked about.
        rotated_at: sql<
          string[]
        >`array(select moment from unnest(rotated_at) moment where moment > clock_timestamp() - interval '1 minute') || clock_timestamp()`,
        last_seen_at: sql<string>`now()`,
        expires_at: sessionExpiry(idleSeconds, sql<string>`created_at`),
      })
      .where('id', '=', id)
      .returning('id'),
  )

/** Revokes the session of a refresh token, if it is not over already. @throws Problem invalid-refresh-token */
export async function logOutByToken(
  visitor: SystemRunner,
  { keys }: Pick<Services, 'keys'>,
  token: string,
): Promise<void> {
  const presented = openRefreshToken(keys.refresh, token)
  if (presented === undefined) throw new Problem('invalid-refresh-token')
  // system: the access token has expired, and the refresh token names the session
  await visitor.run(revokeSession(presented.session_id, 'logout')).catch(ignoreMissing)
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Problem) || error.code !== 'not-found') throw error
}
