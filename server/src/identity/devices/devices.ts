import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { Id, Nullable, Time } from '../../platform/schemas.ts'
import { affect, get, many, query } from '../../platform/database/statement.ts'

export const Device = Type.Object(
  {
    id: Id,
    user_agent: Nullable(Type.String({ maxLength: 500 })),
    ip: Nullable(Type.String({ maxLength: 45 })),
    trusted_until: Type.Unsafe<string | null>({
      ...Nullable(Time),
      description: 'Until then it skips the second factor.',
    }),
    created_at: Time,
    last_seen_at: Time,
    current: Type.Boolean({ description: 'Whether this session was begun on it.' }),
  },
  { title: 'Device' },
)

const devicePages = pagesOf(({ session_id }: { session_id: string }) =>
  query
    .selectFrom('devices')
    .select(['id', 'user_agent', 'ip', 'trusted_until', 'created_at', 'last_seen_at'])
    .select(
      sql<boolean>`id is not distinct from (select s.device_id from sessions s where s.id = ${session_id})`.as(
        'current',
      ),
    )
    .where('revoked_at', 'is', null)
    // The policy shows only one's own; said again here, it picks the index.
    .where('user_id', '=', sql<string>`(select user_id from self)`),
)

/** The browsers and apps that one has signed in with, the newest first. */
export const listDevices = (session_id: string, page: Page) =>
  devicePages({ session_id }, orderOf('-created_at', 'devices'), page)

/**
 * Forgets one of one's own devices, and ends its sessions: from now on it is a stranger. A sign-in on it at the same moment
 * comes first, and its session ends too, or begins on a device that nobody knows. @throws Problem not-found
 */
export async function revokeDevice(transaction: Transaction, id: string): Promise<void> {
  // The account first, as a sign-in and a reset do, which touch devices and sessions too.
  await transaction.run(
    get(
      query
        .selectFrom('self')
        .innerJoin('users', 'users.id', 'self.user_id')
        .select('users.id')
        .forNoKeyUpdate('users'),
    ),
  )
  await transaction.run(
    affect(
      query
        .updateTable('devices')
        .set({ revoked_at: sql<string>`now()` })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .returning('id'),
    ),
  )
  // A statement of its own: it sees the session that was begun while the device was waited for.
  await transaction.run(
    many(
      query
        .updateTable('sessions')
        .set({ revoked_at: sql<string>`now()`, revoked_reason: 'device-revoked' })
        .where('device_id', '=', id)
        .where('user_id', '=', sql<string>`(select user_id from self)`)
        .where('revoked_at', 'is', null)
        .returning('id'),
    ),
  )
}
