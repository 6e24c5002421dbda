import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Organization } from '../../directory/organizations/organizations.ts'
import { pagesOf } from '../../platform/database/pagination.ts'
import type { FiltersOf, Page } from '../../platform/database/pagination.ts'
import { readWords } from '../../platform/database/search.ts'
import { get, raw, statement, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import { LineOf, Nullable, OneOf, PageQueryOf, Strict, Time } from '../../platform/schemas.ts'
import { readTextRange, timeRange } from '../../platform/time-range.ts'

const query = tables('system', 'organizations', 'memberships')
const tenant = tables('tenant', 'organizations', 'memberships')

const Reason = LineOf(500, {
  description: 'One line. The owners get it by email, and it is in the audit log of the organization.',
  examples: ['The invoice of October is unpaid.'],
})

export const OperatedOrganization = Type.Object(
  {
    ...Organization.properties,
    suspended_reason: Nullable(Reason),
    deleted_at: Nullable(Time),
    member_count: Type.Integer({
      minimum: 0,
      maximum: 2147483647,
      description: 'Current members, also disabled ones.',
    }),
  },
  { title: 'OperatedOrganization' },
)
type OperatedOrganization = Static<typeof OperatedOrganization> & { version: number }

export const Suspension = Strict({ reason: Reason }, { title: 'Suspension' })

const sorts = ['-created_at', 'created_at'] as const

export const OperatedOrganizationQuery = PageQueryOf({
  search: Type.Optional(
    LineOf(200, {
      description:
        'Organizations of which each of these words (at most eight) begins a word of the name or the slug. Upper case and accents do not matter.',
      examples: ['acme'],
    }),
  ),
  kind: Type.Optional(OneOf(['personal', 'team'])),
  suspended: Type.Optional(Type.Boolean({ description: 'Only suspended organizations, or only others.' })),
  deleted: Type.Optional(Type.Boolean({ description: 'Only deleted organizations, or only others.' })),
  ...timeRange,
  sort: OneOf(sorts, { default: '-created_at' }),
})
type Filters = FiltersOf<Static<typeof OperatedOrganizationQuery>>

const columns = [
  'id',
  'kind',
  'name',
  'slug',
  'second_factor_required',
  'suspended_at',
  'suspended_reason',
  'deleted_at',
  'created_at',
  'updated_at',
  'version',
] as const

const memberCount = sql<number>`(select count(*)::int from memberships m where m.organization_id = organizations.id and m.deleted_at is null)`

const organizations = query
  .selectFrom('organizations')
  .select(columns.map(column => `organizations.${column}` as const))
  .select(memberCount.as('member_count'))

interface ListValues {
  [name: string]: string | true | undefined
  search: string | undefined
  kind: string | undefined
  from: string | undefined
  to: string | undefined
  /** One name for each answer: the partial index is found only if the condition is part of the SQL. */
  suspended: true | undefined
  unsuspended: true | undefined
  deleted: true | undefined
  undeleted: true | undefined
}

const organizationPages = pagesOf(({ search, kind, from, to, ...states }: ListValues) => {
  let rows = organizations
  // As in the list of users: beside an order, PostgreSQL would make the words of one organization after the other.
  if (search !== undefined)
    rows = rows.where(
      sql<boolean>`organizations.id in (select found.id from organizations found
        where organization_words(found.name, found.slug) @@ words_wanted(${search}) offset 0)`,
    )
  if (kind !== undefined) rows = rows.where(sql<boolean>`organizations.kind = ${kind}`)
  if (from !== undefined) rows = rows.where(sql<boolean>`organizations.created_at >= ${from}::timestamptz`)
  if (to !== undefined) rows = rows.where(sql<boolean>`organizations.created_at < ${to}::timestamptz`)
  if (states.suspended) rows = rows.where('organizations.suspended_at', 'is not', null)
  if (states.unsuspended) rows = rows.where('organizations.suspended_at', 'is', null)
  if (states.deleted) rows = rows.where('organizations.deleted_at', 'is not', null)
  if (states.undeleted) rows = rows.where('organizations.deleted_at', 'is', null)
  return rows
})

/** Organizations of all states; `from` and `to`: when they were created. @throws Problem invalid-fields for a bad range of time or too many words */
export function listOrganizations({ search, kind, suspended, deleted, from, to, sort }: Filters, page: Page) {
  if (search !== undefined) readWords('search', search)
  const only = (wanted: boolean) => (wanted ? true : undefined)
  const values: ListValues = {
    search,
    kind,
    ...readTextRange({ from, to }),
    suspended: only(suspended === true),
    unsuspended: only(suspended === false),
    deleted: only(deleted === true),
    undeleted: only(deleted === false),
  }
  // The ids of personal organizations are not in the order of time.
  const order = { column: 'organizations.created_at', id: 'organizations.id', descending: sort.startsWith('-') }
  return organizationPages(values, order, page)
}

/** An organization in any state. @throws Problem not-found */
export const getOrganization = (id: string) => get(organizations.where('organizations.id', '=', id))

/**
 * Suspends an organization or reactivates it, behind its gate: at once for everyone in it, on every node. The trigger
 * `suspension_told` emails the owners. @throws Problem (read) not-found, organization-already-suspended,
 * organization-not-suspended
 */
const setSuspension = (id: string, reason: string | null) => {
  const isToEnd = reason === null
  return statement(
    raw(
      tenant,
      sql<OperatedOrganization & { is_suspended: boolean; is_changed: boolean }>`
        with seen as materialized (select id, suspended_at is not null as is_suspended from organizations where id = ${id}::uuid for no key update),
        changed as (
          update organizations set suspended_at = ${isToEnd ? sql`null` : sql`now()`}, suspended_reason = ${reason}::text
          from seen where organizations.id = seen.id and seen.is_suspended = ${isToEnd}::boolean
          returning ${sql.join(columns.map(column => sql.ref(`organizations.${column}`)))})
        select seen.is_suspended, organizations.id is not null as is_changed, organizations.*, ${memberCount} as member_count
        from seen left join changed as organizations on true`,
    ),
    ([row]): OperatedOrganization => {
      if (row === undefined) throw new Problem('not-found')
      const { is_suspended, is_changed, ...organization } = row
      if (!is_changed) throw new Problem(is_suspended ? 'organization-already-suspended' : 'organization-not-suspended')
      return organization
    },
  )
}

/** @throws Problem not-found, organization-already-suspended */
export const suspendOrganization = (id: string, reason: string) => setSuspension(id, reason)

/** @throws Problem not-found, organization-not-suspended */
export const reactivateOrganization = (id: string) => setSuspension(id, null)
