import { sql } from 'kysely'
import { recordEvent } from '../audit/audit.ts'
import type { Database, Origin } from '../core/database.ts'
import { invalidField, Problem } from '../core/problems.ts'
import { find, query, statement } from '../core/statement.ts'
import { authTime } from '../sessions/sessions.ts'
import type { NewAccount } from './accounts.ts'
import { createAccount, signIn } from './auth.ts'
import type { SecondFactorNeeded, SignedIn, SignInRules } from './auth.ts'
import type { Passwords } from './passwords.ts'

interface Tools {
  database: Database
  passwords: Passwords
}

/** A new account, signed in. @throws what createAccount and signIn throw */
export const signUp = (
  database: Database,
  rules: SignInRules,
  origin: Origin,
  account: NewAccount,
): Promise<SignedIn | SecondFactorNeeded> =>
  createAccount(database, origin, account, (transaction, { user }) =>
    signIn(transaction, rules, origin, { user_id: user.id, methods: ['password'], isTwoFactor: false }),
  )

/** The account that signs in with this address or username; the same statement whether there is one or not (system login). */
const findAccount = ({ email, username }: { email?: string; username?: string }) => {
  const accounts = query
    .selectFrom('users')
    .select(['id', 'password_hash'])
    .where('disabled_at', 'is', null)
    .where('deleted_at', 'is', null)
  return find(
    email === undefined
      ? accounts.where('username', '=', (username ?? '').toLowerCase())
      : accounts.where('email', '=', email.toLowerCase()),
  )
}

export interface Credentials {
  email?: string
  username?: string
  password: string
  organization_id?: string
  device_id?: string | undefined
}

/** By password. @throws Problem invalid-credentials, and what signIn throws */
export async function logIn(
  { database, passwords }: Tools,
  rules: SignInRules,
  origin: Origin,
  { password, organization_id, device_id, ...identifier }: Credentials,
): Promise<SignedIn | SecondFactorNeeded> {
  const account = await database.system.run({ origin }, findAccount(identifier))
  const verified = await passwords.verify(account?.password_hash, password)
  if (account === undefined || !verified) {
    await database.system.run({ origin }, recordEvent('login-failed', account?.id ?? null, null))
    throw new Problem('invalid-credentials')
  }
  const { id: user_id, password_hash } = account
  return database.system.transaction({ origin: { ...origin, user_id } }, transaction =>
    signIn(transaction, rules, origin, {
      user_id,
      password_hash: password_hash ?? '',
      methods: ['password'],
      isTwoFactor: false,
      organization_id,
      device_id,
    }),
  )
}

/** Another of one's organizations, which becomes the one that the next sign-in goes to. @throws Problem invalid-fields */
export const switchOrganization = (id: string) =>
  statement(
    query
      .with('hint', hint =>
        hint
          .updateTable('users')
          .set({ last_organization_id: id })
          .where('users.id', '=', eb =>
            eb
              .selectFrom('own_organizations')
              .select('own_organizations.user_id')
              .where('own_organizations.id', '=', id),
          )
          .returning('users.id'),
      )
      .selectFrom('own_organizations')
      .selectAll()
      .where('id', '=', id),
    rows => rows[0] ?? refuseOrganization(),
  )

function refuseOrganization(): never {
  throw invalidField('/organization_id', 'names no organization of yours')
}

/** Renews the moment of one's last proof (system login): the password's owner is still signed in. */
const renewSignIn = (session_id: string, user_id: string, password_hash: string) =>
  statement(
    query
      .updateTable('sessions')
      .from('users')
      .set({ authenticated_at: sql<string>`now()` })
      .whereRef('users.id', '=', 'sessions.user_id')
      .where('sessions.id', '=', session_id)
      .where('sessions.revoked_at', 'is', null)
      .where('sessions.expires_at', '>', sql<string>`now()`)
      .where('users.id', '=', user_id)
      .where('users.password_hash', '=', password_hash)
      .where('users.disabled_at', 'is', null)
      .where('users.deleted_at', 'is', null)
      .returning(authTime),
    ([row]) => {
      if (row === undefined) throw new Problem('session-ended')
      return row.auth_time
    },
  )

/** Proves again who one is, by password. Returns the new time of proof, in Unix seconds. @throws Problem invalid-credentials, session-ended */
export async function stepUp(
  { database, passwords }: Tools,
  origin: Origin,
  { user_id, session_id }: { user_id: string; session_id: string },
  password: string,
): Promise<number> {
  const account = await database.system.run(
    { origin },
    find(query.selectFrom('users').select('password_hash').where('id', '=', user_id)),
  )
  if (!(await passwords.verify(account?.password_hash, password))) {
    await database.system.run({ origin }, recordEvent('step-up-failed', user_id, session_id))
    throw new Problem('invalid-credentials')
  }
  return database.system.run({ origin }, renewSignIn(session_id, user_id, account?.password_hash ?? ''))
}
