import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static, TObject } from 'typebox'
import { AddressFilter, readAddressFilter } from '../../platform/addresses.ts'
import { orderOf, pagesOf, whereIdIn } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { containing, readWords } from '../../platform/database/search.ts'
import { get, tables } from '../../platform/database/statement.ts'
import { Email, Id, IdOf, LineOf, Name, Nullable, OneOf, Slug, Time } from '../../platform/schemas.ts'
import { readIdRange, readTextRange, timeRange } from '../../platform/time-range.ts'

const query = tables('system', 'sessions', 'users', 'organizations')

const UserOfSession = Type.Object({ id: Id, email: Email, full_name: Nullable(Name) }, { title: 'UserOfSession' })
const OrganizationOfSession = Type.Object({ id: Id, name: Name, slug: Slug }, { title: 'OrganizationOfSession' })

export const OperatorSession = Type.Object(
  {
    id: Id,
    user: UserOfSession,
    organization: Nullable(OrganizationOfSession),
    active: Type.Boolean({ description: 'Whether it was not revoked and has not expired.' }),
    methods: Type.Array(Type.String({ maxLength: 100 }), {
      maxItems: 20,
      description: 'The authentication methods that were verified.',
    }),
    user_agent: Nullable(Type.String({ maxLength: 500 })),
    ip: Nullable(Type.String({ maxLength: 45 })),
    authenticated_at: Time,
    created_at: Time,
    last_seen_at: Time,
    expires_at: Time,
    revoked_at: Nullable(Time),
    revoked_reason: Nullable(Type.String({ maxLength: 100 })),
  },
  { title: 'OperatorSession' },
)

export const SessionFilters = {
  user_id: Type.Optional(IdOf('user')),
  organization_id: Type.Optional(
    Type.String({ ...IdOf('organization'), description: 'The organization that the session has chosen last.' }),
  ),
  active: Type.Optional(Type.Boolean()),
  device: Type.Optional(
    LineOf(200, {
      description:
        'Words of the user agent (at most eight); case is ignored. It is not indexed: narrow the list by another filter if a device is rare.',
      examples: ['Firefox'],
    }),
  ),
  ip: Type.Optional(AddressFilter),
  from: Type.Optional(
    Type.String({ ...timeRange.from, description: 'Of the time that the list is sorted by: the first one included.' }),
  ),
  to: Type.Optional(
    Type.String({ ...timeRange.to, description: 'Of the time that the list is sorted by: the first one excluded.' }),
  ),
  sort: OneOf(['created_at', '-created_at', 'last_seen_at', '-last_seen_at'], { default: '-created_at' }),
}
type SessionFilters = Static<TObject<typeof SessionFilters>>

const columns = [
  'id',
  'methods',
  'user_agent',
  'ip',
  'authenticated_at',
  'created_at',
  'last_seen_at',
  'expires_at',
  'revoked_at',
  'revoked_reason',
] as const

const isActive = sql<boolean>`(sessions.revoked_at is null and sessions.expires_at > now())`

// Sub-selects, because a join would be planned for all sessions and not for those of one page.
const allSessions = () =>
  query
    .selectFrom('sessions')
    .select(columns.map(column => `sessions.${column}` as const))
    .select([
      isActive.as('active'),
      sql<
        Static<typeof UserOfSession>
      >`(select jsonb_build_object('id', u.id, 'email', u.email, 'full_name', u.full_name) from users u where u.id = sessions.user_id)`.as(
        'user',
      ),
      sql<Static<
        typeof OrganizationOfSession
      > | null>`(select jsonb_build_object('id', o.id, 'name', o.name, 'slug', o.slug) from organizations o where o.id = sessions.organization_id)`.as(
        'organization',
      ),
    ])

interface Filters {
  [name: string]: unknown
  user_id: string | undefined
  organization_id: string | undefined
  ip: string | undefined
  /** Present if only sessions that are active, or only those that are not, are listed: each its own statement. */
  is_active: true | undefined
  is_over: true | undefined
  /** LIKE patterns, all of which the user agent matches. */
  devices: readonly string[] | undefined
  first_id: string | undefined
  end_id: string | undefined
  seen_from: string | undefined
  seen_to: string | undefined
}

const sessionPages = pagesOf((given: Filters) => {
  let rows = allSessions()
  if (given.user_id !== undefined) rows = rows.where('sessions.user_id', '=', given.user_id)
  if (given.organization_id !== undefined) rows = rows.where('sessions.organization_id', '=', given.organization_id)
  if (given.ip !== undefined) rows = rows.where('sessions.ip', '=', given.ip)
  if (given.is_active !== undefined) rows = rows.where(isActive).where('sessions.over_noted', '=', sql.lit(false))
  if (given.is_over !== undefined) rows = rows.where(sql<boolean>`not ${isActive}`)
  // PostgreSQL expects the pattern alone to match almost nothing, and reads the whole table for a page of a common device. Of
  // coalesce() it expects half of the rows, and reads them in the order of the list until the page is full.
  if (given.devices !== undefined)
    rows = rows.where(sql<boolean>`coalesce(sessions.user_agent ilike all (${given.devices}::text[]), false)`)
  if (given.seen_from !== undefined) rows = rows.where('sessions.last_seen_at', '>=', given.seen_from)
  if (given.seen_to !== undefined) rows = rows.where('sessions.last_seen_at', '<', given.seen_to)
  return whereIdIn(rows, given, 'sessions.id')
})

/**
 * The sessions of all users. `from` and `to` limit the time that the list is sorted by, so that every page is a range of
 * one index. @throws Problem invalid-fields
 */
export function listAllSessions(filters: SessionFilters, page: Page) {
  const { user_id, organization_id, active, device, ip, from, to, sort } = filters
  const bySeen = sort.endsWith('last_seen_at')
  const seen = readTextRange({ from, to })
  const values = {
    user_id,
    organization_id,
    ip: readAddressFilter(ip),
    is_active: active === true ? active : undefined,
    is_over: active === false ? (true as const) : undefined,
    devices: device === undefined ? undefined : readWords('device', device).map(containing),
    ...(bySeen ? { first_id: undefined, end_id: undefined } : readIdRange({ from, to })),
    seen_from: bySeen ? seen.from : undefined,
    seen_to: bySeen ? seen.to : undefined,
  }
  return sessionPages(values, orderOf(sort, 'sessions'), page)
}

/** A session of any user. @throws Problem not-found */
export const getAnySession = (id: string) => get(allSessions().where('sessions.id', '=', id))
