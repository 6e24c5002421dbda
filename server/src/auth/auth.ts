import { randomUUIDv7 } from 'node:crypto'
import { sql } from 'kysely'
import type { Role } from '../access/permissions.ts'
import { recordEvent } from '../audit/audit.ts'
import type { Database, Origin, Transaction } from '../core/database.ts'
import { invalidField, Problem } from '../core/problems.ts'
import { NAME_LENGTH } from '../core/schemas.ts'
import { claimSlug } from '../core/slugs.ts'
import { affect, find, get, query, statement } from '../core/statement.ts'
import {
  chooseOrganization,
  insertOrganization,
  insertOwner,
  personalOrganizationId,
} from '../organizations/organizations.ts'
import type { OrganizationRow } from '../organizations/organizations.ts'
import { authTime, createSession } from '../sessions/sessions.ts'
import { normalizeNames, userColumns } from '../users/users.ts'
import type { User } from '../users/users.ts'
import type { Passwords } from './passwords.ts'

/** Someone signed in: what tokens are minted from. */
export interface SignedIn {
  user: User
  organization: (OrganizationRow & { role: Role }) | undefined
  session: { id: string; generation: number; auth_time: number }
}

export interface NewAccount {
  email: string
  password_hash: string
  username?: string | undefined
  given_name?: string | undefined
  family_name?: string | undefined
  full_name?: string | undefined
  superuser?: boolean
  /** The team to found; without one the account gets a personal organization. */
  organization?: { name: string; slug?: string | undefined } | undefined
}

const taken = { users_email_key: 'email-taken', users_username_key: 'username-taken' } as const

/** Makes a person and their first organization, or nothing; `then` runs in the same transaction. @throws Problem email-taken, username-taken, organization-slug-taken */
export async function createAccount<Result>(
  database: Database,
  origin: Origin,
  account: NewAccount,
  then: (
    transaction: Transaction,
    made: { user: User; organization: OrganizationRow & { role: Role } },
  ) => Promise<Result>,
): Promise<Result> {
  const { organization: team, email, ...names } = account
  const id = randomUUIDv7()
  const organization_id = team === undefined ? personalOrganizationId(id) : randomUUIDv7()
  const joined = [names.given_name, names.family_name].filter(name => name !== undefined).join(' ')
  // Two names of the longest kind make one that is too long.
  const full_name = names.full_name ?? (Array.from(joined).slice(0, NAME_LENGTH).join('') || null)
  const person = {
    id,
    ...normalizeNames(names),
    email: email.toLowerCase(),
    full_name,
    last_organization_id: organization_id,
  }
  const founding = team ?? {
    name: full_name ?? person.username ?? 'Personal',
    slug: `personal-${organization_id.replaceAll('-', '').slice(0, 20)}`,
  }

  return claimSlug(founding, 'organization-slug-taken', slug =>
    database.system.transaction({ organization_id, origin: { ...origin, user_id: id } }, async transaction => {
      const user = await transaction.run(get(query.insertInto('users').values(person).returning(userColumns), taken))
      const organization = await transaction.run(
        insertOrganization(organization_id, team === undefined ? 'personal' : 'team', founding.name, slug),
      )
      const { role } = await transaction.run(insertOwner(organization_id, id))
      return then(transaction, { user, organization: { ...organization, role } })
    }),
  )
}

/** A new account, signed in. @throws what createAccount throws */
export const signUp = (
  database: Database,
  origin: Origin,
  account: NewAccount,
  idleSeconds: number,
): Promise<SignedIn> =>
  createAccount(database, origin, account, async (transaction, made) => ({
    ...made,
    session: await transaction.run(createSession(made.user.id, made.organization.id, idleSeconds, origin)),
  }))

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

/** @throws Problem invalid-credentials; invalid-fields when the organization asked for is not theirs */
export async function logIn(
  { database, passwords }: { database: Database; passwords: Passwords },
  origin: Origin,
  {
    password,
    organization_id,
    ...identifier
  }: { email?: string; username?: string; password: string; organization_id?: string },
  idleSeconds: number,
): Promise<SignedIn> {
  const account = await database.system.run({ origin }, findAccount(identifier))
  const verified = await passwords.verify(account?.password_hash, password)
  if (account === undefined || !verified) {
    await database.system.run({ origin }, recordEvent('login-failed', account?.id ?? null, null))
    throw new Problem('invalid-credentials')
  }
  return database.system.transaction({ origin: { ...origin, user_id: account.id } }, async transaction => {
    // Read again, locked: the account may have been disabled, or its password changed, while the hash was computed.
    // Not shared: two sign-ins to different organizations would wait for each other to remember theirs.
    const user = await transaction.run(
      find(
        query
          .selectFrom('users')
          .select(userColumns)
          .select('last_organization_id')
          .where('id', '=', account.id)
          .where('password_hash', '=', account.password_hash)
          .where('disabled_at', 'is', null)
          .where('deleted_at', 'is', null)
          .forNoKeyUpdate(),
      ),
    )
    if (user === undefined) throw new Problem('invalid-credentials')
    const organization = await choose(transaction, user.id, organization_id, [user.last_organization_id])
    const session = await transaction.run(createSession(user.id, organization?.id ?? null, idleSeconds, origin))
    if (organization !== undefined && organization.id !== user.last_organization_id)
      await transaction.run(rememberOrganization(user.id, organization.id))
    return { user, organization, session }
  })
}

export async function choose(
  transaction: Transaction,
  user_id: string,
  asked: string | undefined,
  preferred: readonly (string | null)[],
) {
  const organization = await transaction.run(chooseOrganization(user_id, asked, preferred))
  if (organization === undefined && asked !== undefined)
    throw invalidField('/organization_id', 'names no organization of yours')
  return organization
}

const rememberOrganization = (user_id: string, organization_id: string) =>
  affect(
    query.updateTable('users').set({ last_organization_id: organization_id }).where('id', '=', user_id).returning('id'),
  )

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
  { database, passwords }: { database: Database; passwords: Passwords },
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
