import { randomUUIDv7 } from 'node:crypto'
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import type { Changes } from '../../platform/database/conditional.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, find, get, raw, statement, tables } from '../../platform/database/statement.ts'
import type { TenantTables } from '../../platform/database/tables.gen.ts'
import { writeWithin } from '../../directory/organizations/organizations.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { termColumns } from '../license-plans/license-plans.ts'
import type { LicenseKey } from './license-key.ts'
import { changeLicense, endOf, getAnyLicense, getLicense, licenseRules } from './licenses.ts'

const query = tables('tenant', 'licenses', 'license_plans')
const system = tables('system', 'licenses', 'license_plans', 'organizations')

type LicenseColumns = Changes<TenantTables['licenses']>
type Stored = 'draft' | 'active' | 'suspended' | 'revoked'

/** One change in the life of a license: the states that it starts from, and the columns that it sets. */
interface Step {
  from: readonly Stored[]
  changes: LicenseColumns
  /** Not if the end has passed, which a draft can have. */
  needsTime?: true
}

const start = sql<string>`greatest(target.starts_at, now())`

/** The changes that copy the terms of a plan. */
const termsOf = (plan: RawBuilder<unknown>): LicenseColumns =>
  Object.fromEntries(
    termColumns.map(column => [
      column,
      sql`(select ${sql.ref(`plan.${column}`)} from license_plans plan where plan.id = ${plan})`,
    ]),
  )

export const steps = {
  /** A draft becomes active, and the clock of the plan starts. */
  issue: {
    from: ['draft'],
    needsTime: true,
    changes: {
      status: 'active',
      starts_at: start,
      expires_at: sql`coalesce(target.expires_at, ${endOf(start, 'target')})`,
    },
  },
  suspend: { from: ['active'], changes: { status: 'suspended' } },
  resume: { from: ['suspended'], changes: { status: 'active' } },
  revoke: { from: ['draft', 'active', 'suspended'], changes: { status: 'revoked' } },
  /** The only way out of `revoked`; the database asks for the permission `admin:licenses:reinstate`, and for no replacement. */
  reinstate: { from: ['revoked'], changes: { status: 'active' } },
  /** Adds the duration of the plan to the end, or to the present time if that is later, and copies its terms as they are now. */
  renew: {
    from: ['active', 'suspended'],
    changes: {
      ...termsOf(sql`target.plan_id`),
      expires_at: sql`greatest(target.expires_at, now()) + make_interval(days => (select plan.duration_days from license_plans plan where plan.id = target.plan_id))`,
    },
  },
} as const satisfies Record<string, Step>

/** Sets a later end, or an end if there was none. */
export const extendTo = (expires_at: string): Step => ({
  from: ['draft', 'active', 'suspended'],
  changes: { expires_at },
})

/** Gives the license another plan, or the same one again; its start and its end stay. */
export const givePlan = (plan_id: string): Step => ({
  from: ['draft', 'active', 'suspended'],
  changes: { plan_id, ...termsOf(sql`${plan_id}::uuid`) },
})

const findPlan = (id: string) => find(query.selectFrom('license_plans').select('id').where('id', '=', id))

const isOver = sql<boolean>`coalesce(expires_at <= now(), false)`.as('is_over')

/** @throws Problem not-found (when read) */
const lockLicense = (organization_id: string, id: string) =>
  get(
    query
      .selectFrom('licenses')
      .select(['status', 'expires_at', 'transferred_to', isOver])
      .where('organization_id', '=', organization_id)
      .where('id', '=', id)
      .forNoKeyUpdate(),
  )

const isExpired = () => new Problem('license-status-conflict', { extension: { license_status: 'expired' } })

/**
 * Refuses a license that is in none of these states, or was transferred.
 * @throws Problem license-transferred, license-revoked, license-status-conflict
 */
function requireStatus(
  { status, transferred_to }: { status: Stored; transferred_to: string | null },
  from: readonly Stored[],
): void {
  if (transferred_to !== null) throw new Problem('license-transferred')
  if (from.includes(status)) return
  if (status === 'revoked') throw new Problem('license-revoked')
  throw new Problem('license-status-conflict', { extension: { license_status: status } })
}

/**
 * Takes one step in the life of a license, and returns it.
 * @throws Problem not-found, license-revoked, license-transferred, license-status-conflict; limit-below-use if the organization
 * uses more than the new terms allow; invalid-fields when there is no such plan, or the new end is not later
 */
export async function takeStep(
  transaction: Transaction<'tenant'>,
  { organization_id, id }: { organization_id: string; id: string },
  { from, changes, needsTime }: Step,
) {
  const license = await transaction.run(lockLicense(organization_id, id))
  requireStatus(license, from)
  if (needsTime && license.is_over) throw isExpired()
  const { plan_id, expires_at } = changes
  if (typeof plan_id === 'string' && (await transaction.run(findPlan(plan_id))) === undefined)
    throw invalidField('/plan_id', 'is not a plan')
  if (
    typeof expires_at === 'string' &&
    license.expires_at !== null &&
    Date.parse(expires_at) <= Date.parse(license.expires_at)
  )
    throw invalidField('/expires_at', `must be later than the present end, ${license.expires_at}`)
  await transaction.run(changeLicense(organization_id, id, changes, undefined))
  return transaction.run(getLicense(organization_id, id))
}

/**
 * Moves a license to another organization: it is revoked, and a new one with its terms, its end and a new key replaces it.
 * Runs in the organization that has the license. Returns the new license.
 * @throws Problem license-transferred, license-revoked, license-status-conflict if it has expired, limit-below-use; invalid-fields when there is no
 * such organization
 */
export async function transferLicense(
  transaction: Transaction<'system'>,
  { organization_id, id }: { organization_id: string; id: string },
  to: string,
  { prefix, hash }: LicenseKey,
) {
  await transaction.run(
    execute(raw(system, sql`select hold_transfer(${id}::uuid, ${organization_id}::uuid, ${to}::uuid)`)),
  )
  const former = await transaction.run(
    statement(
      system
        .selectFrom('licenses')
        .select(['status', 'transferred_to', isOver])
        .where('organization_id', '=', organization_id)
        .where('id', '=', id),
      ([row]) => row,
    ),
  )
  if (former === undefined) throw new Problem('not-found')
  requireStatus(former, ['draft', 'active', 'suspended'])
  if (former.is_over) throw isExpired()
  const new_id = randomUUIDv7()
  await transaction.run(
    execute(
      system
        .updateTable('licenses')
        .set({ status: 'revoked', transferred_to: new_id })
        .where('organization_id', '=', organization_id)
        .where('id', '=', id),
    ),
  )
  await transaction.run(writeWithin(to))
  const kept = ['plan_id', 'name', 'metadata', 'starts_at', 'expires_at', 'first_validated_at', ...termColumns]
  const columns = sql.join(kept.map(column => sql.ref(column)))
  const values = sql.join(kept.map(column => sql.ref(`licenses.${column}`)))
  await transaction.run(
    statement(
      raw(
        system,
        sql<{
          id: string
        }>`insert into licenses (organization_id, id, status, key_prefix, key_hash, transferred_from, ${columns})
          select organizations.id, ${new_id}, ${former.status}, ${prefix}, ${hash}, licenses.id, ${values}
          from licenses join organizations on organizations.id = ${to} and organizations.deleted_at is null
          where licenses.organization_id = ${organization_id} and licenses.id = ${id} returning id`,
      ),
      ([row]) => {
        if (row === undefined) throw invalidField('/organization_id', 'is not an organization')
      },
      licenseRules,
    ),
  )
  return transaction.run(getAnyLicense(new_id))
}
