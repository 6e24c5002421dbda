import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import type { Static, TObject } from 'typebox'
import { roles } from '../../platform/gate/permissions.ts'
import { pagesBuiltBy } from '../../platform/database/pagination.ts'
import type { Order, Page, Position } from '../../platform/database/pagination.ts'
import { readWords } from '../../platform/database/search.ts'
import { get, raw, tables } from '../../platform/database/statement.ts'
import { invalidField } from '../../platform/problems.ts'
import { Email, Id, LineOf, MAX_PAGE, Name, Nullable, OneOf, timestamps, Username } from '../../platform/schemas.ts'
import { HeldRole, heldRole, RoleFilter } from '../organizations/held-role.ts'

const query = tables('tenant', 'memberships', 'users', 'roles', 'gate', 'own_organizations', 'member_words')

const MemberStatus = OneOf(['active', 'disabled', 'account-deleted', 'removed'], {
  description:
    '`account-deleted`: restoring the account also restores the membership, unless the member is removed before. ' +
    '`removed`: removed by an administrator in the last 30 days; the membership can be restored.',
})

const shared = {
  guest: Type.Boolean({ description: 'Whether the account is a guest, which is always a viewer.' }),
  ...HeldRole,
  title: Nullable(Name),
  company: Nullable(Name),
  status: MemberStatus,
  ...timestamps,
}
export const Member = Type.Object(
  { user_id: Id, email: Email, username: Nullable(Username), full_name: Nullable(Name), ...shared },
  { title: 'Member' },
)
/** A member as `/users` returns it. */
export const Person = Type.Object(
  {
    id: Id,
    email: Email,
    username: Nullable(Username),
    given_name: Nullable(Name),
    family_name: Nullable(Name),
    full_name: Nullable(Name),
    ...shared,
  },
  { title: 'Person' },
)
/** Both forms of a member, and the version. */
export type MemberRow = Static<typeof Member> & Static<typeof Person> & { version: number }

const sorts = ['created_at', '-created_at', 'name', '-name', 'email', '-email'] as const

/** The filters of a list of members. */
export const MemberFilters = {
  ...RoleFilter,
  status: Type.Optional(MemberStatus),
  search: Type.Optional(
    LineOf(200, {
      description:
        'Members of whom each of these words (at most eight) begins a word of the name, the username or the address. Upper case ' +
        'and accents do not matter. In the order of the words that were found, so it excludes `sort`.',
      examples: ['john'],
    }),
  ),
  sort: Type.Optional(
    OneOf(sorts, { description: 'By default `created_at`, the age of the account. With `-`, in descending order.' }),
  ),
}
type MemberFilters = Static<TObject<typeof MemberFilters>>

/** The status of a membership. The deletion of the account ended it if both have the same `deleted_at`. */
export const statusOf = sql<'active' | 'disabled' | 'account-deleted' | 'removed' | 'left'>`case
  when memberships.deleted_at is null then case when memberships.disabled_at is null then 'active' else 'disabled' end
  when memberships.removed_at is not null then 'removed'
  when memberships.deleted_at = users.deleted_at and users.erased_at is null then 'account-deleted' else 'left' end`

export const isRestorable = sql<boolean>`coalesce(memberships.removed_at > now() - interval '30 days' and users.deleted_at is null, false)`

/** A caller who may change members also sees the memberships that can still be restored. */
const isManager = sql<boolean>`(select 'members:write' = any (permissions) from own_organizations where id = (select organization_id from gate))`

// Both versions only increase, so their sum changes with either.
const memberColumns = sql`memberships.user_id, memberships.user_id as id, users.email, users.username, users.given_name, users.family_name, users.full_name, users.guest,
  ${sql.join(heldRole('memberships'))}, memberships.title, memberships.company, ${statusOf} as status, memberships.created_at, memberships.updated_at,
  memberships.version + users.version as version`

/** A current member or, for callers who may change members, one whose account is deleted. @throws Problem not-found */
export const getMember = (organization_id: string, user_id: string) =>
  get(
    raw(
      query,
      sql<MemberRow>`select ${memberColumns} from memberships join users on users.id = memberships.user_id
        where memberships.organization_id = ${organization_id} and memberships.user_id = ${user_id}
          and (memberships.deleted_at is null or ${statusOf} = 'account-deleted' and ${isManager})`,
    ),
  )

interface MemberOrder extends Order {
  /** The rows of member_words to read. */
  kind: 'member' | 'name' | 'email' | 'word'
  /** Whether the list is that of members who can be restored. */
  ofRemoved: boolean
  /**
   * The rows to read of each range, at least those of a page: a constant, because PostgreSQL makes a new plan for each
   * request, which takes longer than the rest, if it must guess how many rows an unknown limit needs.
   */
  most: number
}

const orderOf = ({ sort = 'created_at', search, status }: MemberFilters, { limit }: Page): MemberOrder => {
  const descending = sort.startsWith('-')
  const named = descending ? sort.slice(1) : sort
  const kind = search !== undefined ? 'word' : named === 'created_at' ? 'member' : (named as 'name' | 'email')
  const ofRemoved = status === 'removed'
  const most = limit < 21 ? 21 : MAX_PAGE + 1
  return { column: `${kind} ${ofRemoved} ${most}`, id: 'user_id', descending, kind, ofRemoved, most }
}

interface ListValues {
  organization_id: string
  role: string | undefined
  role_id: string | undefined
  status: string | undefined
  search: string | undefined
}

/** The words that begin with another one: a range of the index, because `like` cannot use it behind the policies. */
const beginsWith = (column: RawBuilder<unknown>, beginning: RawBuilder<unknown>) =>
  sql`${column} >= ${beginning} and ${column} < ${beginning} || chr(1114111)`

/**
 * The rows of the longest word of a search whose member has words that begin with the others. `offset 0` makes each
 * sub-select a look-up for one member, never a scan of the organization.
 */
const isFound = sql` and ${beginsWith(sql`w.word`, sql`(select words[1] from wanted)`)}
  and not exists (select from unnest((select words[2:] from wanted)) as other (word) where not exists (
    select from member_words found where found.organization_id = w.organization_id and found.user_id = w.user_id and found.kind = 'word'
      and ${beginsWith(sql`found.word`, sql`other.word collate "C"`)} offset 0) offset 0)`

/** A member who was found by several words is listed at the first one. */
const isFirst = sql` and not exists (select from member_words earlier where earlier.organization_id = w.organization_id
  and earlier.user_id = w.user_id and earlier.kind = 'word' and earlier.word >= (select words[1] from wanted) and earlier.word < w.word offset 0)`

/** A membership that was removed longer ago is not listed any more. */
const isStillRestorable = sql` and exists (select from memberships m where m.organization_id = w.organization_id and m.user_id = w.user_id
  and m.removed_at > now() - interval '30 days' offset 0)`

const allRoles = sql`array[${sql.join([...roles, 'custom'].map(role => sql.lit(role)))}]`

/** Members with one custom role, among those with any. */
const hasRole = (role_id: string) =>
  sql` and exists (select from memberships m where m.organization_id = w.organization_id and m.user_id = w.user_id and m.role_id = ${role_id}::uuid offset 0)`

/**
 * A page of members. The index has one range for each status and role, in the order of the list: the beginning of each
 * range that the filters allow is read, and these are merged. So a page takes the same time for any number of members.
 */
const memberPages = pagesBuiltBy(
  (
    { organization_id, role, role_id, status, search, ...position }: ListValues & Position,
    order: MemberOrder,
    includeTotal,
  ) => {
    const { page_size, after_value, after_id } = position
    const [direction, beyond] = order.descending ? [sql`desc`, sql`<`] : [sql`asc`, sql`>`]
    const statuses =
      status === undefined
        ? sql`(select unnest(array['active', 'disabled']) union all select 'account-deleted' where ${isManager})`
        : sql`(select ${status}::text where ${status}::text in ('active', 'disabled') or ${isManager})`
    const ranges = sql`${statuses} as statuses (status)
      cross join unnest(${role === undefined ? allRoles : sql`array[${role}::text]`}) as roles (role)`
    const rows = sql`member_words w where w.organization_id = ${organization_id}::uuid and w.kind = ${sql.lit(order.kind)}
      and w.status = statuses.status and w.role = roles.role${order.ofRemoved ? isStillRestorable : sql``}${search === undefined ? sql`` : isFound}${role_id === undefined ? sql`` : hasRole(role_id)}`
    const beginning = search === undefined ? rows : sql`${rows}${isFirst}`
    const after =
      after_id === undefined ? sql`` : sql` and (w.word, w.user_id) ${beyond} (${after_value}::text, ${after_id}::uuid)`
    const ordered = (word: RawBuilder<unknown>, id: RawBuilder<unknown>) =>
      sql`order by ${word} ${direction}, ${id} ${direction} limit ${sql.lit(order.most)}`
    const counted = search === undefined ? sql`count(*)` : sql`count(distinct counted.user_id)`
    const total = includeTotal
      ? sql`, (select ${counted} from ${ranges} cross join lateral (select w.user_id from ${rows}) as counted) as total`
      : sql``
    return raw(
      query,
      sql<MemberRow>`${search === undefined ? sql`` : sql`with wanted as materialized (select search_words(${search}) as words) `}
        select page.word as page_value, page.user_id::text as page_id, ${memberColumns}${total}
        from (select found.word, found.user_id from ${ranges}
          cross join lateral (select w.word, w.user_id from ${beginning}${after} ${ordered(sql`w.word`, sql`w.user_id`)}) as found
          ${ordered(sql`found.word`, sql`found.user_id`)}) as page
        join memberships on memberships.organization_id = ${organization_id}::uuid and memberships.user_id = page.user_id
        join users on users.id = page.user_id
        order by page.word ${direction}, page.user_id ${direction} limit ${page_size}::bigint`,
    )
  },
)

/**
 * The members. Callers who may change members also see deleted accounts and, with `status`, restorable members.
 * @throws Problem invalid-fields when a search has too many words, or a sort order as well
 */
export function listMembers(organization_id: string, filters: MemberFilters, page: Page) {
  const { role, role_id, status, search, sort } = filters
  if (search !== undefined && sort !== undefined)
    throw invalidField('?sort', 'cannot be combined with search, whose results are in the order of the words found')
  if (search !== undefined) readWords('search', search)
  return memberPages({ organization_id, role, role_id, status, search }, orderOf(filters, page), page)
}
