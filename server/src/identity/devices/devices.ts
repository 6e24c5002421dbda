import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import { lockOwnAccount, revokeSessionsOfDevice } from '../../directory/sessions/sessions.ts'
import type { Transaction } from '../../platform/database/database.ts'
import type { Origin } from '../../platform/database/scope.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { affect, execute, tables } from '../../platform/database/statement.ts'
import { Id, Nullable, Time } from '../../platform/schemas.ts'

const own = tables('tenant', 'devices', 'sessions', 'self')
const query = tables('system', 'devices', 'sessions')

export const Device = Type.Object(
  {
    id: Id,
    user_agent: Nullable(Type.String({ maxLength: 500 })),
    ip: Nullable(Type.String({ maxLength: 45 })),
    trusted_until: Type.Unsafe<string | null>({
      ...Nullable(Time),
      description: 'Until this time the device skips the second factor.',
    }),
    created_at: Time,
    last_seen_at: Time,
    current: Type.Boolean({ description: 'Whether the session of this request began on it.' }),
  },
  { title: 'Device' },
)

const devicePages = pagesOf(({ session_id }: { session_id: string }) =>
  own
    .selectFrom('devices')
    .select(['id', 'user_agent', 'ip', 'trusted_until', 'created_at', 'last_seen_at'])
    .select(
      sql<boolean>`id is not distinct from (select s.device_id from sessions s where s.id = ${session_id})`.as(
        'current',
      ),
    )
    .where('revoked_at', 'is', null)
    // The policy already restricts this to the current user; repeated here, so that the index is used.
    .where('user_id', '=', sql<string>`(select user_id from self)`),
)

/** The browsers and apps that the current user has signed in with, the newest first. */
export const listDevices = (session_id: string, page: Page) =>
  devicePages({ session_id }, orderOf('-created_at', 'devices'), page)

/**
 * Revokes one of the current user's devices and its sessions; the device is unknown from then on. A concurrent sign-in
 * on it finishes first, and its session is revoked too, or begins on a new device. @throws Problem not-found,
 * session-ended
 */
export async function revokeDevice(transaction: Transaction<'tenant'>, id: string): Promise<void> {
  // The account first, as in a sign-in and a reset, which also change devices and sessions.
  await transaction.run(lockOwnAccount)
  // Checked again: a concurrent revocation may have revoked this session while this waited for the lock.
  await transaction.run(lockOwnAccount)
  await transaction.run(
    affect(
      own
        .updateTable('devices')
        .set({ revoked_at: sql<string>`now()` })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .returning('id'),
    ),
  )
  // A separate statement, so that it sees a session that began while this waited for the device.
  await transaction.run(revokeSessionsOfDevice(id))
}

/**
 * A device of the user, and whether it is trusted to skip the second factor, as SQL; locked until the transaction ends.
 */
export const findDevice = (user_id: string, id: string | undefined): RawBuilder<{ id: string; is_trusted: boolean }> =>
  // A revocation waits for this lock, and then revokes the new session as well.
  sql`select id, coalesce(trusted_until > now(), false) as is_trusted from devices
    where id = ${id ?? null}::uuid and user_id = ${user_id} and revoked_at is null for no key update`

/** Records the sign-in on this device, or on a new one, as SQL that returns its id. */
export const rememberDevice = (
  user_id: string,
  id: string | undefined,
  trustSeconds: number | undefined,
  { ip, user_agent }: Origin,
): RawBuilder<{ id: string }> => {
  const trusted_until = sql`now() + make_interval(secs => ${trustSeconds ?? null})`
  return id === undefined
    ? sql`insert into devices (user_id, ip, user_agent, trusted_until) values (${user_id}, ${ip}, ${user_agent}, ${trusted_until}) returning id`
    : sql`update devices set last_seen_at = now(), ip = ${ip}, user_agent = ${user_agent}, trusted_until = coalesce(${trusted_until}, trusted_until)
        where id = ${id} returning id`
}

/** Revokes all devices of a user except the one that a session began on. Their sessions stay. */
export const revokeDevices = (user_id: string, kept_session_id: string | null) =>
  execute(
    query
      .updateTable('devices')
      .set({ revoked_at: sql<string>`now()` })
      .where('user_id', '=', user_id)
      .where('revoked_at', 'is', null)
      .where(sql<boolean>`id is distinct from (select s.device_id from sessions s where s.id = ${kept_session_id})`)
      .returning('id'),
  )

/** Removes the trust in all devices of a user: sign-ins on them require the second factor again. */
export const untrustDevices = (user_id: string) =>
  execute(query.updateTable('devices').set({ trusted_until: null }).where('user_id', '=', user_id))
