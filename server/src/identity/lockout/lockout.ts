import { sql } from 'kysely'
import type { Database, Origin } from '../../platform/database/database.ts'
import { openToken, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import { Problem } from '../../platform/problems.ts'
import { find, query, raw, statement } from '../../platform/database/statement.ts'

/**
 * Lifts the locks of a person's sign-in (system login), that on the codes of the second factor only for an operator: else
 * a mailbox would be worth as many guesses as it takes; what is being verified right now still counts. Mails about it
 * unlock nothing any more.
 * @returns whether there was a lock
 */
export const unlockSignIn = (user_id: string, by: 'mail' | 'operator' | 'password-reset') =>
  statement(
    raw(sql`with counters as materialized (
        select key, locked_until from throttles
        where key in (select 'account ' || ${user_id} union all select 'mfa ' || ${user_id} where ${by} = 'operator'
          union all select 'device ' || id from devices where user_id = ${user_id}::uuid)
        order by key for update),
      lifted as (update throttles set failures = 0, counted_since = null, locked_until = null, updated_at = now()
        from counters where throttles.key = counters.key),
      ended as (update one_time_tokens set used_at = now() where user_id = ${user_id}::uuid and purpose = 'unlock' and used_at is null)
      select record_event('sign-in-unlocked', ${user_id}::uuid, null, ${JSON.stringify({ by })})
      from (select from counters where locked_until > now() limit 1) locked`),
    rows => rows.length > 0,
  )

/** By the link in the mail that told of the lock. @throws Problem invalid-token */
export async function unlockByToken(database: Database, key: Buffer, origin: Origin, token: string): Promise<void> {
  const id = openToken(key, 'unlock', token)
  await database.system.transaction({ origin }, async transaction => {
    const { user_id } = await transaction.run(spendToken('unlock', id))
    // Nobody is sent the token of a name that nobody has.
    if (user_id === null) throw new Problem('invalid-token')
    await transaction.run(unlockSignIn(user_id, 'mail'))
  })
}

/** By an operator. @returns whether there was a lock, or undefined when there is no such account */
export async function unlockByName(database: Database, name: string): Promise<boolean | undefined> {
  const origin: Origin = { request_id: 'unlock', ip: '', user_agent: 'freehold' }
  const users = query.selectFrom('users').select('id')
  const user = await database.system.run(
    { origin },
    find(users.where(name.includes('@') ? 'email' : 'username', '=', name.toLowerCase())),
  )
  return user && database.system.run({ origin }, unlockSignIn(user.id, 'operator'))
}
