import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import type { Database, Origin, Transaction } from '../../platform/database/database.ts'
import { Problem } from '../../platform/problems.ts'
import { affect, find, get, query } from '../../platform/database/statement.ts'
import { authTime, revokeSession, sessionExpiry } from '../../directory/sessions/sessions.ts'
import { userColumns } from '../../directory/users/users.ts'
import { choose } from './sign-in.ts'
import type { SignedIn, SignInRules } from './sign-in.ts'
import { openRefreshToken } from './refresh-token.ts'
import type { RefreshToken } from './refresh-token.ts'

/** A generation that was handed on is honoured for this long, whatever has happened to its successor; seconds. */
const GRACE_SECONDS = 10

/**
 * Rotates a refresh token. Generation n gives n+1; n again, within ten seconds or before n+1 is first used, gives the same
 * n+1, so two tabs, a retry or a lost answer log nobody out and fork nothing. Anything older is a replay: it ends the
 * session. The row lock is the one that revocation takes.
 * @throws Problem invalid-refresh-token, email-unverified; invalid-fields when the organization asked for is not theirs
 */
export async function refresh(
  { database, key, rules }: { database: Database; key: Buffer; rules: SignInRules },
  origin: Origin,
  token: string,
  organization_id: string | undefined,
): Promise<SignedIn> {
  const presented = openRefreshToken(key, token)
  if (presented === undefined) throw new Problem('invalid-refresh-token')
  const refreshed = await database.system.transaction({ origin }, transaction =>
    rotate(transaction, presented, organization_id, rules),
  )
  if (refreshed === undefined) throw new Problem('invalid-refresh-token')
  return refreshed
}

/** Undefined when refused: what it wrote of the refusal stays. */
async function rotate(
  transaction: Transaction,
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
      recordEvent('refresh-token-reused', session.user_id, session.id, {
        generation: presented.generation,
        current: session.generation,
      }),
    )
    return undefined
  }
  const user = await transaction.run(
    get(query.selectFrom('users').select(userColumns).select('last_organization_id').where('id', '=', session.user_id)),
  )
  const organization = await choose(transaction, rules, user, asked, [
    session.organization_id,
    user.last_organization_id,
  ])
  if (age === 0) await transaction.run(handOn(session.id, rules.idleSeconds))
  return {
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
      .innerJoin('users', 'users.id', 'sessions.user_id')
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
      .where('users.disabled_at', 'is', null)
      .where('users.deleted_at', 'is', null)
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
