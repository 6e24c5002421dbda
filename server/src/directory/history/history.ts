import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { orderOf, pagesOf, whereGiven, whereIdIn } from '../../platform/database/pagination.ts'
import type { FiltersOf, Page } from '../../platform/database/pagination.ts'
import { Id, Nullable, PageQueryOf, Time } from '../../platform/schemas.ts'
import { readIdRange, timeRange } from '../../platform/time-range.ts'
import { containing } from '../../platform/database/search.ts'
import { execute, find, many, raw, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import type { PlainEvent } from '../../platform/mail/mails.ts'

const query = tables('tenant', 'audit_log')

const Word = Type.String({ minLength: 1, maxLength: 100 })
const Fields = Nullable(Type.Record(Type.String({ maxLength: 100 }), Type.Unknown()))

export const AuditEntry = Type.Object(
  {
    id: Id,
    action: Word,
    entity_type: Word,
    entity_id: Nullable(Id),
    actor_id: Nullable({ ...Id, description: 'A user or, if an operator acted through it, a support access.' }),
    operator_id: Nullable({ ...Id, description: 'The operator, under support access.' }),
    session_id: Nullable(Id),
    request_id: Nullable(Word),
    ip: Nullable(
      Type.String({ maxLength: 100, description: 'Null without a client address, as for the command line.' }),
    ),
    user_agent: Nullable(Type.String({ maxLength: 500 })),
    before: Fields,
    after: Fields,
    created_at: Time,
  },
  { title: 'AuditEntry' },
)

export const AuditQuery = PageQueryOf({
  actor: Type.Optional(Id),
  action: Type.Optional(Word),
  entity_type: Type.Optional(Word),
  entity_id: Type.Optional(Id),
  request_id: Type.Optional(Word),
  ...timeRange,
  text: Type.Optional(
    Type.String({ minLength: 1, maxLength: 200, description: 'Text to find in the changed values; case is ignored.' }),
  ),
})
export type AuditQuery = Static<typeof AuditQuery>

/** The columns of an entry in every list. */
export const auditColumns = [
  'id',
  'action',
  'entity_type',
  'entity_id',
  'actor_id',
  'operator_id',
  'session_id',
  'request_id',
  'ip',
  'user_agent',
  'before',
  'after',
] as const

/** The time of an entry is read from its UUIDv7. */
export const entryTime = sql<string>`to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)`

interface Filters {
  [name: string]: string | undefined
  organization_id: string
  /** The range of ids: the first is included, the second excluded. */
  first_id: string | undefined
  end_id: string | undefined
  /** The search text as a LIKE pattern. */
  pattern: string | undefined
}

const entryPages = pagesOf(({ organization_id, actor, first_id, end_id, pattern, ...given }: Filters) => {
  const list = query
    .selectFrom('audit_log')
    .select(auditColumns)
    .select(entryTime.as('created_at'))
    .where('organization_id', '=', organization_id)
  const entries = whereGiven(whereIdIn(list, { first_id, end_id }), { actor_id: actor, ...given })
  return pattern === undefined
    ? entries
    : entries.where(sql<boolean>`(before::text ilike ${pattern} or after::text ilike ${pattern})`)
})

/** The organization's audit log, newest first. */
export function listAuditLog(organization_id: string, filters: FiltersOf<AuditQuery>, page: Page) {
  const { actor, action, entity_type, entity_id, request_id, from, to, text } = filters
  const values = {
    organization_id,
    actor,
    action,
    entity_type,
    entity_id,
    request_id,
    ...readIdRange({ from, to }),
    pattern: text === undefined ? undefined : containing(text),
  }
  return entryPages(values, orderOf('-created_at', 'audit_log'), page)
}

const system = tables('system', 'security_events')

/** Records a security event, and emails the user if the event is declared as `mailed`. */
export const recordEvent = (
  { type, mailed }: PlainEvent,
  user_id: string | null,
  session_id: string | null,
  details: Readonly<Record<string, unknown>> = {},
) =>
  execute(
    raw(system, sql`select record_event(${type}, ${user_id}, ${session_id}, ${JSON.stringify(details)}, ${mailed})`),
  )

/** The same for several users, for what an operator did to their accounts. */
export const recordEvents = ({ type, mailed }: PlainEvent, user_ids: readonly string[]) =>
  execute(
    raw(system, sql`select record_event(${type}, id, null, '{}', ${mailed}) from unnest(${user_ids}::uuid[]) as id`),
  )

/**
 * Records a refused request in a separate transaction, because the refusal rolls back the transaction of the request.
 */
export const reportEvent = (
  visitor: SystemRunner,
  event: PlainEvent,
  user_id: string | null,
  session_id: string | null,
  details: Readonly<Record<string, unknown>> = {},
): Promise<void> =>
  // system: refused requests are recorded, even if no account is known
  visitor.run(recordEvent(event, user_id, session_id, details))

const origins = tables('system', 'audit_log', 'organizations')

/** Entries of one batch. Each batch is a separate transaction, so that it blocks writers only briefly. */
const BATCH = 5000

/** Removes the IP addresses and user agents of a user from all audit logs; the entries themselves stay. */
export async function forgetOrigins(system: SystemRunner, user_id: string): Promise<void> {
  const organizations = origins
    .selectFrom('organizations')
    .select('id')
    .where(
      sql<boolean>`exists (select from audit_log a where a.organization_id = organizations.id and a.actor_id = ${user_id}
        and (a.ip is not null or a.user_agent is not null))`,
    )
  const run = <Result>(statement: Statement<'system', Result>, organization_id?: string) =>
    // system: an erased account has no session, and its entries can be in organizations that it has left
    system.with({ organization_id }).run(statement)
  for (const { id: organization_id } of await run(many(organizations))) {
    const batch = find(
      raw(
        origins,
        sql`with gone as (
          update audit_log set ip = null, user_agent = null where organization_id = ${organization_id} and id = any (array(
            select id from audit_log where organization_id = ${organization_id} and actor_id = ${user_id}
              and (ip is not null or user_agent is not null) limit ${BATCH})) returning 1)
          select 1 from gone limit 1`,
      ),
    )
    while ((await run(batch, organization_id)) !== undefined);
  }
}
