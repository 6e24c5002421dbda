import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static, TObject } from 'typebox'
import { orderOf, pagesOf, whereIdIn } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { readWords } from '../../platform/database/search.ts'
import { tables } from '../../platform/database/statement.ts'
import { Email, Id, IdOf, LineOf, Name, Nullable, OneOf, Time, timestamps, Username } from '../../platform/schemas.ts'
import { readIdRange, timeRange } from '../../platform/time-range.ts'

const query = tables('system', 'users', 'memberships', 'throttles')

const fields = {
  id: Id,
  email: Email,
  username: Nullable(Username),
  given_name: Nullable(Name),
  family_name: Nullable(Name),
  full_name: Nullable(Name),
  superuser: Type.Boolean(),
  guest: Type.Boolean({ description: 'A viewer in every organization, without a personal one.' }),
  email_verified: Type.Boolean(),
  locale: Nullable(Type.String({ maxLength: 10 })),
  disabled: Type.Boolean(),
  disabled_at: Nullable(Time),
  deleted_at: Nullable(Type.String({ ...Time, description: 'The account can be restored until it is erased.' })),
  password_change_required_at: Nullable(Time),
  locked_until: Nullable(
    Type.String({ ...Time, description: 'No password or code is verified until then, after too many failures.' }),
  ),
  ...timestamps,
}
/** An account in the operators' list. */
export const OperatorUser = Type.Object(fields, { title: 'OperatorUser' })
export { fields as operatorUserFields }

const columns = [
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
  'disabled_at',
  'deleted_at',
  'password_change_required_at',
  'created_at',
  'updated_at',
  'version',
] as const

const lockedUntil = sql<string | null>`(select max(t.locked_until) from throttles t
  where t.key in ('account ' || users.id, 'mfa ' || users.id) and t.locked_until > now())`

/** The accounts that are not erased, with the columns of the list. */
export const allUsers = () =>
  query
    .selectFrom('users')
    .select(columns.map(column => `users.${column}` as const))
    .select([sql<boolean>`users.disabled_at is not null`.as('disabled'), lockedUntil.as('locked_until')])
    .where('users.erased_at', 'is', null)

/** Each has its own condition, so that the planner knows the value and finds the index of those that few accounts match. */
const flags = {
  superuser: sql<boolean>`users.superuser`,
  guest: sql<boolean>`users.guest`,
  disabled: sql<boolean>`users.disabled_at is not null`,
  deleted: sql<boolean>`users.deleted_at is not null`,
  verified: sql<boolean>`users.email_verified`,
  locked: sql<boolean>`users.id in (select substr(t.key, strpos(t.key, ' ') + 1)::uuid from throttles t
    where t.locked_until > now() and (t.key like 'account %' or t.key like 'mfa %'))`,
} as const
type Flag = keyof typeof flags
const names = Object.keys(flags) as Flag[]

export const UserFilters = {
  search: Type.Optional(
    LineOf(200, {
      description:
        'Accounts of which each of these words (at most eight) begins a word of the name, the username or the address. Upper case and accents do not matter.',
      examples: ['john'],
    }),
  ),
  superuser: Type.Optional(Type.Boolean()),
  guest: Type.Optional(Type.Boolean()),
  disabled: Type.Optional(Type.Boolean()),
  deleted: Type.Optional(Type.Boolean({ description: 'By default both. Erased accounts are never listed.' })),
  verified: Type.Optional(Type.Boolean({ description: 'Whether the address is verified.' })),
  locked: Type.Optional(Type.Boolean({ description: 'Whether sign-in is locked after too many failures.' })),
  organization_id: Type.Optional(Type.String({ ...IdOf('organization'), description: 'Its current members.' })),
  ...timeRange,
  sort: OneOf(['created_at', '-created_at', 'email', '-email'], { default: '-created_at' }),
}
type UserFilters = Static<TObject<typeof UserFilters>>

interface Filters {
  [name: string]: unknown
  search: string | undefined
  organization_id: string | undefined
  first_id: string | undefined
  end_id: string | undefined
}

const userPages = pagesOf((given: Filters) => {
  let rows = allUsers()
  for (const name of names) {
    if (given[`is_${name}`] !== undefined) rows = rows.where(flags[name])
    if (given[`not_${name}`] !== undefined) rows = rows.where(sql<boolean>`not (${flags[name]})`)
  }
  // A sub-select with offset 0 is evaluated on its own, so by the index on words. Beside an order by id PostgreSQL would rather
  // make the words of one account after the other until it has found enough.
  if (given.search !== undefined)
    rows = rows.where(
      sql<boolean>`users.id in (select found.id from users found where found.erased_at is null
        and account_words(found.email, found.username, found.given_name, found.family_name, found.full_name) @@ words_wanted(${given.search}) offset 0)`,
    )
  if (given.organization_id !== undefined)
    rows = rows.where(
      sql<boolean>`users.id in (select m.user_id from memberships m where m.organization_id = ${given.organization_id} and m.deleted_at is null)`,
    )
  return whereIdIn(rows, given, 'users.id')
})

/** All accounts that are not erased. @throws Problem invalid-fields */
export function listUsers({ search, organization_id, from, to, sort, ...given }: UserFilters, page: Page) {
  if (search !== undefined) readWords('search', search)
  const chosen = names.flatMap(name => (given[name] === undefined ? [] : [`${given[name] ? 'is' : 'not'}_${name}`]))
  const values: Filters = {
    search,
    organization_id,
    ...readIdRange({ from, to }),
    ...Object.fromEntries(chosen.map(name => [name, true])),
  }
  return userPages(values, orderOf(sort, 'users'), page)
}
