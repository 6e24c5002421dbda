import { sql } from 'kysely'
import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { deleteRow, updateRow } from '../../platform/database/conditional.ts'
import type { Condition } from '../../platform/database/conditional.ts'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { get, tables } from '../../platform/database/statement.ts'
import { Id, Name, Nullable, OneOf, Slug, Strict, Text, timestamps } from '../../platform/schemas.ts'

const tenant = tables('tenant', 'license_plans')
const system = tables('system', 'license_plans')

const count = (description: string, minimum = 0) =>
  Type.Integer({ minimum, maximum: 2_147_483_647, description, examples: [100] })
const seconds = (description: string, minimum: number) =>
  Type.Integer({ minimum, maximum: 31_536_000, description, examples: [600] })

const Quotas = Strict(
  {
    projects: Type.Optional(Nullable(count('The number of projects. Null: unlimited.'))),
    workspaces: Type.Optional(Nullable(count('The number of workspaces. Null: unlimited.'))),
    storage_bytes: Type.Optional(
      Nullable(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Null: unlimited.' })),
    ),
  },
  { description: 'Quotas of the organization. What is left out is unlimited.' },
)
const Entitlements = Type.Array(Type.String({ ...Slug, examples: ['sso'] }), {
  maxItems: 100,
  uniqueItems: true,
  description: 'What the license entitles to: codes that routes and client programs ask for.',
})

/** The terms of a plan, which a license copies. */
export const terms = {
  seats: Nullable(count('How many members who are no guests the organization may have. Null: unlimited.')),
  max_activations: Nullable(count('How many devices may be active at once. Null: unlimited.')),
  overage_percent: Type.Integer({
    minimum: 0,
    maximum: 1000,
    description: 'By how much seats, activations and quotas may be exceeded: with 50, 15 instead of 10.',
  }),
  quotas: Quotas,
  entitlements: Entitlements,
  activation: OneOf(['node-locked', 'floating'], {
    description: 'Whether an activation belongs to a device, or is a lease that is taken and returned.',
  }),
  heartbeat_seconds: Nullable(seconds('How often an activated device must report. Null: never.', 1)),
  heartbeat_grace_seconds: Type.Integer({
    minimum: 0,
    maximum: 31_536_000,
    description: 'How much later than that a device may report.',
  }),
  duration_days: Nullable(
    Type.Integer({ minimum: 1, maximum: 36_500, description: 'Null: without an end.', examples: [365] }),
  ),
  expiry_basis: OneOf(['creation', 'first-validation', 'first-activation'], {
    description: 'When the duration begins.',
  }),
  on_expiry: OneOf(['restrict', 'read-only', 'keep'], {
    description:
      'What remains after the end. `restrict`: nothing, the default plan applies. `read-only`: the entitlements for reading, and nothing can be added. `keep`: everything.',
  }),
}

const about = {
  code: Type.String({ ...Slug, examples: ['team-2026'], description: 'Unique; for client programs and invoices.' }),
  name: Name,
  description: Nullable(Text),
  is_default: Type.Boolean({
    description: 'Whether organizations without a license follow this plan. There is at most one.',
  }),
}

export const LicensePlan = Type.Object({ id: Id, ...about, ...terms, ...timestamps }, { title: 'LicensePlan' })

const { quotas: _quotas, ...others } = terms
const optional = Type.Partial(Type.Object({ ...about, ...others })).properties
/** An optional field with its default; in a change, nothing is set that was not sent. */
const preset = <T extends TSchema>(schema: T, value: Static<T>) =>
  Type.Optional(Type.Unsafe<Static<T>>({ ...schema, default: value }))
export const NewLicensePlan = Strict(
  {
    ...optional,
    code: about.code,
    name: about.name,
    is_default: preset(about.is_default, false),
    overage_percent: preset(terms.overage_percent, 0),
    quotas: preset(Quotas, {}),
    entitlements: preset(Entitlements, []),
    activation: preset(terms.activation, 'node-locked'),
    heartbeat_grace_seconds: preset(terms.heartbeat_grace_seconds, 0),
    expiry_basis: preset(terms.expiry_basis, 'creation'),
    on_expiry: preset(terms.on_expiry, 'restrict'),
  },
  { title: 'NewLicensePlan', examples: [{ code: 'team-2026', name: 'Team', seats: 10, max_activations: 10 }] },
)
type NewLicensePlan = Static<typeof NewLicensePlan>
export const LicensePlanChanges = Strict(
  {
    ...optional,
    quotas: Type.Optional({
      ...Quotas,
      description: 'Quotas that are not sent stay; null makes one unlimited.',
    } as typeof Quotas),
  },
  { title: 'LicensePlanChanges', minProperties: 1 },
)
type LicensePlanChanges = Static<typeof LicensePlanChanges>

export const termColumns = [
  'seats',
  'max_activations',
  'overage_percent',
  'quotas',
  'entitlements',
  'activation',
  'heartbeat_seconds',
  'heartbeat_grace_seconds',
  'duration_days',
  'expiry_basis',
  'on_expiry',
] as const
const columns = [
  'id',
  'code',
  'name',
  'description',
  'is_default',
  ...termColumns,
  'created_at',
  'updated_at',
  'version',
] as const

const refusals = {
  license_plans_code_key: 'license-plan-code-taken',
  licenses_plan_fkey: 'plan-in-use',
  license_plans_default_in_use: 'plan-in-use',
  license_plans_is_default: { code: 'busy', retryAfter: 1 },
  license_plans_default_has_seat: { pointer: '/seats', detail: 'must be at least 1 in the default plan' },
} as const

const planPages = pagesOf(() => tenant.selectFrom('license_plans').select(columns))

/** Newest first by default. */
export const listLicensePlans = ({ sort }: { sort: string }, page: Page) =>
  planPages({}, orderOf(sort, 'license_plans'), page)

/** @throws Problem not-found */
export const getLicensePlan = (id: string) =>
  get(tenant.selectFrom('license_plans').select(columns).where('id', '=', id))

const write = <Given extends { quotas?: object }>({ quotas, ...given }: Given, former = sql`'{}'::jsonb`) => ({
  ...given,
  ...(quotas !== undefined && { quotas: sql<string>`${former} || ${JSON.stringify(quotas)}::jsonb` }),
})

/** @throws Problem license-plan-code-taken; invalid-fields if the default plan has no seat */
export const createLicensePlan = (plan: NewLicensePlan) =>
  get(system.insertInto('license_plans').values(write(plan)).returning(columns), refusals)

const target = (id: string, condition: Condition) =>
  ({ query: system, table: 'license_plans', key: { id }, columns, condition }) as const

/**
 * Changes a plan. Licenses that exist keep their terms; organizations without a license follow a change of the default plan
 * at once. Quotas that are not sent stay. @throws Problem not-found, license-plan-code-taken, entity-tag-stale; invalid-fields if the default plan has no seat
 */
export const updateLicensePlan = (id: string, changes: LicensePlanChanges, condition: Condition) =>
  updateRow(target(id, condition), write(changes, sql`target.quotas`), refusals)

/** The same with all fields, so quotas that are not given become unlimited. @throws Problem as updateLicensePlan */
export const replaceLicensePlan = (id: string, plan: LicensePlanChanges, condition: Condition) =>
  updateRow(target(id, condition), write(plan), refusals)

/** @throws Problem not-found, plan-in-use, entity-tag-stale */
export const deleteLicensePlan = (id: string, condition: Condition) => deleteRow(target(id, condition), refusals)
