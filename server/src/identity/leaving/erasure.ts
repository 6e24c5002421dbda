import { sql } from 'kysely'
import { forgetOrigins, recordEvent } from '../../directory/history/history.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { execute, find, many, raw, tables } from '../../platform/database/statement.ts'
import type { ErasedAccount } from '../../platform/feature.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import type { Services } from '../../platform/services.ts'
import { lockMemberships } from './leaving.ts'

const query = tables('system', 'users', 'account_addresses', 'one_time_tokens', 'idempotency_keys')

export const accountErased = eventKind('account-erased')

/** The minimum grace period, so that the email about the deletion is sent before its address is erased. */
const MIN_GRACE = '5 minutes'

/** The accounts that one sweep erases; the rest waits for the next. */
const MAX_ACCOUNTS = 1000

/**
 * Erases every deleted account whose grace period is over. An interrupted erasure is repeated, since the account is
 * marked only at the end, in the transaction that does most of the work. @returns how many
 */
export async function eraseAccounts(system: SystemRunner, services: Services, signal?: AbortSignal): Promise<number> {
  const { graceDays } = services.config.deletion
  let erased = 0
  // system: erasure runs on a schedule, and deleted accounts have no session
  for (const { id } of await system.run(many(due(graceDays).limit(MAX_ACCOUNTS)))) {
    if (signal?.aborted === true) break
    await forgetOrigins(system, id)
    if (await eraseAccount(system, services, id)) erased++
  }
  return erased
}

const due = (graceDays: number) =>
  query
    .selectFrom('users')
    .select(['id', 'email', 'username'])
    .where('erased_at', 'is', null)
    .where(
      'deleted_at',
      '<=',
      sql<string>`now() - greatest(make_interval(days => ${graceDays}), ${MIN_GRACE}::interval)`,
    )
    .orderBy('deleted_at')

/** @returns false when it was restored, or erased by another process, in the meantime */
const eraseAccount = (system: SystemRunner, services: Services, id: string): Promise<boolean> =>
  // system: as above, for the rows of the account in every feature
  system.transaction(async transaction => {
    const { config, declared } = services
    await lockMemberships(transaction, id)
    const account = await transaction.run(find(due(config.deletion.graceDays).where('id', '=', id).forNoKeyUpdate()))
    if (account === undefined) return false
    await declared.eraseAccount(transaction, account, services)
    await transaction.run(recordEvent(accountErased, id, null))
    return true
  })

/** The platform's rows of an account: one-time tokens for any of its addresses, and its stored responses. */
export const erasePlatformRows = ({ id }: ErasedAccount) => [
  execute(query.deleteFrom('one_time_tokens').where('user_id', '=', id)),
  execute(
    raw(
      query,
      sql`delete from one_time_tokens t using account_addresses a where a.user_id = ${id} and t.email = a.email
        and t.user_id is null and a.email_verified and (a.held_until is null or t.created_at <= a.held_until)`,
    ),
  ),
  execute(query.deleteFrom('idempotency_keys').where('user_id', '=', id)),
]
