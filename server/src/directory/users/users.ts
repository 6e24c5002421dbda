import { Type } from 'typebox'
import type { Static } from 'typebox'
import { updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { locales } from '../../platform/locales.ts'
import { Email, Id, Name, Nullable, OneOf, Strict, timestamps, Username } from '../../platform/schemas.ts'
import { get, query } from '../../platform/database/statement.ts'

// What other features ask before they give somebody a name.
export { findRetiredNames, isRetired, listRetiredNames, refuseRetiredNames } from './retired-names.ts'

const Locale_ = OneOf(locales, {
  description: 'Of the mails to this person; the default of the service when there is none.',
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
    email_verified: Type.Boolean(),
    locale: Nullable(Locale_),
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
  locale: Type.Optional(Nullable(Locale_)),
}
export const ProfileChanges = Strict(names, { title: 'ProfileChanges', minProperties: 1 })
export type ProfileChanges = Static<typeof ProfileChanges>
export const ProfileReplacement = Strict(names, {
  title: 'ProfileReplacement',
  description: 'What is left out is reset.',
})
export type ProfileReplacement = Static<typeof ProfileReplacement>

/** The columns of a person that the API shows, and the row's version. */
export const userColumns = [
  'id',
  'email',
  'username',
  'given_name',
  'family_name',
  'full_name',
  'superuser',
  'email_verified',
  'locale',
  'created_at',
  'updated_at',
  'version',
] as const

type UserRow = User & { version: number }

/** Oneself. */
export const getProfile = (user_id: string) =>
  get(query.selectFrom('users').select(userColumns).where('id', '=', user_id))

/** Changes one's names. @throws Problem username-taken, entity-tag-stale */
export const updateProfile = (user_id: string, changes: ProfileChanges, condition: Condition) =>
  updateRow<UserRow>(
    { table: 'users', key: { id: user_id }, columns: userColumns, condition },
    normalizeNames(changes),
    { users_username_key: 'username-taken' },
  )

/** Usernames are compared, and so kept, in lower case. */
export const normalizeNames = <Names extends { username?: string | null | undefined }>(names: Names): Names =>
  typeof names.username === 'string' ? { ...names, username: names.username.toLowerCase() } : names
