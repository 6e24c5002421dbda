import type { FastifyBaseLogger } from 'fastify'
import type { Database, Origin } from '../../platform/database/database.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { find, query } from '../../platform/database/statement.ts'
import { revokeSessions } from '../../directory/sessions/sessions.ts'
import { createAccount } from '../../identity/sign-in/sign-in.ts'
import type { AccountTools } from '../../identity/sign-in/sign-in.ts'
import { checkPassword } from '../../identity/passwords/password-policy.ts'
import type { PasswordPolicy } from '../../identity/passwords/password-policy.ts'
import type { Passwords } from '../../identity/passwords/passwords.ts'

interface Tools extends AccountTools {
  passwords: Passwords
  policy: PasswordPolicy
}

export interface Credentials {
  email: string
  password: string
}

const origin: Origin = { request_id: 'superuser', ip: '', user_agent: 'freehold' }

/** Makes the superuser that the environment names. An existing account is neither promoted nor given the password: a warning instead. */
export async function ensureFirstSuperuser(
  { log, ...tools }: Tools & { log: FastifyBaseLogger },
  credentials: Credentials,
): Promise<void> {
  const existing = await tools.database.system.run({ origin }, findByEmail(credentials.email))
  if (existing?.superuser) return
  if (existing !== undefined) {
    log.warn(
      'FIRST_SUPERUSER_EMAIL names an existing account that is no superuser; it stays as it is. `freehold superuser grant` promotes it.',
    )
    return
  }
  await createSuperuser(tools, credentials).catch((error: unknown) => {
    // Another process that started at the same time made it.
    if (error instanceof Problem && error.code === 'email-taken') return
    if (!(error instanceof Problem) || error.code !== 'weak-password') throw error
    throw new Error(`FIRST_SUPERUSER_PASSWORD ${(error.errors ?? []).map(({ detail }) => detail).join(', ')}`, {
      cause: error,
    })
  })
}

/** A new account with the platform role. @throws Problem weak-password, email-taken */
export async function createSuperuser(
  { passwords, policy, ...tools }: Tools,
  { email, password }: Credentials,
): Promise<void> {
  if (!/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(email)) throw invalidField('/email', 'is no e-mail address')
  await checkPassword(password, policy, [email])
  await createAccount(
    tools,
    origin,
    { email, password_hash: await passwords.hash(password), superuser: true, email_verified: true },
    async () => {},
  )
}

/** Gives or takes the platform role; taking it ends the account's sessions. @returns false when there is no such account */
export async function setSuperuser(database: Database, email: string, superuser: boolean): Promise<boolean> {
  return database.system.transaction({ origin }, async transaction => {
    const user = await transaction.run(
      find(query.updateTable('users').set({ superuser }).where('email', '=', email.toLowerCase()).returning('id')),
    )
    if (user !== undefined && !superuser) await transaction.run(revokeSessions(user.id, 'superuser-revoked'))
    return user !== undefined
  })
}

export const listSuperusers = (database: Database) =>
  database.system.run(
    { origin },
    {
      ...find(query.selectFrom('users').select('email').where('superuser', '=', true).orderBy('email')),
      read: rows => rows.map(row => String(row['email'])),
    },
  )

const findByEmail = (email: string) =>
  find(query.selectFrom('users').select(['id', 'superuser']).where('email', '=', email.toLowerCase()))
