import { sql } from 'kysely'
import { Type } from 'typebox'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { find, raw, statement, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import { Strict, Time } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { presentedToken, tokenKind } from '../../platform/tokens/one-time-tokens.ts'
import { redeemLink } from '../accounts/links.ts'

const query = tables('system', 'throttles', 'devices', 'users', 'one_time_tokens')

/** Unlocks the sign-in of an account. `lock_throttle` creates it, with the lifetime of the lock. */
export const unlockToken = tokenKind({
  purpose: 'unlock',
  seconds: 86400,
  details: Strict({
    counter: Type.Optional(Type.String({ description: 'What is locked: `account`, `device` or `unknown`.' })),
    mailed_at: Type.Optional(Time),
  }),
  endsWithAddress: true,
})

/**
 * Recorded by `lock_throttle`, in SQL. The email about locked passwords is sent for the unlock token, not for this
 * event.
 */
export const signInLocked = eventKind('sign-in-locked')
export const secondFactorLocked = eventKind('second-factor-locked', { mailed: true })
export const addressBlocked = eventKind('address-blocked')
export const signInUnlocked = eventKind('sign-in-unlocked')

/**
 * Lifts the locks of the sign-in of users. Only an operator also lifts the lock on second-factor codes: otherwise a mailbox
 * would allow unlimited guesses, and guesses being verified must still count. Emailed unlock links become invalid.
 * @returns the users of whom something was locked
 */
export const unlockSignIns = (user_ids: readonly string[], by: 'mail' | 'operator' | 'password-reset') =>
  statement(
    raw(
      query,
      sql<{ user_id: string }>`with people as materialized (select unnest(${user_ids}::uuid[]) as id),
      counters as materialized (
        select throttles.key, throttles.locked_until, named.user_id from throttles join (
            select 'account ' || id as key, id as user_id from people union all select 'mfa ' || id, id from people where ${by} = 'operator'
            union all select 'device ' || devices.id, people.id from devices join people on people.id = devices.user_id) as named on named.key = throttles.key
        order by throttles.key for update of throttles),
      lifted as (update throttles set failures = 0, counted_since = null, locked_until = null, updated_at = now()
        from counters where throttles.key = counters.key),
      ended as (update one_time_tokens set used_at = now()
        where user_id in (select id from people) and purpose = ${unlockToken.purpose} and used_at is null)
      select locked.user_id, record_event(${signInUnlocked.type}, locked.user_id, null, ${JSON.stringify({ by })})
      from (select distinct user_id from counters where locked_until > now()) locked`,
    ),
    rows => new Set(rows.map(({ user_id }) => user_id)),
  )

/** Unlocks by the link in the email about the lock. @throws Problem invalid-token */
export async function unlockByToken(
  visitor: SystemRunner,
  { keys }: Pick<Services, 'keys'>,
  token: string,
): Promise<void> {
  const presented = await presentedToken(visitor, keys.oneTime, unlockToken, token)
  await redeemLink(visitor, unlockToken, presented, async (transaction, { user_id }) => {
    // The token of an unknown name is never emailed.
    if (user_id === null) throw new Problem('invalid-token')
    await transaction.run(unlockSignIns([user_id], 'mail'))
  })
}

/**
 * For operators: unlocks an account by address or username. @returns whether there was a lock; undefined without an
 * account
 */
export async function unlockByName(transaction: Transaction<'system'>, name: string): Promise<boolean | undefined> {
  const column = name.includes('@') ? 'email' : 'username'
  const user = await transaction.run(
    find(query.selectFrom('users').select('id').where(column, '=', name.toLowerCase())),
  )
  return user && (await transaction.run(unlockSignIns([user.id], 'operator'))).has(user.id)
}
