import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Origin } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { Problem } from '../../platform/problems.ts'
import { Id, Nullable, Time } from '../../platform/schemas.ts'
import { affect, get, many, query, statement } from '../../platform/database/statement.ts'

export const Session = Type.Object(
  {
    id: Id,
    user_agent: Nullable(Type.String({ maxLength: 500 })),
    ip: Nullable(Type.String({ maxLength: 45 })),
    authenticated_at: Time,
    created_at: Time,
    last_seen_at: Time,
    expires_at: Time,
    current: Type.Boolean({ description: 'Whether this request came from it.' }),
  },
  { title: 'Session' },
)

/** However often it is refreshed, a session ends this long after its sign-in. */
const ABSOLUTE_DAYS = 90

/** When a session that is used now ends unless it is used again. */
export const sessionExpiry = (idleSeconds: number, createdAt = sql<string>`now()`) =>
  sql<string>`least(now() + make_interval(secs => ${idleSeconds}), ${createdAt} + make_interval(days => ${ABSOLUTE_DAYS}))`

/** When the person last proved who they are, as tokens say it: whole Unix seconds, never in the future. */
export const authTime = sql<number>`floor(extract(epoch from sessions.authenticated_at))::int`.as('auth_time')

/** Signs a device in (system login). */
export const createSession = (
  user_id: string,
  organization_id: string | null,
  idleSeconds: number,
  { ip, user_agent }: Origin,
  { methods, isTwoFactor, device_id }: { methods: string[]; isTwoFactor: boolean; device_id: string },
) =>
  get(
    query
      .insertInto('sessions')
      .values({
        user_id,
        organization_id,
        methods,
        second_factor_at: isTwoFactor ? sql<string>`now()` : null,
        device_id,
        ip,
        user_agent,
        expires_at: sessionExpiry(idleSeconds),
      })
      .returning(['id', 'generation', authTime]),
  )

const sessionPages = pagesOf(({ current_id }: { current_id: string }) =>
  query
    .selectFrom('sessions')
    .select(['id', 'user_agent', 'ip', 'authenticated_at', 'created_at', 'last_seen_at', 'expires_at'])
    .select(sql<boolean>`id = ${current_id}`.as('current'))
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', sql<string>`now()`)
    // The policy shows only one's own; said again here, it picks the index.
    .where('user_id', '=', sql<string>`(select user_id from self)`),
)

/** One's own live sessions, the newest first. */
export const listSessions = (current_id: string, page: Page) =>
  sessionPages({ current_id }, orderOf('-created_at', 'sessions'), page)

/** A session of somebody, as the access token names it. */
export interface OwnSession {
  user_id: string
  session_id: string
}

/**
 * Holds a person's account and session until the transaction ends (system login): what changes how somebody gets in
 * begins with it, so that changes take turns, and nothing of them commits under a session that has ended. @throws Problem session-ended
 */
export const lockSession = ({ user_id, session_id }: OwnSession) =>
  statement(
    query
      // The account before the session, as whoever closes either does: nobody waits for one another for ever.
      .with('person', users =>
        users
          .selectFrom('users')
          .select('id')
          .where('id', '=', user_id)
          .where('disabled_at', 'is', null)
          .where('deleted_at', 'is', null)
          .forNoKeyUpdate(),
      )
      .selectFrom('sessions')
      .innerJoin('person', 'person.id', 'sessions.user_id')
      .select('sessions.id')
      .where('sessions.id', '=', session_id)
      .where('sessions.revoked_at', 'is', null)
      .where('sessions.expires_at', '>', sql<string>`now()`)
      .forNoKeyUpdate('sessions'),
    ([row]) => {
      if (row === undefined) throw new Problem('session-ended')
    },
  )

const revoked = (reason: string) =>
  query
    .updateTable('sessions')
    .set({ revoked_at: sql<string>`now()`, revoked_reason: reason })
    .where('revoked_at', 'is', null)

/** Ends one of one's own sessions, at once and everywhere. */
export const revokeSession = (id: string, reason: string) =>
  affect(revoked(reason).where('id', '=', id).returning('id'))

/** Ends all sessions of a person. */
export const revokeSessions = (user_id: string, reason: string) =>
  many(revoked(reason).where('user_id', '=', user_id).returning('id'))

/** Ends all sessions of a person but one. */
export const revokeOtherSessions = (user_id: string, kept_id: string, reason: string) =>
  many(revoked(reason).where('user_id', '=', user_id).where('id', '<>', kept_id).returning('id'))

/** Ends all sessions of a person that have proved no second factor, but the one that is kept. */
export const revokeUnprovedSessions = (user_id: string, kept_id: string, reason: string) =>
  many(
    revoked(reason)
      .where('user_id', '=', user_id)
      .where('id', '<>', kept_id)
      .where('second_factor_at', 'is', null)
      .returning('id'),
  )
