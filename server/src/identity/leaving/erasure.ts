import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import type { Database, Transaction } from '../../platform/database/database.ts'
import { find, many, query, raw } from '../../platform/database/statement.ts'
import { personalOrganizationId } from '../../directory/organizations/organizations.ts'
import { enter } from './leaving.ts'
import { retireNames } from '../../directory/users/retired-names.ts'

export interface ErasureRules {
  /** How long a deleted account may still be restored. */
  graceDays: number
  /** What digests of names are made with, where they may not be used again. */
  retiredKey: Buffer | undefined
}

const origin = { request_id: 'erasure', ip: '', user_agent: '' }

/** However short the grace, the mail that tells of the deletion is sent before its address is erased. */
const SHORTEST_GRACE = '5 minutes'

/** As many accounts as one sweep erases; the rest is left to the next. */
const MOST_ACCOUNTS = 1000

/**
 * Erases every deleted account whose grace is over (system login). One whose erasure is broken off is erased anew: it is
 * only marked at the end, in the transaction that does the most of it. @returns how many
 */
export async function eraseAccounts(database: Database, rules: ErasureRules, signal?: AbortSignal): Promise<number> {
  let erased = 0
  for (const { id } of await database.system.run({ origin }, many(due(rules).limit(MOST_ACCOUNTS)))) {
    if (signal?.aborted === true) break
    await forgetOrigins(database, id)
    if (await eraseAccount(database, rules, id)) erased++
  }
  return erased
}

const due = ({ graceDays }: ErasureRules) =>
  query
    .selectFrom('users')
    .select(['id', 'email', 'username'])
    .where('erased_at', 'is', null)
    .where(
      'deleted_at',
      '<=',
      sql<string>`now() - greatest(make_interval(days => ${graceDays}), ${SHORTEST_GRACE}::interval)`,
    )
    .orderBy('deleted_at')

/** Where the person came from, in the history of each organization: addresses and programs go, who did what stays. */
async function forgetOrigins({ system }: Database, user_id: string): Promise<void> {
  const marked = sql<boolean>`a.organization_id = organizations.id and a.actor_id = ${user_id} and (a.ip is not null or a.user_agent is not null)`
  const organizations = query
    .selectFrom('organizations')
    .select('id')
    .where(sql<boolean>`exists (select from audit_log a where ${marked})`)
  for (const { id: organization_id } of await system.run({ origin }, many(organizations))) {
    const batch = find(
      raw(sql`with gone as (
        update audit_log set ip = null, user_agent = null where organization_id = ${organization_id} and id = any (array(
          select id from audit_log where organization_id = ${organization_id} and actor_id = ${user_id}
            and (ip is not null or user_agent is not null) limit 5000)) returning 1)
        select 1 from gone limit 1`),
    )
    while ((await system.run({ organization_id, origin }, batch)) !== undefined);
  }
}

/** @returns false when it has been restored, or erased by somebody else, since */
const eraseAccount = ({ system }: Database, rules: ErasureRules, id: string): Promise<boolean> =>
  system.transaction({ origin }, async transaction => {
    const account = await transaction.run(find(due(rules).where('id', '=', id).forNoKeyUpdate()))
    if (account === undefined) return false
    if (rules.retiredKey !== undefined) await transaction.run(retireNames(rules.retiredKey, account))
    for (const rows of belongings(account)) await transaction.run(find(raw(rows)))
    await erasePlaces(transaction, account)
    await transaction.run(recordEvent('account-erased', id, null))
    await transaction.run(find(overwritten(id)))
    return true
  })

/** What is the person's own: how they signed in, from where, and what was mailed to them. */
const belongings = ({ id, email }: { id: string; email: string }) => [
  sql`delete from one_time_tokens where user_id = ${id} or email = ${email}`,
  sql`delete from sessions where user_id = ${id}`,
  sql`delete from devices where user_id = ${id}`,
  sql`delete from identities where user_id = ${id}`,
  sql`delete from passkeys where user_id = ${id}`,
  sql`delete from totp_factors where user_id = ${id}`,
  sql`delete from recovery_codes where user_id = ${id}`,
  sql`delete from idempotency_keys where user_id = ${id}`,
  sql`update security_events set ip = null, user_agent = null where user_id = ${id}`,
  sql`update security_events set ip = null, user_agent = null where actor_id = ${id} and actor_id is distinct from user_id`,
]

/** What stands about the person in organizations. Their personal one goes with its history: nobody else was ever in it. */
async function erasePlaces(transaction: Transaction, { id, email }: { id: string; email: string }): Promise<void> {
  const places = query.selectFrom('memberships').select('organization_id').where('user_id', '=', id)
  for (const { organization_id } of await transaction.run(many(places))) {
    await transaction.run(enter(organization_id))
    await transaction.run(
      find(
        // Who was made a member at the moment of the deletion is none now; an organization keeps its owner all the same.
        raw(sql`update memberships set title = null, company = null,
            deleted_at = case when role = 'owner' then deleted_at else coalesce(deleted_at, now()) end
          where organization_id = ${organization_id} and user_id = ${id}
            and (title is not null or company is not null or (deleted_at is null and role <> 'owner'))`),
      ),
    )
  }
  const invitations = query.selectFrom('invitations').select('organization_id').distinct().where('email', '=', email)
  for (const { organization_id } of await transaction.run(many(invitations))) {
    await transaction.run(enter(organization_id))
    await transaction.run(
      find(raw(sql`delete from invitations where organization_id = ${organization_id} and email = ${email}`)),
    )
  }
  const personal_id = personalOrganizationId(id)
  await transaction.run(enter(personal_id))
  await transaction.run(find(raw(sql`delete from organizations where id = ${personal_id}`)))
  await transaction.run(find(raw(sql`delete from audit_log where organization_id = ${personal_id}`)))
}

/** The row stays for whatever refers to it. The address is nobody's: no name ends in .invalid (RFC 2606, section 2), and none can be taken beforehand. */
const overwritten = (id: string) =>
  query
    .updateTable('users')
    .set({
      email: sql<string>`gen_random_uuid() || '@erased.invalid'`,
      username: null,
      password_hash: null,
      given_name: null,
      family_name: null,
      full_name: null,
      superuser: false,
      email_verified_at: null,
      last_organization_id: null,
      locale: null,
      erased_at: sql<string>`now()`,
    })
    .where('id', '=', id)
    .returning('id')
