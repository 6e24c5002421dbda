import { randomUUIDv7 } from 'node:crypto'
import { sql } from 'kysely'
import { personalOrganizationId } from '../../directory/organizations/organizations.ts'
import { normalizeNames, refuseRetiredNames, userColumns } from '../../directory/users/users.ts'
import type { User } from '../../directory/users/users.ts'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { get, tables } from '../../platform/database/statement.ts'
import type { Role } from '../../platform/gate/permissions.ts'
import { NAME_LENGTH } from '../../platform/schemas.ts'
import type { Keys } from '../../platform/services.ts'
import { claimSlug } from '../../platform/slugs.ts'
import { insertIdentity } from './identities.ts'
import type { ProviderIdentity } from './identities.ts'

const query = tables('system', 'users', 'organizations', 'memberships')

export interface NewAccount {
  email: string
  /** None for a user who signs in otherwise, or resets it first. */
  password_hash?: string | null | undefined
  username?: string | null | undefined
  given_name?: string | null | undefined
  family_name?: string | null | undefined
  full_name?: string | null | undefined
  locale?: 'en' | 'de' | null | undefined
  superuser?: boolean
  /** Whether the address is known to be the user's. */
  email_verified?: boolean
  /** Of an account that comes from elsewhere: RFC 3339, and whether it may not be used. */
  created_at?: string | undefined
  disabled?: boolean | undefined
  /** The account at a provider that the user signs in with. */
  identity?: ProviderIdentity | undefined
  /** The team to create; without one the account gets a personal organization. */
  organization?: { name: string; slug?: string | undefined } | undefined
}

/** A user as their row is first written, with every column that an account may begin with. */
type Person = ReturnType<typeof describeAccount>['person']

/** What an account begins with: the user, and the organization that they own (a slug is missing where the name makes it). */
export function describeAccount({ organization: team, email, email_verified = false, ...given }: NewAccount) {
  const id = randomUUIDv7()
  const { username = null, given_name = null, family_name = null, ...rest } = normalizeNames(given)
  // Two names of the longest kind make one that is too long.
  const joined = Array.from([given_name, family_name].filter(name => name !== null).join(' '))
  const full_name = rest.full_name ?? (joined.slice(0, NAME_LENGTH).join('') || null)
  const organization_id = team === undefined ? personalOrganizationId(id) : randomUUIDv7()
  const organization =
    team === undefined
      ? {
          id: organization_id,
          kind: 'personal' as const,
          name: full_name ?? username ?? 'Personal',
          slug: `personal-${organization_id.replaceAll('-', '').slice(0, 20)}`,
        }
      : { id: organization_id, kind: 'team' as const, name: team.name, slug: team.slug }
  const person = {
    id,
    email: email.toLowerCase(),
    email_verified_at: email_verified ? sql<string>`now()` : null,
    password_hash: rest.password_hash ?? null,
    username,
    given_name,
    family_name,
    full_name,
    locale: rest.locale ?? null,
    superuser: rest.superuser ?? false,
    disabled_at: rest.disabled ? sql<string>`now()` : null,
    created_at: rest.created_at ?? sql<string>`now()`,
    last_organization_id: organization_id,
  }
  return { person, organization }
}

export interface AccountRows {
  person: Person
  /** The organization to create; left out, the membership is in one that exists. */
  organization?: { id: string; kind: 'personal' | 'team'; name: string; slug: string }
  role: Role
}

/**
 * Writes a new account, within the user's `last_organization_id`: user, organization and membership in one statement, all
 * or nothing. Returns the user.
 * @throws Problem email-taken, username-taken, organization-slug-taken, invalid-fields when the organization is not found
 */
export function insertAccount({ person, organization, role }: AccountRows) {
  const membership = { organization_id: person.last_organization_id, user_id: person.id, role }
  const member = query.with('member', insert => insert.insertInto('memberships').values(membership))
  const rows =
    organization === undefined
      ? member
      : member.with('founded', insert => insert.insertInto('organizations').values(organization))
  return get(rows.insertInto('users').values(person).returning(userColumns), {
    users_email_key: 'email-taken',
    users_email_held: 'email-taken',
    users_username_key: 'username-taken',
    organizations_slug_key: 'organization-slug-taken',
    memberships_organization_id_fkey: { pointer: '/organization', detail: 'is not there any more' },
  })
}

/** What making an account takes: the key of the digests of names that erased accounts had. */
export interface AccountServices {
  readonly keys: Pick<Keys, 'oneTime'>
}

/**
 * Makes a user and their first organization, or nothing; `then` runs in the same transaction. The names of an erased
 * account are taken. @throws Problem email-taken, username-taken, organization-slug-taken, identity-taken
 */
export async function createAccount<Result>(
  visitor: SystemRunner,
  { keys }: AccountServices,
  account: NewAccount,
  then: (transaction: Transaction<'system'>, made: { user: User }) => Promise<Result>,
): Promise<Result> {
  const { person, organization } = describeAccount(account)
  const system = visitor.with({ user_id: person.id, organization_id: organization.id })
  return claimSlug(organization, 'organization-slug-taken', slug =>
    // system: an account begins without a session, and with a password hash
    system.transaction(async transaction => {
      await transaction.run(refuseRetiredNames(keys.oneTime, person))
      const rows = { person, organization: { ...organization, slug }, role: 'owner' as const }
      const user = await transaction.run(insertAccount(rows))
      if (account.identity !== undefined) await transaction.run(insertIdentity(person, account.identity))
      return then(transaction, { user })
    }),
  )
}
