import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { auditColumns, AuditEntry, entryTime } from '../../directory/history/history.ts'
import { orderOf, pagesOf, whereGiven, whereIdIn } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { tables } from '../../platform/database/statement.ts'
import { invalidField } from '../../platform/problems.ts'
import type { Problem } from '../../platform/problems.ts'
import { Id, IdOf, Nullable, PageQueryOf, Time } from '../../platform/schemas.ts'
import { readIdRange, readRange, timeRange } from '../../platform/time-range.ts'

const system = tables('system', 'audit_log', 'operator_log')

const Word = Type.String({ minLength: 1, maxLength: 100 })

/**
 * What operators administer: their entries have the values of the columns. Whatever else an organization keeps, such as its
 * projects, operators read by support access alone, so of these entries they get the names of the columns.
 */
export const administered = [
  'organizations',
  'memberships',
  'invitations',
  'invitation_links',
  'roles',
  'custom_role_permissions',
  'support_grants',
  'support',
  'licenses',
  'license_activations',
] as const

const WithheldFields = (part: 'before' | 'after') => ({
  ...AuditEntry.properties[part],
  description: 'Null for what operators do not administer, such as projects: see `changed`.',
})

export const OperatedAuditEntry = Type.Object(
  {
    organization_id: Id,
    ...AuditEntry.properties,
    before: WithheldFields('before'),
    after: WithheldFields('after'),
    changed: Type.Array(Word, { maxItems: 100, description: 'The names of the columns that the entry is about.' }),
  },
  { title: 'OperatedAuditEntry' },
)

const auditFilters = {
  organization_id: Type.Optional(IdOf('organization')),
  actor_id: Type.Optional(IdOf('user')),
  action: Type.Optional(Word),
  entity_type: Type.Optional(Word),
  entity_id: Type.Optional(Id),
  request_id: Type.Optional(Word),
}
export const OperatedAuditQuery = PageQueryOf({ ...auditFilters, ...timeRange })

const logFilters = {
  organization_id: Type.Optional(IdOf('organization')),
  actor_id: Type.Optional(IdOf('user')),
  operation: Type.Optional(
    Type.String({ minLength: 1, maxLength: 100, description: 'The operationId.', examples: ['suspendOrganization'] }),
  ),
  entity_type: Type.Optional(Word),
  entity_id: Type.Optional(Id),
  request_id: Type.Optional(Word),
}
export const OperatorLogQuery = PageQueryOf({ ...logFilters, ...timeRange })

export const OperatorLogEntry = Type.Object(
  {
    id: Id,
    actor_id: Type.String({ ...Id, description: 'The operator.' }),
    session_id: Id,
    request_id: Nullable(Word),
    ip: Nullable(Type.String({ maxLength: 100 })),
    user_agent: Nullable(Type.String({ maxLength: 500 })),
    operation: Word,
    organization_id: Nullable(Id),
    entity_type: Nullable(Word),
    entity_id: Nullable(Id),
    details: Nullable(Type.Record(Type.String({ maxLength: 100 }), Type.Unknown())),
    created_at: Time,
  },
  { title: 'OperatorLogEntry' },
)

/** The filters of a request, without what belongs to its page. */
const pick = (query: object, filters: object): Values =>
  Object.fromEntries(Object.keys(filters).map(name => [name, (query as Values)[name]]))

type Values = Record<string, string | undefined>

type Fields = Static<typeof AuditEntry>['before']

const isAdministered = sql`(action = 'operate' or entity_type in (${sql.join(administered.map(name => sql.lit(name)))}))`
const ifAdministered = (part: 'before' | 'after') =>
  sql<Fields>`case when ${isAdministered} then ${sql.ref(part)} end`.as(part)
const changedNames = sql<string[]>`array(select jsonb_object_keys(coalesce("after", "before")) order by 1)`

const shownColumns = auditColumns.filter(column => column !== 'before' && column !== 'after')

/** The entries with these values, in a range of ids. */
const auditPages = pagesOf(({ first_id, end_id, ...filters }: Values) => {
  const entries = system
    .selectFrom('audit_log')
    .select(['organization_id', ...shownColumns])
    .select([ifAdministered('before'), ifAdministered('after'), changedNames.as('changed'), entryTime.as('created_at')])
  return whereGiven(whereIdIn(entries, { first_id, end_id }), filters)
})

/** The longest search through the entries of all organizations, in days. */
const MAX_DAYS = 31

/** Only the organization and the actor are found by an index: anything else is looked for in a range of time. */
function refusalOf(query: Static<typeof OperatedAuditQuery>): Problem | undefined {
  const { organization_id, actor_id, action, entity_type, entity_id, request_id } = query
  const isSearch = [action, entity_type, entity_id, request_id].some(value => value !== undefined)
  if (!isSearch || organization_id !== undefined || actor_id !== undefined) return undefined
  const { from, to = Date.now() } = readRange(query)
  return from === undefined || to - from > MAX_DAYS * 86_400_000
    ? invalidField(
        '?from',
        `must be at most ${MAX_DAYS} days before \`to\`, to search the entries of all organizations; or give organization_id or actor_id`,
      )
    : undefined
}

/**
 * The audit logs of all organizations, the newest entry first; with the entries of operators and of organizations that
 * were deleted, but without the values of what operators do not administer. @throws Problem invalid-fields for a bad range of time, or (when read) for a search without one
 */
export function listAuditLogs(query: Static<typeof OperatedAuditQuery>, page: Page) {
  const order = orderOf('-created_at', 'audit_log')
  const refusal = refusalOf(query)
  return refusal === undefined
    ? auditPages({ ...pick(query, auditFilters), ...readIdRange(query) }, order, page)
    : auditPages({}, order, { ...page, refusal })
}

const logPages = pagesOf(({ first_id, end_id, ...filters }: Values) => {
  const entries = system
    .selectFrom('operator_log')
    .select([
      'id',
      'actor_id',
      'session_id',
      'request_id',
      'ip',
      'user_agent',
      'operation',
      'organization_id',
      'entity_type',
      'entity_id',
      'details',
      'created_at',
    ])
  return whereGiven(whereIdIn(entries, { first_id, end_id }), filters)
})

/** What operators did, the newest entry first. @throws Problem invalid-fields for a bad range of time */
export const listOperatorLog = (query: Static<typeof OperatorLogQuery>, page: Page) =>
  logPages({ ...pick(query, logFilters), ...readIdRange(query) }, orderOf('-created_at', 'operator_log'), page)
