import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { locales } from '../../platform/locales.ts'
import { Email, Id, Name, Nullable, OneOf, Strict, timestamps, Username } from '../../platform/schemas.ts'
import { execute, get, tables } from '../../platform/database/statement.ts'

const query = tables('tenant', 'users', 'own_account')
const system = tables('system', 'users')

// The checks that other features run before they give an account a name.
export { findRetiredNames, isRetired, listRetiredNames, refuseRetiredNames } from './retired-names.ts'

const EmailLocale = OneOf(locales, {
  description: 'The language of emails to this user; null: the default of the service.',
})

export const User = Type.Object(
  {
    id: Id,
    email: Email,
    username: Nullable(Username),
    given_name: Nullable(Name),
    family_name: Nullable(Name),
    full_name: Nullable(Name),
    superuser: Type.Boolean(),
    guest: Type.Boolean({
      description:
        'A guest has no personal organization, is a viewer wherever invited, and creates no organization. Only an operator can change this.',
    }),
    email_verified: Type.Boolean(),
    locale: Nullable(EmailLocale),
    ...timestamps,
  },
  { title: 'User' },
)
export type User = Static<typeof User>

const names = {
  username: Type.Optional(Nullable(Username)),
  given_name: Type.Optional(Nullable(Name)),
  family_name: Type.Optional(Nullable(Name)),
  full_name: Type.Optional(Nullable(Name)),
  locale: Type.Optional(Nullable(EmailLocale)),
}
export const ProfileChanges = Strict(names, { title: 'ProfileChanges', minProperties: 1 })
export type ProfileChanges = Static<typeof ProfileChanges>
export const ProfileReplacement = Strict(names, {
  title: 'ProfileReplacement',
  description: 'Omitted fields are reset, except `username`, which is removed only if it is sent as null.',
})
export type ProfileReplacement = Static<typeof ProfileReplacement>

/** The columns of a user that the API returns, and the row's version. */
export const userColumns = [
  'id',
  'email',
  'username',
  'given_name',
  'family_name',
  'full_name',
  'superuser',
  'guest',
  'email_verified',
  'locale',
  'created_at',
  'updated_at',
  'version',
] as const

/** The columns of the current user in the view `own_account`, besides `user_id`. */
export const ownColumns = userColumns.filter(column => column !== 'id')

/** The current user. */
export const getProfile = () => get(query.selectFrom('own_account').select('user_id as id').select(ownColumns))

/** Changes the current user's names. @throws Problem username-taken, entity-tag-stale */
export const updateProfile = (user_id: string, changes: ProfileChanges, condition: Condition) =>
  updateRow({ query, table: 'users', key: { id: user_id }, columns: userColumns, condition }, normalizeNames(changes), {
    users_username_key: 'username-taken',
  })

/** How the database refuses to let the last superuser go (users-policies.sql). */
export const superuserRules = { users_keep_a_superuser: 'last-superuser' } as const

/** Usernames are compared, and therefore stored, in lower case. */
export const normalizeNames = <Names extends { username?: string | null | undefined }>(names: Names): Names =>
  typeof names.username === 'string' ? { ...names, username: names.username.toLowerCase() } : names

/** Stores the organization that a session of the user has chosen, as SQL: the next sign-in uses it. */
export const rememberOrganization = (user_id: string, organization_id: string): RawBuilder<{ id: string }> =>
  sql<{ id: string }>`update users set last_organization_id = ${organization_id} where id = ${user_id} returning id`

/**
 * Stores that the user joined an organization by invitation: the next sign-in uses it, unless a session opens it
 * before.
 */
export const announceOrganization = (user_id: string, organization_id: string) =>
  execute(
    system
      .updateTable('users')
      .set({
        unopened_organization_ids: sql<
          string[]
        >`array_remove(unopened_organization_ids, ${organization_id}::uuid) || ${organization_id}::uuid`,
      })
      .where('id', '=', user_id),
  )

/** The organizations to prefer at a sign-in that requests none, from the row of the user. */
export interface OrganizationHints {
  last_organization_id: string | null
  unopened_organization_ids: readonly string[]
}

/** First the joined ones that no session has opened, newest first; then the one that a session chose last. */
export const preferredOrganizations = ({ unopened_organization_ids, last_organization_id }: OrganizationHints) => [
  ...unopened_organization_ids.toReversed(),
  ...(last_organization_id === null ? [] : [last_organization_id]),
]

/** Deletes the addresses that an erased account had before. */
export const forgetFormerAddresses = (id: string) =>
  execute(tables('system', 'former_addresses').deleteFrom('former_addresses').where('user_id', '=', id))

/**
 * Overwrites the personal values in the row of an erased account; the row stays, because other rows refer to it. The
 * new address can belong to no user: .invalid is reserved (RFC 2606, section 2), and sign-up cannot take it beforehand.
 */
export const overwriteUser = (id: string) =>
  execute(
    system
      .updateTable('users')
      .set({
        email: sql<string>`gen_random_uuid() || '@erased.invalid'`,
        username: null,
        password_hash: null,
        given_name: null,
        family_name: null,
        full_name: null,
        superuser: false,
        guest: false,
        email_verified_at: null,
        last_organization_id: null,
        unopened_organization_ids: [],
        locale: null,
        erased_at: sql<string>`now()`,
      })
      .where('id', '=', id),
  )
