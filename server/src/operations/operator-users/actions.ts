import { sql } from 'kysely'
import { recordEvents } from '../../directory/history/history.ts'
import { lockMemberships, restoreDeleted } from '../../identity/leaving/leaving.ts'
import { unlockSignIns } from '../../identity/lockout/lockout.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, many, raw, statement, tables } from '../../platform/database/statement.ts'
import type { PlainEvent } from '../../platform/mail/mails.ts'
import type { Outcome } from './bulk.ts'
import { contestRules, findContestingOwners } from '../support/support.ts'
import { accountDisabled, accountEnabled, passwordRequired } from './mails.ts'

const query = tables('system', 'users', 'live_users', 'sessions')

export const actions = ['disable', 'enable', 'restore', 'unlock', 'end-sessions', 'require-password-change'] as const
export type Action = (typeof actions)[number]

/** What an owner who can end an emergency access is safe from, until it opens. */
const endangering: readonly Action[] = ['disable', 'end-sessions', 'require-password-change']

interface LockedUser {
  id: string
  superuser: boolean
  disabled: boolean
  deleted: boolean
  has_password: boolean
  password_required: boolean
}

/** What an action needs to know of the accounts, which are locked. */
interface Locked {
  transaction: Transaction<'system'>
  users: readonly LockedUser[]
}

/**
 * Does the same to several accounts, with a number of statements that does not depend on how many there are, except for
 * restoring. Never to the operator's own account, nor to the last superuser. @returns what became of each; of an unknown
 * or erased account, nothing @throws Problem busy when an account is restored whose slugs are taken concurrently
 */
export async function actOnUsers(
  transaction: Transaction<'system'>,
  action: Action,
  ids: readonly string[],
  own_id: string,
): Promise<Map<string, Outcome>> {
  const others = ids.filter(id => id !== own_id).toSorted()
  const outcomes = new Map<string, Outcome>()
  if (others.length < ids.length) outcomes.set(own_id, { refused: 'own-account' })
  // The locks in the common order (docs/guides/isolation.md).
  if (action === 'restore')
    for (const { id } of await transaction.run(findDeleted(others))) await lockMemberships(transaction, id)
  if (action === 'disable') await transaction.run(holdIfSuperusers(others))
  const locked = await transaction.run(lockUsers(others))
  const contesting = endangering.includes(action) ? await transaction.run(findContestingOwners(others)) : new Set()
  const users = locked.filter(({ id }) => !contesting.has(id))
  for (const { id } of locked)
    outcomes.set(id, contesting.has(id) ? { refused: 'support-access-uncontested' } : 'unchanged')
  const mark = (changed: Iterable<string>, outcome: Outcome = 'done') => {
    for (const id of changed) outcomes.set(id, outcome)
  }
  await work[action]({ transaction, users }, mark)
  return outcomes
}

type Mark = (ids: Iterable<string>, outcome?: Outcome) => void

const idsOf = (users: readonly LockedUser[]): string[] => users.map(({ id }) => id)

const work: Readonly<Record<Action, (locked: Locked, mark: Mark) => Promise<void>>> = {
  disable: async ({ transaction, users }, mark) => {
    let enabled = users.filter(({ disabled }) => !disabled)
    if (enabled.some(({ superuser }) => superuser) && !(await transaction.run(hasOtherSuperuser(idsOf(enabled))))) {
      mark(idsOf(enabled.filter(({ superuser }) => superuser)), { refused: 'last-superuser' })
      enabled = enabled.filter(({ superuser }) => !superuser)
    }
    const ids = idsOf(enabled)
    await closeGates(transaction, ids)
    await transaction.run(setColumn(ids, 'disabled_at', true))
    await transaction.run(revokeSessionsOf(ids, 'account-disabled'))
    await note(transaction, accountDisabled, ids)
    mark(ids)
  },
  enable: async ({ transaction, users }, mark) => {
    const ids = idsOf(users.filter(({ disabled }) => disabled))
    await closeGates(transaction, ids)
    await transaction.run(setColumn(ids, 'disabled_at', false))
    await note(transaction, accountEnabled, ids)
    mark(ids)
  },
  restore: async ({ transaction, users }, mark) => {
    // Organizations that the deletion closed have no open gate yet. The permission is asked for again at the commit.
    await transaction.run(setPermission(''))
    for (const { id, deleted } of users) if (deleted && (await restoreDeleted(transaction, id))) mark([id])
    await transaction.run(setPermission('admin:users:write'))
  },
  unlock: async ({ transaction, users }, mark) => {
    mark(await transaction.run(unlockSignIns(idsOf(users), 'operator')))
  },
  'end-sessions': async ({ transaction, users }, mark) => {
    await closeGates(transaction, idsOf(users))
    mark(await transaction.run(revokeSessionsOf(idsOf(users), 'operator')))
  },
  'require-password-change': async ({ transaction, users }, mark) => {
    mark(idsOf(users.filter(({ has_password }) => !has_password)), { refused: 'account-without-password' })
    const ids = idsOf(users.filter(({ has_password, password_required }) => has_password && !password_required))
    await closeGates(transaction, ids)
    await transaction.run(setColumn(ids, 'password_change_required_at', true))
    await transaction.run(revokeSessionsOf(ids, 'password-change-required'))
    await note(transaction, passwordRequired, ids)
    mark(ids)
  },
}

const note = (transaction: Transaction<'system'>, event: PlainEvent, ids: readonly string[]): Promise<void> =>
  transaction.run(recordEvents(event, ids))

const setPermission = (permission: '' | 'admin:users:write') =>
  execute(raw(query, sql`select set_config('app.permission', ${permission}, true)`))

/** The key of the superusers, if one is among them: `keep_a_superuser` takes it as well (users-policies.sql). */
export const holdIfSuperusers = (ids: readonly string[]) =>
  execute(
    raw(
      query,
      sql`select hold_superusers() from (select from users where id = any (${ids}::uuid[]) and superuser limit 1) as one`,
    ),
  )

/** Whether there is a live superuser apart from these. */
export const hasOtherSuperuser = (ids: readonly string[]) =>
  statement(
    query
      .selectFrom('live_users')
      .select('id')
      .where('superuser', '=', true)
      .where(sql<boolean>`id <> all (${ids}::uuid[])`)
      .limit(1),
    rows => rows.length > 0,
  )

const findDeleted = (ids: readonly string[]) =>
  many(
    query
      .selectFrom('users')
      .select('id')
      .where(sql<boolean>`id = any (${ids}::uuid[])`)
      .where('deleted_at', 'is not', null)
      .where('erased_at', 'is', null)
      .orderBy('id'),
  )

const lockUsers = (ids: readonly string[]) =>
  many(
    query
      .selectFrom('users')
      .select(['id', 'superuser'])
      .select([
        sql<boolean>`disabled_at is not null`.as('disabled'),
        sql<boolean>`deleted_at is not null`.as('deleted'),
        sql<boolean>`password_hash is not null`.as('has_password'),
        sql<boolean>`password_change_required_at is not null`.as('password_required'),
      ])
      .where(sql<boolean>`id = any (${ids}::uuid[])`)
      .where('erased_at', 'is', null)
      .orderBy('id')
      .forNoKeyUpdate(),
  )

/** Locks the sessions of locked accounts, and then the keys of their users, before anything about them changes. */
export const closeGates = (transaction: Transaction<'system'>, ids: readonly string[]): Promise<void> =>
  transaction.run(
    execute(
      raw(
        query,
        sql`with locked as materialized (
            select id from sessions where user_id = any (${ids}::uuid[]) and revoked_at is null order by id for no key update)
          select hold_users(${ids}::uuid[]) from (select count(*) from locked) as counted`,
      ),
    ),
  )

const setColumn = (ids: readonly string[], column: 'disabled_at' | 'password_change_required_at', isSet: boolean) =>
  execute(
    query
      .updateTable('users')
      .set({ [column]: isSet ? sql<string>`now()` : null })
      .where(sql<boolean>`id = any (${ids}::uuid[])`),
    contestRules,
  )

/** Revokes all sessions of locked accounts. @returns the users of whom one was live */
export const revokeSessionsOf = (ids: readonly string[], reason: string) =>
  statement(
    query
      .updateTable('sessions')
      .set({ revoked_at: sql<string>`now()`, revoked_reason: reason })
      .where(sql<boolean>`user_id = any (${ids}::uuid[])`)
      .where('revoked_at', 'is', null)
      .returning('user_id'),
    rows => new Set(rows.map(({ user_id }) => user_id)),
    contestRules,
  )
