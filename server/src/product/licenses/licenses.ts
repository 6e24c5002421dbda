import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { deleteRow, updateRow } from '../../platform/database/conditional.ts'
import type { Changes, Condition } from '../../platform/database/conditional.ts'
import { orderOf, pagesOf, whereGiven } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { get, raw, statement, tables } from '../../platform/database/statement.ts'
import type { TenantTables } from '../../platform/database/tables.gen.ts'
import { invalidField } from '../../platform/problems.ts'
import { termColumns } from '../license-plans/license-plans.ts'
import type { LicenseKey } from './license-key.ts'
import { statuses } from './messages.ts'
import type { LicenseChanges, NewLicense, OperatorFilters, OperatorLicense, Status } from './messages.ts'

const query = tables('tenant', 'licenses', 'license_plans')
const system = tables('system', 'licenses', 'license_plans')

/** The status of a license now: time makes an active one `expired`. `table` is its name in the statement. */
const statusOf = (table: string) =>
  sql<Status>`license_status(${sql.ref(`${table}.status`)}, ${sql.ref(`${table}.expires_at`)})`

const ownColumns = [
  'id',
  'organization_id',
  'plan_id',
  'name',
  'metadata',
  'key_prefix',
  'starts_at',
  'expires_at',
  'first_validated_at',
  'first_activated_at',
  ...termColumns,
  'transferred_from',
  'transferred_to',
  'created_at',
  'updated_at',
  'version',
] as const
export const licenseRules = {
  licenses_revoked: 'license-revoked',
  licenses_transferred: 'license-transferred',
  licenses_status_path: { code: 'license-status-conflict', tells: true },
  limit_below_use: { code: 'limit-below-use', tells: true },
  licenses_plan_fkey: { pointer: '/plan_id', detail: 'is not a plan' },
  licenses_expires_in_future: { pointer: '/expires_at', detail: 'must be in the future' },
  licenses_expires_later: { pointer: '/expires_at', detail: 'must be later than starts_at' },
  licenses_expires_in_time: { pointer: '/expires_at', detail: 'must not be later than the year 9999' },
  licenses_metadata_size: { pointer: '/metadata', detail: 'must not exceed 16 KiB in total' },
  licenses_organization_id_fkey: { pointer: '/organization_id', detail: 'is not an organization' },
} as const

interface Filters {
  status?: Status | undefined
  plan_id?: string | undefined
}

const status = statusOf('licenses')
/** PostgreSQL knows these columns only as JSON; the schemas of requests have decided what is in them. */
type JsonColumns = Pick<OperatorLicense, 'metadata' | 'quotas'>
const licenses = query.selectFrom('licenses').select(ownColumns).select(status.as('status')).$narrowType<JsonColumns>()
const allLicenses = system
  .selectFrom('licenses')
  .select(ownColumns)
  .select(status.as('status'))
  .$narrowType<JsonColumns>()

/** Each as a condition of its own, so that PostgreSQL finds the index of those that few licenses match. */
const conditions: Readonly<Record<Status, RawBuilder<boolean>>> = {
  draft: sql`licenses.status = 'draft'`,
  suspended: sql`licenses.status = 'suspended'`,
  revoked: sql`licenses.status = 'revoked'`,
  active: sql`(licenses.status = 'active' and coalesce(licenses.expires_at > now(), true))`,
  expired: sql`(licenses.status = 'active' and licenses.expires_at <= now())`,
}

/** The columns that a list filters by, and the one status that it is narrowed to. */
type Values = Readonly<Record<string, string | true | undefined>>
const valuesOf = ({ status: wanted, ...given }: Filters & Values): Values =>
  wanted === undefined ? given : { ...given, [`is_${wanted}`]: true }
const columnsOf = (given: Values) =>
  Object.fromEntries(Object.entries(given).filter(([name]) => !name.startsWith('is_')))
const conditionsOf = (given: Values): RawBuilder<boolean> =>
  sql.join(
    [sql`true`, ...statuses.filter(name => given[`is_${name}`] !== undefined).map(name => conditions[name])],
    sql` and `,
  )

const licensePages = pagesOf((given: Values) => whereGiven(licenses, columnsOf(given)).where(conditionsOf(given)))

/** The licenses of one organization, newest first. */
export const listLicenses = (organization_id: string, { sort, ...filters }: Filters & { sort: string }, page: Page) =>
  licensePages(
    valuesOf({ organization_id, plan_id: filters.plan_id, status: filters.status }),
    orderOf(sort, 'licenses'),
    page,
  )

const operatorPages = pagesOf((given: Values) => whereGiven(allLicenses, columnsOf(given)).where(conditionsOf(given)))

/** The licenses of all organizations, newest first; for operators. */
export const listAllLicenses = ({ sort, ...filters }: OperatorFilters, page: Page) => {
  const { organization_id, plan_id, key_prefix, status: wanted } = filters
  return operatorPages(
    valuesOf({ organization_id, plan_id, key_prefix, status: wanted }),
    orderOf(sort, 'licenses'),
    page,
  )
}

/** @throws Problem not-found */
export const getLicense = (organization_id: string, id: string) =>
  get(licenses.where('organization_id', '=', organization_id).where('id', '=', id))

/** A license of any organization, for operators. @throws Problem not-found */
export const getAnyLicense = (id: string) => get(allLicenses.where('id', '=', id))

const copied = sql.join(termColumns.map(column => sql.ref(column)))
const copiedFrom = sql.join(termColumns.map(column => sql.ref(`plan.${column}`)))
const returned = sql.join(ownColumns.map(column => sql.ref(`made.${column}`)))
type LicenseRow = OperatorLicense & { version: number }

/** The end of a license that begins now: none until the first use, if the plan says so. */
export const endOf = (start: RawBuilder<unknown>, plan: string) => sql<string | null>`
  case when ${sql.ref(`${plan}.expiry_basis`)} = 'creation' then ${start} + make_interval(days => ${sql.ref(`${plan}.duration_days`)}) end`

/**
 * Issues a license with the terms of the plan. A draft without an explicit end gets it when it is issued.
 * @throws Problem limit-below-use; invalid-fields when there is no such plan, or the end is not in the future
 */
export const createLicense = (
  organization_id: string,
  { plan_id, name = null, metadata = {}, status = 'active', starts_at, expires_at }: NewLicense,
  { prefix, hash }: LicenseKey,
) => {
  const start = sql`coalesce(${starts_at ?? null}::timestamptz, now())`
  return statement(
    raw(
      query,
      sql<LicenseRow>`
      insert into licenses as made (organization_id, plan_id, name, metadata, status, key_prefix, key_hash, starts_at, expires_at, ${copied})
      select ${organization_id}, plan.id, ${name}, ${JSON.stringify(metadata)}::jsonb, ${status}, ${prefix}, ${hash}, ${start},
        coalesce(${expires_at ?? null}::timestamptz, case when ${status} = 'active' then ${endOf(start, 'plan')} end), ${copiedFrom}
      from license_plans plan where plan.id = ${plan_id}
      returning ${returned}, ${statusOf('made')} as status`,
    ),
    ([license]) => {
      if (license === undefined) throw invalidField('/plan_id', 'is not a plan')
      return license
    },
    licenseRules,
  )
}

const target = (organization_id: string, id: string, condition: Condition) =>
  ({ query, table: 'licenses', key: { organization_id, id }, columns: ['id'], condition }) as const

/** Changes a license. @throws Problem not-found, entity-tag-stale, license-revoked, license-status-conflict, limit-below-use */
export const changeLicense = (
  organization_id: string,
  id: string,
  changes: Changes<TenantTables['licenses']>,
  condition: Condition,
) => updateRow(target(organization_id, id, condition), changes, licenseRules)

/**
 * Changes what operators note. The names in `metadata` are merged, and null removes one; `replaces`: those that are not given
 * are removed. @throws Problem not-found, entity-tag-stale; invalid-fields if it is too large
 */
export function updateLicense(
  organization_id: string,
  id: string,
  { name, metadata }: LicenseChanges,
  { replaces, condition }: { replaces: boolean; condition: Condition },
) {
  const former = replaces ? sql`'{}'::jsonb` : sql`target.metadata`
  const merged = metadata && { metadata: sql`jsonb_strip_nulls(${former} || ${JSON.stringify(metadata)}::jsonb)` }
  return changeLicense(organization_id, id, { name, ...merged }, condition)
}

/** @throws Problem not-found, entity-tag-stale */
export const deleteLicense = (organization_id: string, id: string, condition: Condition) =>
  deleteRow(target(organization_id, id, condition))
