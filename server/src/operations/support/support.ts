import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { updateRow } from '../../platform/database/conditional.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { orderOf, pagesOf, whereGiven } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { find, get, statement, tables } from '../../platform/database/statement.ts'
import { supportRoles } from '../../platform/gate/permissions.ts'
import { Problem } from '../../platform/problems.ts'
import { Id, IdOf, LineOf, Nullable, OneOf, PageQueryOf, Strict, Time, timestamps } from '../../platform/schemas.ts'

const query = tables('tenant', 'support_grants', 'support_places', 'gate', 'organizations')
const either = tables('either', 'support_grants')
const system = tables('system', 'support_grants', 'contesting_owners')

/** Eight hours. */
const MAX_MINUTES = 480

export const statuses = ['requested', 'denied', 'withdrawn', 'scheduled', 'open', 'ended', 'expired'] as const
type Status = (typeof statuses)[number]

const Reason = LineOf(300, {
  description: 'Why the access is needed, in one line. The organization and its owners read it.',
  examples: ['Ticket 4711: the project list stays empty.'],
})
const Role = OneOf(supportRoles, {
  description: 'viewer: to read. member: also to change projects and the like; never members, roles or settings.',
})
const Minutes = Type.Integer({
  minimum: 1,
  maximum: MAX_MINUTES,
  description: 'How long the access lasts once it is open: at most eight hours.',
})

export const SupportAccess = Type.Object(
  {
    id: { ...Id, description: 'Also the subject of its access tokens, and the actor in the audit log.' },
    organization_id: IdOf('organization'),
    operator_id: { ...Id, description: 'The operator who asked.' },
    reason: Reason,
    role: Role,
    minutes: Minutes,
    status: OneOf(statuses, {
      description:
        'requested: not decided yet. scheduled: granted in an emergency, opens at `opens_at`. A request expires after 7 days.',
    }),
    emergency: Type.Boolean({ description: 'Whether another operator granted it, not the organization.' }),
    granted_by: Nullable(Id),
    granted_at: Nullable(Time),
    opens_at: Nullable(Time),
    expires_at: Nullable(Time),
    ended_by: Nullable({ ...Id, description: 'Who denied, withdrew or ended it.' }),
    ended_at: Nullable(Time),
    ...timestamps,
  },
  { title: 'SupportAccess' },
)

export const NewSupportAccess = Strict(
  { reason: Reason, role: Type.Optional(Role), minutes: Type.Optional(Minutes) },
  { title: 'NewSupportAccess', description: 'By default for the role `viewer`, and for 60 minutes.' },
)
export const SupportApproval = Strict(
  { role: Type.Optional(Role), minutes: Type.Optional(Minutes) },
  { title: 'SupportApproval', description: 'By default for the role and the time that the operator asked for.' },
)
export type SupportApproval = Static<typeof SupportApproval>

export const SupportQuery = PageQueryOf({
  organization_id: Type.Optional(IdOf('organization')),
  operator_id: Type.Optional(IdOf('user')),
  status: Type.Optional(OneOf(statuses)),
})

export const SupportToken = Type.Object(
  {
    access_token: Type.String({ maxLength: 4096 }),
    token_type: Type.Literal('bearer'),
    expires_in: Type.Integer({ minimum: 1, maximum: 86_400, description: 'Seconds. There is no refresh token.' }),
    organization_id: IdOf('organization'),
    role: Role,
    expires_at: { ...Time, description: 'When the access expires.' },
  },
  { title: 'SupportToken' },
)

const status = sql<Status>`case
  when ended_at is not null and granted_at is not null then 'ended'
  when ended_at is not null and ended_by = operator_id then 'withdrawn'
  when ended_at is not null then 'denied'
  when granted_at is null then case when created_at < now() - interval '7 days' then 'expired' else 'requested' end
  when expires_at <= now() then 'expired'
  when opens_at > now() then 'scheduled'
  else 'open' end`

const columns = [
  'id',
  'organization_id',
  'operator_id',
  'reason',
  'role',
  'minutes',
  'emergency',
  'granted_by',
  'granted_at',
  'opens_at',
  'expires_at',
  'ended_by',
  'ended_at',
  'created_at',
  'updated_at',
] as const

/** What the trigger guard_support_grant() refuses. */
const refusals = {
  support_grants_decided: 'support-access-decided',
  support_grants_own: 'own-support-access',
  support_grants_second: 'second-operator-required',
  support_grants_uncontested: { code: 'support-access-uncontested', tells: true },
} as const

/** What the triggers support_contest refuse to operators. */
export const contestRules = { support_grants_uncontested: refusals.support_grants_uncontested }

/** Which of these users are owners who can end an emergency access before it opens: operators do not disable them or end their sessions. */
export const findContestingOwners = (ids: readonly string[]) =>
  statement(
    system
      .selectFrom('contesting_owners')
      .select('user_id')
      .where(sql<boolean>`user_id = any (${ids}::uuid[])`),
    rows => new Set(rows.map(({ user_id }) => user_id)),
  )

/** Where a support access is. */
export interface SupportPlace {
  organization_id: string
  id: string
}

const accessPages = pagesOf(
  (filters: { organization_id: string | undefined; operator_id: string | undefined; status: string | undefined }) => {
    const { status: wanted, ...given } = filters
    const rows = whereGiven(either.selectFrom('support_grants').select([...columns, status.as('status')]), given)
    return wanted === undefined ? rows : rows.where(sql<boolean>`${status} = ${wanted}`)
  },
)

/** Support access to one organization or, for operators, to all; the latest request first. */
export const listSupport = (
  filters: Partial<Pick<Static<typeof SupportQuery>, 'organization_id' | 'operator_id' | 'status'>>,
  page: Page,
) => {
  const { organization_id, operator_id, status: wanted } = filters
  return accessPages({ organization_id, operator_id, status: wanted }, orderOf('-created_at', 'support_grants'), page)
}

/** @throws Problem not-found */
export const getSupport = ({ organization_id, id }: SupportPlace) =>
  get(
    query
      .selectFrom('support_grants')
      .select([...columns, status.as('status')])
      .where('organization_id', '=', organization_id)
      .where('id', '=', id),
  )

/** Asks for access of the acting operator; the owners are notified by email. */
export const requestSupport = (organization_id: string, operator_id: string, asked: Static<typeof NewSupportAccess>) =>
  get(
    query
      .insertInto('support_grants')
      .values({ organization_id, operator_id, ...asked })
      .returning([...columns, status.as('status')]),
  )

/**
 * Grants a request. In the organization it opens at once; by a second operator, after a quarter of an hour, of which the
 * owners are notified by email. @throws Problem not-found, support-access-decided, own-support-access, second-operator-required,
 * support-access-uncontested
 */
export const approveSupport = ({ organization_id, id }: SupportPlace, { role, minutes }: SupportApproval) =>
  get(
    query
      .updateTable('support_grants')
      .set({ granted_at: sql<string>`now()`, ...(minutes !== undefined && { minutes }), ...(role && { role }) })
      .where('organization_id', '=', organization_id)
      .where('id', '=', id)
      .returning([...columns, status.as('status')]),
    refusals,
  )

/** Refuses a request that is not decided yet. @throws Problem not-found, support-access-decided */
export async function denySupport(transaction: Transaction<'tenant'>, place: SupportPlace): Promise<void> {
  const { granted_at } = await transaction.run(
    get(
      query
        .selectFrom('support_grants')
        .select('granted_at')
        .where('organization_id', '=', place.organization_id)
        .where('id', '=', place.id)
        .forNoKeyUpdate(),
    ),
  )
  if (granted_at !== null) throw new Problem('support-access-decided')
  await transaction.run(endSupport(place))
}

/**
 * Denies, withdraws or ends it, whatever its state is: the principal loses access at once, and what it is writing does
 * not commit. @throws Problem not-found, support-access-decided
 */
export const endSupport = ({ organization_id, id }: SupportPlace) =>
  updateRow(
    { query, table: 'support_grants', key: { organization_id, id }, columns: ['id'], condition: undefined },
    { ended_at: sql<string>`now()` },
    refusals,
  )

/**
 * The open access of the acting operator, and the seconds that are left. @throws Problem not-found, support-access-not-open,
 * organization-suspended
 */
export const getOpenSupport = ({ organization_id, id }: SupportPlace) =>
  statement(
    query
      .selectFrom('support_grants')
      .innerJoin('gate', 'gate.organization_id', 'support_grants.organization_id')
      .select(['support_grants.role', 'support_grants.expires_at'])
      .select(({ selectFrom }) =>
        selectFrom('organizations')
          .select('organizations.suspended_at')
          .whereRef('organizations.id', '=', 'support_grants.organization_id')
          .as('suspended_at'),
      )
      .select(sql<number>`floor(extract(epoch from support_grants.expires_at - now()))::int`.as('seconds'))
      .select(sql<boolean>`support_grants.operator_id = gate.user_id and ${status} = 'open'`.as('is_open'))
      .where('support_grants.organization_id', '=', organization_id)
      .where('support_grants.id', '=', id),
    ([row]) => {
      if (row === undefined) throw new Problem('not-found')
      const { is_open, role, expires_at, seconds, suspended_at } = row
      if (!is_open || expires_at === null || seconds < 1) throw new Problem('support-access-not-open')
      // The gate is closed for support access as well.
      if (suspended_at !== null) throw new Problem('organization-suspended', { extension: { suspended_at } })
      return { role, expires_at, seconds }
    },
  )

/** Whether owners could not end an emergency access before it opens, because their organization was suspended meanwhile. */
export const hasUncontestedAccess = (organization_id: string) =>
  statement(
    query
      .selectFrom('support_grants')
      .innerJoin('organizations', 'organizations.id', 'support_grants.organization_id')
      .select('support_grants.id')
      .where('support_grants.organization_id', '=', organization_id)
      .where('support_grants.emergency', '=', true)
      .where('support_grants.ended_at', 'is', null)
      .where('support_grants.expires_at', '>', sql<string>`now()`)
      .whereRef('support_grants.opens_at', '>', 'organizations.suspended_at')
      .limit(1),
    rows => rows.length > 0,
  )

/** The organization that a support access is for, if the caller is an operator. */
export const findOrganizationOf = (id: string) =>
  find(query.selectFrom('support_places').select('organization_id').where('id', '=', id))

/** The same. @throws Problem not-found */
export const getOrganizationOf = (id: string) =>
  get(system.selectFrom('support_grants').select('organization_id').where('id', '=', id))
