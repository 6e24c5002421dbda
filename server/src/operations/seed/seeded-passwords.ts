import { sql } from 'kysely'
import type { SystemRunner } from '../../platform/database/database.ts'
import { execute, statement, tables } from '../../platform/database/statement.ts'

const query = tables('system', 'seeded_accounts', 'live_users')

/** Every live account whose password hash is still the seeded one; no password is hashed. */
const seededPasswords = statement(
  query
    .selectFrom('seeded_accounts')
    .innerJoin('live_users', 'live_users.id', 'seeded_accounts.user_id')
    .select('live_users.email')
    .where(sql<boolean>`sha256(convert_to(live_users.password_hash, 'UTF8')) = seeded_accounts.hash_digest`)
    .orderBy('live_users.email'),
  rows => rows.map(({ email }) => email),
)

/**
 * What is wrong outside development if live accounts still have the passwords that `freehold seed` gave them.
 * @returns the fault with its remedy, or undefined
 */
export async function seededPasswordsFault(system: SystemRunner): Promise<string | undefined> {
  // system: it runs at the start and in doctor, without a session, and reads password hashes
  const emails = await system.run(seededPasswords)
  if (emails.length === 0) return undefined
  const [count, have] = emails.length === 1 ? ['1 account', 'has'] : [`${emails.length} accounts`, 'have']
  return `${count} still ${have} the public password of \`freehold seed\`, such as ${emails[0]}: use a database without seed data, or change the passwords of these accounts or disable them`
}

/** Of an account that is being erased. */
export const forgetSeededAccount = (user_id: string) =>
  execute(query.deleteFrom('seeded_accounts').where('user_id', '=', user_id).returning('user_id'))
