import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { Type } from 'typebox'
import { recordEvent } from '../../directory/history/history.ts'
import { seatRules, writeWithin } from '../../directory/organizations/organizations.ts'
import { revokeSessions } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import { superuserRules } from '../../directory/users/users.ts'
import { updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { affect, execute, find, many, raw, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import { Strict, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  issueToken,
  kindsThatEndWith,
  presentedToken,
  revokeTokens,
  tokenKind,
} from '../../platform/tokens/one-time-tokens.ts'
import { redeemLink } from '../accounts/links.ts'
import { revokeDevices } from '../devices/devices.ts'

const query = tables('system', 'users', 'live_users', 'organizations', 'memberships', 'sessions')

export const restoreAccountToken = tokenKind({
  purpose: 'restore-account',
  seconds: 90 * 86400,
  details: Strict({ mailed_at: Type.Optional(Time) }),
  followsAddress: true,
})

export const accountDeleted = eventKind('account-deleted')
export const accountRestored = eventKind('account-restored')

/** The minimum lifetime of the link to restore an account, in seconds; erasure runs no more often than this. */
const MIN_RESTORE_SECONDS = 3600

/**
 * Soft-deletes the user's own account: revokes every session, device and link at once, except the links that undo a change,
 * ends the memberships, and deletes organizations without another member. An email with a link can restore the account until
 * it is erased. All rows that the deletion ends get the same timestamp.
 * @throws Problem entity-tag-stale, last-owner, last-superuser, session-ended, busy when memberships keep beginning meanwhile
 */
export async function deleteAccount(
  visitor: SystemRunner,
  services: Pick<Services, 'config' | 'declared'>,
  session: SessionRef,
  condition: Condition,
): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) if (await tryToDelete(visitor, services, session, condition)) return
  throw new Problem('busy')
}

/** @returns false when a membership began meanwhile: its row comes before that of the account in the order of locks */
const tryToDelete = (
  visitor: SystemRunner,
  { config, declared }: Pick<Services, 'config' | 'declared'>,
  { user_id, session_id }: SessionRef,
  condition: Condition,
): Promise<boolean> =>
  // system: it ends memberships in every organization of the user, in any role
  visitor.transaction(async transaction => {
    await transaction.run(holdIfSuperuser(user_id))
    // Rows before other advisory locks, in the common order (docs/guides/isolation.md), to prevent deadlocks.
    const places = await transaction.run(listPlaces(user_id))
    for (const { organization_id } of places) {
      await transaction.run(writeWithin(organization_id))
      await transaction.run(lockMembership(organization_id, user_id))
    }
    for (const { organization_id } of places) {
      await transaction.run(writeWithin(organization_id))
      await transaction.run(lockOrganization(organization_id))
    }
    await transaction.run(lockAccount(user_id))
    await transaction.run(writeWithin(''))
    // The keys of limits, which the end of a membership takes, come before that of the user.
    await transaction.run(holdLimits(places.map(({ organization_id }) => organization_id)))
    // From here on no other session of this user changes anything: all of them need this key.
    await transaction.run(holdUser(user_id))
    const known = places.map(({ organization_id }) => organization_id)
    if ((await transaction.run(listPlaces(user_id))).some(place => !known.includes(place.organization_id))) return false
    await transaction.run(
      updateRow(
        { query, table: 'users', key: { id: user_id }, columns: ['id'], condition },
        { deleted_at: now },
        superuserRules,
      ),
    )
    for (const { organization_id } of places) {
      await transaction.run(writeWithin(organization_id))
      await transaction.run(closeIfAlone(organization_id, user_id))
      await transaction.run(endMembership(organization_id, user_id))
    }
    await transaction.run(revokeSessions(user_id, 'account-deleted'))
    await transaction.run(revokeDevices(user_id, null))
    await transaction.run(revokeTokens(user_id, kindsThatEndWith(declared.tokens, 'account')))
    const seconds = Math.max(config.deletion.graceDays * 86400, MIN_RESTORE_SECONDS)
    await transaction.run(issueToken(restoreAccountToken, { user_id, details: {}, seconds, mailed: true }))
    await transaction.run(recordEvent(accountDeleted, user_id, session_id))
    return true
  })

/**
 * Restores a deleted account by the link in the email, together with everything that the deletion ended: memberships,
 * unless they were removed since or the organization has no seat left, and deleted organizations. Creates no session.
 * @throws Problem invalid-token, busy when a slug is taken concurrently, seats-exhausted when the last seat is
 */
export async function restoreAccount(
  visitor: SystemRunner,
  { keys }: Pick<Services, 'keys'>,
  token: string,
): Promise<void> {
  const presented = await presentedToken(visitor, keys.oneTime, restoreAccountToken, token)
  const lock = (transaction: Transaction<'system'>) => lockMemberships(transaction, presented.user_id)
  const work = async (transaction: Transaction<'system'>) => {
    if (!(await restoreDeleted(transaction, presented.user_id))) throw new Problem('invalid-token')
  }
  await redeemLink(visitor, restoreAccountToken, presented, work, { lock })
}

/**
 * Restores a deleted account in a transaction that has locked its memberships and then the account, with everything that
 * the deletion ended. @returns false if no account is deleted and not erased @throws Problem busy
 */
export async function restoreDeleted(transaction: Transaction<'system'>, user_id: string | null): Promise<boolean> {
  const account = await transaction.run(findDeleted(user_id))
  if (account === undefined) return false
  const { id, deleted_at } = account
  const places = await transaction.run(listEnded(id, deleted_at))
  for (const { organization_id, is_closed } of places) {
    await transaction.run(writeWithin(organization_id))
    if (is_closed) await transaction.run(reopen(organization_id))
    await transaction.run(renewMembership(organization_id, id, deleted_at))
  }
  await transaction.run(writeWithin(''))
  await transaction.run(
    affect(query.updateTable('users').set({ deleted_at: null }).where('id', '=', id).returning('id')),
  )
  await transaction.run(revokeTokens(id, [restoreAccountToken]))
  await transaction.run(recordEvent(accountRestored, id, null))
  return true
}

const now = sql<string>`now()`

/** If the last two superusers leave at once, the second waits here, and the trigger `keep_a_superuser` then refuses it. */
const holdIfSuperuser = (user_id: string) =>
  execute(raw(query, sql`select hold_superusers() from users where id = ${user_id} and superuser`))

/** In an order that all deletions share, to prevent deadlocks. */
const listPlaces = (user_id: string) =>
  many(
    query
      .selectFrom('memberships')
      .innerJoin('organizations', 'organizations.id', 'memberships.organization_id')
      .select('memberships.organization_id')
      .where('memberships.user_id', '=', user_id)
      .where('memberships.deleted_at', 'is', null)
      .where('organizations.deleted_at', 'is', null)
      .orderBy('memberships.organization_id'),
  )

/** Keeps users from joining meanwhile: a new membership needs the organization's row. */
const lockOrganization = (id: string) =>
  execute(query.selectFrom('organizations').select('id').where('id', '=', id).forUpdate())

const lockMembership = (organization_id: string, user_id: string) =>
  execute(
    query
      .selectFrom('memberships')
      .select('role')
      .where('organization_id', '=', organization_id)
      .where('user_id', '=', user_id)
      .forNoKeyUpdate(),
  )

/** Locks all memberships of a deleted account, which comes after them in the order of locks. */
export async function lockMemberships(transaction: Transaction<'system'>, user_id: string | null): Promise<void> {
  if (user_id === null) return
  const places = query.selectFrom('memberships').select('organization_id').where('user_id', '=', user_id)
  for (const { organization_id } of await transaction.run(many(places.orderBy('organization_id')))) {
    await transaction.run(writeWithin(organization_id))
    await transaction.run(lockMembership(organization_id, user_id))
  }
}

/** The account, then its sessions. */
const lockAccount = (user_id: string) =>
  execute(
    query
      .with('account', users => users.selectFrom('users').select('id').where('id', '=', user_id).forNoKeyUpdate())
      .selectFrom('sessions')
      .innerJoin('account', 'account.id', 'sessions.user_id')
      .select('sessions.id')
      .where('sessions.revoked_at', 'is', null)
      .orderBy('sessions.id')
      .forNoKeyUpdate('sessions'),
  )

const holdLimits = (ids: readonly string[]) =>
  execute(raw(query, sql`select hold_limits(id) from unnest(${ids}::uuid[]) as id`))

const holdUser = (user_id: string) => execute(raw(query, sql`select hold_users(array[${user_id}::uuid])`))

const closeIfAlone = (organization_id: string, user_id: string) =>
  execute(
    query
      .updateTable('organizations')
      .set({ deleted_at: now })
      .where('id', '=', organization_id)
      .where('deleted_at', 'is', null)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('memberships')
              .select('memberships.user_id')
              .where('memberships.organization_id', '=', organization_id)
              .where('memberships.user_id', '<>', user_id)
              .where('memberships.deleted_at', 'is', null),
          ),
        ),
      ),
  )

const endMembership = (organization_id: string, user_id: string) =>
  execute(
    query
      .updateTable('memberships')
      .set({ deleted_at: now })
      .where('organization_id', '=', organization_id)
      .where('user_id', '=', user_id)
      .where('deleted_at', 'is', null),
    { memberships_keep_an_owner: 'last-owner' },
  )

/** Locked, so that the account is either restored or erased. */
const findDeleted = (user_id: string | null) =>
  find(
    query
      .selectFrom('users')
      .select('id')
      .select(eb => eb.ref('deleted_at').$notNull().as('deleted_at'))
      .where('id', '=', user_id)
      .where('deleted_at', 'is not', null)
      .where('erased_at', 'is', null)
      .forNoKeyUpdate(),
  )

/** The memberships that ended at this time, in organizations that exist or were deleted at the same time. */
const listEnded = (user_id: string, moment: string) =>
  many(
    query
      .selectFrom('memberships')
      .innerJoin('organizations', 'organizations.id', 'memberships.organization_id')
      .select('memberships.organization_id')
      .select(sql<boolean>`organizations.deleted_at is not null`.as('is_closed'))
      .where('memberships.user_id', '=', user_id)
      .where('memberships.deleted_at', '=', moment)
      .where(eb => eb.or([eb('organizations.deleted_at', 'is', null), eb('organizations.deleted_at', '=', moment)]))
      .orderBy('memberships.organization_id'),
  )

/** Restores an organization with its slug or, if another organization has that now, a similar one. */
const reopen = (id: string) =>
  affect(
    query
      .updateTable('organizations')
      .set({
        deleted_at: null,
        slug: sql<string>`case when exists (select from organizations o where o.slug = organizations.slug and o.deleted_at is null)
          then left(organizations.slug, 50) || ${`-${randomBytes(4).toString('hex')}`} else organizations.slug end`,
      })
      .where('id', '=', id)
      .returning('id'),
    { organizations_slug_key: 'busy' },
  )

/** Restores a membership, unless an administrator removed the member meanwhile, or the organization has no seat left. */
const renewMembership = (organization_id: string, user_id: string, moment: string) =>
  execute(
    query
      .updateTable('memberships')
      .set({ deleted_at: null })
      .where('organization_id', '=', organization_id)
      .where('user_id', '=', user_id)
      .where('deleted_at', '=', moment)
      .where(sql<boolean>`has_seat(organization_id, user_id)`),
    seatRules,
  )
