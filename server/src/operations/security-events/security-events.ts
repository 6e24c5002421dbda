import { Type } from 'typebox'
import type { Static } from 'typebox'
import { AddressFilter, readAddressFilter } from '../../platform/addresses.ts'
import { orderOf, pagesOf, whereGiven, whereIdIn } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { tables } from '../../platform/database/statement.ts'
import { Id, IdOf, Nullable, OneOf, PageQueryOf, Time } from '../../platform/schemas.ts'
import { readIdRange, timeRange } from '../../platform/time-range.ts'

const query = tables('system', 'security_events')
const own = tables('tenant', 'own_security_events')

const EventType = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'What happened, such as `login-failed`, `sign-in-locked` or `refresh-token-reused`.',
  examples: ['login-failed'],
})
const Text = Nullable(Type.String({ maxLength: 500 }))
const Details = Nullable(Type.Record(Type.String({ maxLength: 100 }), Type.Unknown()))

export const SecurityEvent = Type.Object(
  {
    id: Id,
    type: EventType,
    user_id: Nullable(
      Type.String({
        ...Id,
        description: 'Null if no account is known, as for a failed sign-in under an unknown name.',
      }),
    ),
    session_id: Nullable(Id),
    actor_id: Nullable(Type.String({ ...Id, description: 'Who caused it; null without a session.' })),
    request_id: Text,
    ip: Text,
    user_agent: Text,
    details: Details,
    created_at: Time,
  },
  { title: 'SecurityEvent' },
)

export const OwnSecurityEvent = Type.Object(
  {
    id: Id,
    type: EventType,
    session_id: Nullable(Id),
    actor: OneOf(['self', 'other', 'unknown'], {
      description:
        '`self`: the current user. `other`: an administrator or an operator, whose name, address and device are not shown. `unknown`: someone without a session.',
    }),
    ip: Text,
    user_agent: Text,
    created_at: Time,
  },
  { title: 'OwnSecurityEvent' },
)

const sort = OneOf(['created_at', '-created_at'], { default: '-created_at' })

export const SecurityEventQuery = PageQueryOf({
  user_id: Type.Optional(Type.String({ ...IdOf('user'), description: 'The account that it happened to.' })),
  actor_id: Type.Optional(Type.String({ ...IdOf('user'), description: 'The user who caused it.' })),
  type: Type.Optional(EventType),
  ip: Type.Optional(AddressFilter),
  ...timeRange,
  sort,
})
export const OwnSecurityEventQuery = PageQueryOf({ type: Type.Optional(EventType), ...timeRange, sort })

interface Filters {
  [name: string]: string | undefined
  user_id?: string | undefined
  actor_id?: string | undefined
  type: string | undefined
  ip?: string | undefined
  first_id: string | undefined
  end_id: string | undefined
}

const eventPages = pagesOf(({ first_id, end_id, user_id, actor_id, type, ip }: Filters) => {
  const events = query
    .selectFrom('security_events')
    .select([
      'id',
      'type',
      'user_id',
      'session_id',
      'actor_id',
      'request_id',
      'ip',
      'user_agent',
      'details',
      'created_at',
    ])
  return whereGiven(whereIdIn(events, { first_id, end_id }), { user_id, actor_id, type, ip })
})

/** The security events of all accounts. @throws Problem invalid-fields */
export const listSecurityEvents = (
  { user_id, actor_id, type, ip, from, to, sort: order }: Static<typeof SecurityEventQuery>,
  page: Page,
) =>
  eventPages(
    { user_id, actor_id, type, ip: readAddressFilter(ip), ...readIdRange({ from, to }) },
    orderOf(order, 'security_events'),
    page,
  )

const ownPages = pagesOf(({ first_id, end_id, type }: Filters) => {
  const events = own
    .selectFrom('own_security_events')
    .select(['id', 'type', 'session_id', 'actor', 'ip', 'user_agent', 'created_at'])
  return whereGiven(whereIdIn(events, { first_id, end_id }), { type })
})

/** What happened to the account of the current user. @throws Problem invalid-fields */
export const listOwnSecurityEvents = (
  { type, from, to, sort: order }: Static<typeof OwnSecurityEventQuery>,
  page: Page,
) => ownPages({ type, ...readIdRange({ from, to }) }, orderOf(order, 'own_security_events'), page)
