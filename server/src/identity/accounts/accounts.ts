import { randomUUIDv7 } from 'node:crypto'
import { sql } from 'kysely'
import type { Role } from '../../platform/gate/permissions.ts'
import { NAME_LENGTH } from '../../platform/schemas.ts'
import { get, query } from '../../platform/database/statement.ts'
import { personalOrganizationId } from '../../directory/organizations/organizations.ts'
import { normalizeNames, userColumns } from '../../directory/users/users.ts'

export interface NewAccount {
  email: string
  /** None for a person who signs in otherwise, or resets it first. */
  password_hash?: string | null | undefined
  username?: string | null | undefined
  given_name?: string | null | undefined
  family_name?: string | null | undefined
  full_name?: string | null | undefined
  locale?: 'en' | 'de' | null | undefined
  superuser?: boolean
  /** Whether the address has been proved by whoever makes the account. */
  email_verified?: boolean
  /** Of an account that comes from elsewhere: RFC 3339, and whether it may not be used. */
  created_at?: string | undefined
  disabled?: boolean | undefined
  /** The account at a provider that the person signs in with. */
  identity?: { provider: string; issuer: string; subject: string } | undefined
  /** The team to found; without one the account gets a personal organization. */
  organization?: { name: string; slug?: string | undefined } | undefined
}

/** A person as their row is first written, with every column that an account may begin with. */
export type Person = ReturnType<typeof describeAccount>['person']

/** What an account begins with: the person, and the organization that they own (a slug is missing where the name makes it). */
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
  /** The organization to found; left out, the membership is in one that exists. */
  organization?: { id: string; kind: 'personal' | 'team'; name: string; slug: string }
  role: Role
}

/**
 * Writes a new account (system login, scope set to the person's `last_organization_id`): person, organization and
 * membership in one statement, all or nothing. Returns the person.
 * @throws Problem email-taken, username-taken, organization-slug-taken, invalid-fields when the organization is not there
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
    users_username_key: 'username-taken',
    organizations_slug_key: 'organization-slug-taken',
    memberships_organization_id_fkey: { pointer: '/organization', detail: 'is not there any more' },
  })
}

/** Gives a new account the identity that it comes with (system login). @throws Problem identity-taken */
export const insertIdentity = (
  { id, email }: Pick<Person, 'id' | 'email'>,
  identity: NonNullable<NewAccount['identity']>,
) =>
  get(
    query
      .insertInto('identities')
      .values({ ...identity, user_id: id, email, last_used_at: sql<string>`now()` })
      .returning('id'),
    { identities_subject_key: 'identity-taken' },
  )
