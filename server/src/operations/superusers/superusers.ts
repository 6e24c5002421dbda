import { sql } from 'kysely'
import { revokeSessions } from '../../directory/sessions/sessions.ts'
import { createAccount } from '../../identity/accounts/accounts.ts'
import type { AccountServices } from '../../identity/accounts/accounts.ts'
import { checkPassword } from '../../identity/passwords/password-policy.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { find, statement, tables } from '../../platform/database/statement.ts'
import { invalidField, isProblem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'

const query = tables('system', 'users', 'live_users')

/** The services that creating a superuser needs. */
type SuperuserServices = AccountServices & Pick<Services, 'passwords' | 'passwordPolicy'>

export interface Credentials {
  email: string
  password: string
}

/**
 * Creates the superuser that the environment names. An existing account is not changed: a warning is logged instead.
 */
export async function ensureFirstSuperuser(
  system: SystemRunner,
  services: SuperuserServices & Pick<Services, 'log'>,
  credentials: Credentials,
): Promise<void> {
  // system: it runs at the start, before any session
  const existing = await system.run(findByEmail(credentials.email))
  if (existing?.superuser) return
  if (existing !== undefined) {
    services.log.warn(
      'FIRST_SUPERUSER_EMAIL names an existing account that is not a superuser; it was not changed. `freehold superuser grant` promotes it.',
    )
    return
  }
  await createSuperuser(system, services, credentials).catch((error: unknown) => {
    // Another process that started at the same time created it.
    if (isProblem(error, 'email-taken')) return
    if (!isProblem(error, 'weak-password')) throw error
    throw new Error(`FIRST_SUPERUSER_PASSWORD ${(error.errors ?? []).map(({ detail }) => detail).join(', ')}`, {
      cause: error,
    })
  })
}

/** Creates an account with the platform role. @throws Problem weak-password, email-taken */
export async function createSuperuser(
  system: SystemRunner,
  services: SuperuserServices,
  { email, password }: Credentials,
): Promise<void> {
  const { passwords, passwordPolicy } = services
  if (!/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(email)) throw invalidField('/email', 'is not an email address')
  await checkPassword(password, passwordPolicy, [email])
  const account = { email, password_hash: await passwords.hash(password), superuser: true, email_verified: true }
  await createAccount(system, services, account, async () => {})
}

/**
 * Grants or revokes the platform role; revoking it revokes the account's sessions. @returns false when no account is
 * found
 */
export async function setSuperuser(
  transaction: Transaction<'system'>,
  email: string,
  superuser: boolean,
): Promise<boolean> {
  const user = await transaction.run(
    find(query.updateTable('users').set({ superuser }).where('email', '=', email.toLowerCase()).returning('id')),
  )
  if (user !== undefined && !superuser) await transaction.run(revokeSessions(user.id, 'superuser-revoked'))
  return user !== undefined
}

/** The addresses of all superusers, sorted. */
export const listSuperusers = statement(
  query.selectFrom('users').select('email').where('superuser', '=', true).orderBy('email'),
  rows => rows.map(({ email }) => email),
)

/** The addresses of live superusers whose password alone, if someone learns it, opens everything; sorted. */
export const listUnprotectedSuperusers = ({ hasSecondFactor }: Pick<Declarations, 'hasSecondFactor'>) =>
  statement(
    query
      .selectFrom('live_users')
      .select('email')
      .where('superuser', '=', true)
      .where(({ not }) => not(hasSecondFactor(sql.ref('live_users.id'))))
      .orderBy('email'),
    rows => rows.map(({ email }) => email),
  )

const findByEmail = (email: string) =>
  find(query.selectFrom('users').select(['id', 'superuser']).where('email', '=', email.toLowerCase()))
