import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { get, raw, statement, tables } from '../../platform/database/statement.ts'
import type { Outcome } from '../operator-users/bulk.ts'
import { contestRules } from '../support/support.ts'

const query = tables('system', 'sessions', 'users', 'organizations', 'contesting_owners')

/** The reason that a session was revoked for, as its row and the security event store it. */
const REASON = 'operator'

/** How many sessions one statement revokes: each takes a lock on the key of its user. */
const MAX = 1000

/**
 * Revokes live sessions of any users, as the last part of a `with`: the sessions are locked by id, then the keys of their
 * users, so that concurrent revocations wait for each other and do not deadlock.
 */
const revoking = (which: RawBuilder<boolean>) => sql`locked as materialized (
    select id, user_id from sessions where revoked_at is null and ${which} order by id limit ${MAX} for no key update),
  held as materialized (select hold_users(array(select user_id from locked)) as held),
  revoked as (
    update sessions set revoked_at = now(), revoked_reason = ${REASON} from locked, held
    where sessions.id = locked.id and sessions.revoked_at is null returning sessions.id)`

const ofContesting = sql<boolean>`sessions.user_id in (select user_id from contesting_owners)`

/**
 * Revokes some sessions, but neither the operator's own nor those of an owner who can end an emergency access.
 * @returns what became of each; of an unknown one, nothing @throws Problem support-access-uncontested, if that was granted
 * at the same moment
 */
export const revokeSessions = (ids: readonly string[], own_id: string) =>
  statement(
    raw(
      query,
      sql<{
        id: string
        is_revoked: boolean
        is_kept: boolean
      }>`with ${revoking(sql<boolean>`id = any (${ids}::uuid[]) and id <> ${own_id} and not ${ofContesting}`)}
        select sessions.id, exists (select from revoked where revoked.id = sessions.id) as is_revoked,
          sessions.revoked_at is null and ${ofContesting} as is_kept
        from sessions where sessions.id = any (${ids}::uuid[])`,
    ),
    rows =>
      new Map(
        rows.map(({ id, is_revoked, is_kept }): [string, Outcome] => [
          id,
          id === own_id
            ? { refused: 'own-session' }
            : is_kept
              ? { refused: 'support-access-uncontested' }
              : is_revoked
                ? 'done'
                : 'unchanged',
        ]),
      ),
    contestRules,
  )

/** Revokes the sessions of an account, at most 1,000. @throws Problem support-access-uncontested, not-found (when read) */
export const revokeSessionsOfUser = (user_id: string) =>
  counting(sql<boolean>`user_id = ${user_id}`, sql`users where id = ${user_id} and erased_at is null`)

/**
 * Revokes the sessions that have chosen an organization, except the operator's own; at most 1,000.
 * @throws Problem support-access-uncontested, not-found (when read)
 */
export const revokeSessionsOfOrganization = (organization_id: string, own_id: string) =>
  counting(
    sql<boolean>`organization_id = ${organization_id} and id <> ${own_id}`,
    sql`organizations where id = ${organization_id}`,
  )

const counting = (which: RawBuilder<boolean>, owner: RawBuilder<unknown>) =>
  get(
    raw(
      query,
      sql<{ revoked: number; has_more: boolean }>`with ${revoking(which)}
        select (select count(*)::int from revoked) as revoked, (select count(*) from locked) = ${MAX} as has_more from ${owner}`,
    ),
    contestRules,
  )
