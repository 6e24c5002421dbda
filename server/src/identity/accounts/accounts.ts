import { randomUUIDv7 } from 'node:crypto'
import { sql } from 'kysely'
import { seatRules } from '../../directory/organizations/organizations.ts'
import { personalOrganizationId, personalSlug } from '../../directory/organizations/personal-organization.ts'
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
  /** Empty for a user who signs in without a password, or has to reset it first. */
  password_hash?: string | null | undefined
  username?: string | null | undefined
  given_name?: string | null | undefined
  family_name?: string | null | undefined
  full_name?: string | null | undefined
  locale?: 'en' | 'de' | null | undefined
  superuser?: boolean
  /** A guest has no personal organization. */
  guest?: boolean
  /** Whether the address is verified. */
  email_verified?: boolean
  /** For imported accounts: the time of creation (RFC 3339), and whether the account is disabled. */
  created_at?: string | undefined
  disabled?: boolean | undefined
  /** The account at a provider that the user signs in with. */
  identity?: ProviderIdentity | undefined
  /** The team to create; without one the account gets a personal organization. */
  organization?: { name: string; slug?: string | undefined } | undefined
}

/** The row of a new user, with every column that can be set at creation. */
type Person = ReturnType<typeof describeAccount>['person']

/**
 * The rows of a new account: the user, and the organization that the user owns (without a slug, it comes from the
 * name).
 */
export function describeAccount({ organization: team, email, email_verified = false, ...given }: NewAccount) {
  const id = randomUUIDv7()
  const { username = null, given_name = null, family_name = null, ...rest } = normalizeNames(given)
  // Two names of the maximum length are too long when joined.
  const joined = Array.from([given_name, family_name].filter(name => name !== null).join(' '))
  const full_name = rest.full_name ?? (joined.slice(0, NAME_LENGTH).join('') || null)
  const organization_id = team === undefined ? personalOrganizationId(id) : randomUUIDv7()
  const organization =
    team === undefined
      ? {
          id: organization_id,
          kind: 'personal' as const,
          name: full_name ?? username ?? 'Personal',
          slug: personalSlug(organization_id),
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
    guest: rest.guest ?? false,
    disabled_at: rest.disabled ? sql<string>`now()` : null,
    created_at: rest.created_at ?? sql<string>`now()`,
    last_organization_id: organization_id,
  }
  return { person, organization }
}

export interface AccountRows {
  person: Person
  /** The organization to create; without it, the membership is in an existing one. */
  organization?: { id: string; kind: 'personal' | 'team'; name: string; slug: string }
  role: Role
}

const nameTaken = {
  users_email_key: 'email-taken',
  users_email_held: 'email-taken',
  users_username_key: 'username-taken',
} as const

/** Writes the account of a guest, who has no organization yet. Returns the user. @throws Problem email-taken, username-taken */
const insertGuest = (person: Person) =>
  get(
    query
      .insertInto('users')
      .values({ ...person, last_organization_id: null })
      .returning(userColumns),
    nameTaken,
  )

/**
 * Writes a new account, within the user's `last_organization_id`: user, organization and membership in one atomic
 * statement. Returns the user.
 * @throws Problem email-taken, username-taken, organization-slug-taken, seats-exhausted; invalid-fields when the organization is
 * not found
 */
export function insertAccount({ person, organization, role }: AccountRows) {
  const membership = { organization_id: person.last_organization_id, user_id: person.id, role }
  const member = query.with('member', insert => insert.insertInto('memberships').values(membership))
  const rows =
    organization === undefined
      ? member
      : member.with('founded', insert => insert.insertInto('organizations').values(organization))
  return get(rows.insertInto('users').values(person).returning(userColumns), {
    ...nameTaken,
    organizations_slug_key: 'organization-slug-taken',
    memberships_organization_id_fkey: { pointer: '/organization', detail: 'no longer exists' },
    ...seatRules,
  })
}

/** The services that creating an account needs: the key for the digests of the names of erased accounts. */
export interface AccountServices {
  readonly keys: Pick<Keys, 'oneTime'>
}

/**
 * Creates a user and, except for a guest, their first organization atomically; `then` runs in the same transaction. Names of erased accounts
 * count as taken. @throws Problem email-taken, username-taken, organization-slug-taken, identity-taken
 */
export async function createAccount<Result>(
  visitor: SystemRunner,
  { keys }: AccountServices,
  account: NewAccount,
  then: (transaction: Transaction<'system'>, made: { user: User; identity_id: string | undefined }) => Promise<Result>,
): Promise<Result> {
  const { person, organization } = describeAccount(account)
  const write = (insert: ReturnType<typeof insertGuest>) =>
    // system: a new account has no session yet, and gets a password hash
    visitor.with({ user_id: person.id, organization_id: organization.id }).transaction(async transaction => {
      await transaction.run(refuseRetiredNames(keys.oneTime, person))
      const user = await transaction.run(insert)
      const { identity } = account
      const linked = identity === undefined ? undefined : await transaction.run(insertIdentity(person, identity))
      return then(transaction, { user, identity_id: linked?.id })
    })
  if (person.guest) return write(insertGuest(person))
  return claimSlug(organization, 'organization-slug-taken', slug =>
    write(insertAccount({ person, organization: { ...organization, slug }, role: 'owner' })),
  )
}
