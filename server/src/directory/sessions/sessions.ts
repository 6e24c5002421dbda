import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Runner, SystemRunner, Transaction } from '../../platform/database/database.ts'
import type { Origin } from '../../platform/database/scope.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { Problem } from '../../platform/problems.ts'
import { Id, Nullable, Time } from '../../platform/schemas.ts'
import { affect, execute, get, raw, statement, tables } from '../../platform/database/statement.ts'

export const Session = Type.Object(
  {
    id: Id,
    user_agent: Nullable(Type.String({ maxLength: 500 })),
    ip: Nullable(Type.String({ maxLength: 45 })),
    authenticated_at: Time,
    created_at: Time,
    last_seen_at: Time,
    expires_at: Time,
    current: Type.Boolean({ description: 'Whether it is the session of this request.' }),
  },
  { title: 'Session' },
)

/** A session expires at the latest this long after its sign-in, even if it is refreshed. */
const ABSOLUTE_DAYS = 90

/** When a session that is used now expires unless it is used again. */
export const sessionExpiry = (idleSeconds: number, createdAt = sql<string>`now()`) =>
  sql<string>`least(now() + make_interval(secs => ${idleSeconds}), ${createdAt} + make_interval(days => ${ABSOLUTE_DAYS}))`

/** The time of the last sign-in or step-up, as tokens state it: whole Unix seconds, never in the future. */
export const authTime = sql<number>`floor(extract(epoch from sessions.authenticated_at))::int`.as('auth_time')

const query = tables('system', 'sessions', 'live_users')

/** The values of a new session. */
export interface NewSession {
  user_id: string
  organization_id: string | undefined
  /** The sign-in methods that were verified, and whether they are two factors. */
  methods: readonly string[]
  isTwoFactor: boolean
  idleSeconds: number
  origin: Origin
}

/** The row of a new session on a device, as SQL for the statement that also writes the device. */
export const insertSession = (
  { user_id, organization_id, methods, isTwoFactor, idleSeconds, origin: { ip, user_agent } }: NewSession,
  device_id: RawBuilder<string>,
): RawBuilder<{ id: string; generation: number; auth_time: number }> =>
  sql`insert into sessions (user_id, organization_id, methods, second_factor_at, device_id, ip, user_agent, expires_at)
    values (${user_id}, ${organization_id ?? null}, ${methods}, case when ${isTwoFactor} then now() end, ${device_id}, ${ip}, ${user_agent},
      ${sessionExpiry(idleSeconds)}) returning id, generation, ${authTime}`

const own = tables('tenant', 'sessions', 'users', 'self')

const sessionPages = pagesOf(({ current_id }: { current_id: string }) =>
  own
    .selectFrom('sessions')
    .select(['id', 'user_agent', 'ip', 'authenticated_at', 'created_at', 'last_seen_at', 'expires_at'])
    .select(sql<boolean>`id = ${current_id}`.as('current'))
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', sql<string>`now()`)
    // The policy already restricts this to the current user; repeated here, so that the index is used.
    .where('user_id', '=', sql<string>`(select user_id from self)`),
)

/** The current user's live sessions, the newest first. */
export const listSessions = (current_id: string, page: Page) =>
  sessionPages({ current_id }, orderOf('-created_at', 'sessions'), page)

/** A session, as the access token names it. */
export interface SessionRef {
  user_id: string
  session_id: string
}

/**
 * Locks the account and the session until the transaction ends. Every change of sign-in methods begins with it, so that
 * changes run one at a time, and none commits under a revoked session. @throws Problem session-ended
 */
const lockSession = ({ user_id, session_id }: SessionRef) =>
  statement(
    query
      // The account before the session, as in every transaction that revokes either, to prevent deadlocks.
      .with('person', users => users.selectFrom('live_users').select('id').where('id', '=', user_id).forNoKeyUpdate())
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

/**
 * Changes secrets of the caller's account (system login, under the caller's session). The account is locked first, then
 * the session. If `work` throws, the change is rolled back. @throws Problem session-ended
 */
export const changeCredentials = <Result>(
  visitor: Runner<'system'>,
  session: SessionRef,
  work: (transaction: Transaction<'system'>) => Promise<Result>,
): Promise<Result> =>
  // system: the tenant login cannot read hashes, secrets and one-time tokens
  visitor.transaction(async transaction => {
    await transaction.run(lockSession(session))
    return work(transaction)
  })

const either = tables('either', 'sessions')

/** Locks the sessions in the order of their ids before the update, so that concurrent revocations do not deadlock. */
const revocation = (reason: string, which: RawBuilder<boolean>) =>
  either
    .updateTable('sessions')
    .set({ revoked_at: sql<string>`now()`, revoked_reason: reason })
    .where(
      sql<boolean>`id = any (array(select id from sessions where revoked_at is null and ${which} order by id for no key update))`,
    )
    .returning('id')

const revoked = (reason: string, which: RawBuilder<boolean>) => execute(revocation(reason, which))

/** Revokes a session; every process refuses it at once. */
export const revokeSession = (id: string, reason: string) =>
  affect(
    either
      .updateTable('sessions')
      .set({ revoked_at: sql<string>`now()`, revoked_reason: reason })
      .where('revoked_at', 'is', null)
      .where('id', '=', id)
      .returning('id'),
  )

/** Revokes all sessions of a user. */
export const revokeSessions = (user_id: string, reason: string) => revoked(reason, sql`user_id = ${user_id}`)

/**
 * Locks the current user's account. It comes before its sessions, as in every transaction that changes several of them.
 * @throws Problem session-ended
 */
export const lockOwnAccount = statement(
  own.selectFrom('self').innerJoin('users', 'users.id', 'self.user_id').select('users.id').forNoKeyUpdate('users'),
  ([row]) => {
    if (row === undefined) throw new Problem('session-ended')
  },
)

/** Revokes all sessions of the current user, including that of a concurrent sign-in. @throws Problem session-ended */
export async function revokeOwnSessions(
  transaction: Transaction<'tenant'>,
  user_id: string,
  reason: string,
): Promise<void> {
  await transaction.run(lockOwnAccount)
  // Checked again: this session may have been revoked while this waited for the lock of the account.
  await transaction.run(lockOwnAccount)
  // An operator revokes a session without the lock of its account: then this session sees none of the others any more.
  await transaction.finish(
    statement(revocation(reason, sql`user_id = ${user_id}`), ([row]) => {
      if (row === undefined) throw new Problem('session-ended')
    }),
  )
}

/** Revokes all sessions of a user but one. */
export const revokeOtherSessions = (user_id: string, kept_id: string, reason: string) =>
  revoked(reason, sql`user_id = ${user_id} and id <> ${kept_id}`)

/** Revokes all sessions of a user without a verified second factor, except the one to keep. */
export const revokeSingleFactorSessions = (user_id: string, kept_id: string, reason: string) =>
  revoked(reason, sql`user_id = ${user_id} and id <> ${kept_id} and second_factor_at is null`)

/** Revokes the sessions that began on a device. */
export const revokeSessionsOfDevice = (device_id: string) =>
  revoked('device-revoked', sql`user_id = (select user_id from self) and device_id = ${device_id}`)

/** Updates the time of the last sign-in of a locked session. @returns the new `auth_time`, in Unix seconds */
export const renewSignIn = (session_id: string) =>
  statement(
    query
      .updateTable('sessions')
      .set({ authenticated_at: sql<string>`now()` })
      .where('id', '=', session_id)
      .returning(authTime),
    ([row]) => {
      if (row === undefined) throw new Problem('session-ended')
      return row.auth_time
    },
  )

/**
 * Records that a session has verified a second factor. A factor does not count if it is the only method that the
 * session began with, as with a passkey that did not verify its user.
 */
export const noteSecondFactor = (session_id: string, method: string) =>
  execute(
    raw(
      query,
      sql`update sessions set second_factor_at = case when methods <@ array[${method}::text] then second_factor_at else now() end,
        methods = case when ${method} = any (methods) then methods else methods || ${method}::text end
      where id = ${session_id}`,
    ),
  )

/** Resets the verified second factor of all sessions of a user, for example when the last one was removed. */
export const forgetSecondFactor = (user_id: string) =>
  execute(
    raw(
      query,
      sql`update sessions set second_factor_at = null where user_id = ${user_id} and second_factor_at is not null`,
    ),
  )

/** Sessions of one batch, which is a transaction of its own. */
const BATCH = 1000
/** Batches of one run; the rest waits for the next. */
const MAX_BATCHES = 500

/**
 * Notes which sessions are over, so that the active ones are found without reading past them: in batches, until none is left or
 * `signal` is aborted. @returns how many
 */
export async function noteSessionsOver(system: SystemRunner, signal?: AbortSignal): Promise<number> {
  let [noted, last]: [number, string | null] = [0, null]
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    if (signal?.aborted === true) break
    // system: sessions of all users, outside of any request
    const done: { rows: number; last: string | null } = await system.run(noteBatchOver(last))
    noted += done.rows
    last = done.last
    if (done.rows < BATCH) break
  }
  return noted
}

/** A batch after the session `last`, without those that are in use. */
const noteBatchOver = (last: string | null) =>
  get(
    raw(
      query,
      sql<{ rows: number; last: string | null }>`with noted as (
          update sessions set over_noted = true where id in (
            select id from sessions where not over_noted and (revoked_at is not null or expires_at <= now())
              and id > coalesce(${last}::uuid, '00000000-0000-0000-0000-000000000000') order by id limit ${BATCH} for no key update skip locked)
          returning id)
        select count(*)::int as rows, (array_agg(id order by id desc))[1]::text as last from noted`,
    ),
  )
