import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import { updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import type { Database, Origin } from '../../platform/database/database.ts'
import {
  findToken,
  issueToken,
  openToken,
  revokeTokens,
  spendToken,
  tokenLives,
} from '../../platform/tokens/one-time-tokens.ts'
import type { TokenPurpose } from '../../platform/tokens/one-time-tokens.ts'
import { Problem } from '../../platform/problems.ts'
import { find, get, many, query, raw, statement } from '../../platform/database/statement.ts'
import { revokeSessions } from '../../directory/sessions/sessions.ts'

export interface LeavingOptions {
  database: Database
  /** Opens one-time tokens. */
  key: Buffer
  /** How long a deleted account may be restored. */
  graceDays: number
}

/** Who leaves: the person of a live session. */
export interface Leaver {
  user_id: string
  session_id: string
}

/** However long the grace, there is an hour to take it back: a sweep comes no more often. Seconds. */
const SHORTEST_GRACE = 3600

/**
 * Deletes one's own account, softly: every session, device and link ends at once, one's memberships end, and what one was
 * alone in closes. A mail says so and brings it back until it is erased. What the deletion ended bears its very moment.
 * @throws Problem entity-tag-stale, last-owner, last-superuser, session-ended
 */
export const deleteAccount = (
  { system }: Database,
  origin: Origin,
  { user_id, session_id }: Leaver,
  condition: Condition,
  graceDays: number,
): Promise<void> =>
  system.transaction({ session_id, origin }, async transaction => {
    // From here on no other session of this person changes anything: the trigger holds the lock that all of them need.
    const { superuser } = await transaction.run(
      updateRow<{ superuser: boolean }>(
        { table: 'users', key: { id: user_id }, columns: ['superuser'], condition },
        { deleted_at: sql`now()` },
      ),
    )
    if (superuser) {
      await transaction.run(queueOfSuperusers)
      await transaction.run(keepSuperuser)
    }
    for (const { organization_id } of await transaction.run(listPlaces(user_id))) {
      await transaction.run(enter(organization_id))
      await transaction.run(hold(organization_id))
      await transaction.run(closeIfAlone(organization_id, user_id))
      await transaction.run(endMembership(organization_id, user_id))
    }
    await transaction.run(revokeSessions(user_id, 'account-deleted'))
    await transaction.run(revokeDevices(user_id))
    await transaction.run(revokeTokens(user_id, Object.keys(tokenLives) as TokenPurpose[]))
    const seconds = Math.max(graceDays * 86400, SHORTEST_GRACE)
    await transaction.run(issueToken({ purpose: 'restore-account', user_id, seconds, mailed: true }))
    await transaction.run(recordEvent('account-deleted', user_id, session_id))
  })

/**
 * Brings a deleted account back by the link in the mail, with what the deletion ended: one's memberships, and what was
 * closed with them. Signs nobody in. @throws Problem invalid-token, busy when a slug is taken at this very moment
 */
export async function restoreAccount({ system }: Database, key: Buffer, origin: Origin, token: string): Promise<void> {
  const token_id = openToken(key, 'restore-account', token)
  await system.transaction({ origin }, async transaction => {
    // First the account and then the token, as whoever erases it does.
    const found = await transaction.run(findToken('restore-account', token_id))
    const account = found && (await transaction.run(findDeleted(found.user_id)))
    if (account === undefined) throw new Problem('invalid-token')
    await transaction.run(spendToken('restore-account', token_id))
    const { id, deleted_at } = account
    for (const { organization_id, is_closed } of await transaction.run(listEnded(id, deleted_at))) {
      await transaction.run(enter(organization_id))
      if (is_closed) await transaction.run(reopen(organization_id))
      await transaction.run(renewMembership(organization_id, id))
    }
    await transaction.run(
      get(query.updateTable('users').set({ deleted_at: null }).where('id', '=', id).returning('id')),
    )
    await transaction.run(revokeTokens(id, ['restore-account']))
    await transaction.run(recordEvent('account-restored', id, null))
  })
}

/** The organization that the transaction writes in from here on. */
export const enter = (organization_id: string) =>
  find(raw(sql`select set_config('app.organization_id', ${organization_id}, true)`))

const now = sql<string>`now()`

/** Of the last two who leave at once, the second waits here, and then sees that the first has gone. */
const queueOfSuperusers = find(raw(sql`select pg_advisory_xact_lock(hashtextextended('superusers', 0))`))

/** @throws Problem last-superuser */
const keepSuperuser = statement(
  query
    .selectFrom('users')
    .select('id')
    .where('superuser', '=', true)
    .where('disabled_at', 'is', null)
    .where('deleted_at', 'is', null)
    .limit(1),
  rows => {
    if (rows.length === 0) throw new Problem('last-superuser')
  },
)

/** In an order that two deletions share, so that neither waits for the other for ever. */
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

/** Nobody joins meanwhile: a new membership needs the organization's row. */
const hold = (id: string) => find(query.selectFrom('organizations').select('id').where('id', '=', id).forUpdate())

const closeIfAlone = (organization_id: string, user_id: string) =>
  find(
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
      )
      .returning('id'),
  )

const endMembership = (organization_id: string, user_id: string) =>
  statement(
    query
      .updateTable('memberships')
      .set({ deleted_at: now })
      .where('organization_id', '=', organization_id)
      .where('user_id', '=', user_id)
      .where('deleted_at', 'is', null)
      .returning('user_id'),
    () => {},
    { memberships_keep_an_owner: 'last-owner' },
  )

const revokeDevices = (user_id: string) =>
  many(
    query
      .updateTable('devices')
      .set({ revoked_at: now })
      .where('user_id', '=', user_id)
      .where('revoked_at', 'is', null)
      .returning('id'),
  )

/** Held, so that it is restored or erased, and not both. */
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

/** The memberships that ended at this moment, in organizations that are there or were closed at the same moment. */
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

/** Under its slug, or, where somebody has it by now, one like it. */
const reopen = (id: string) =>
  get(
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

const renewMembership = (organization_id: string, user_id: string) =>
  get(
    query
      .updateTable('memberships')
      .set({ deleted_at: null })
      .where('organization_id', '=', organization_id)
      .where('user_id', '=', user_id)
      .returning('user_id'),
  )
