import { sql } from 'kysely'
import { find, tables } from '../../platform/database/statement.ts'
import type { LicenseKey } from './license-key.ts'

const system = tables('system', 'licenses', 'license_plans')

/** The status of a licence now: time makes an active one `expired`. */
export const statusOf = sql<
  'draft' | 'active' | 'suspended' | 'revoked' | 'expired'
>`license_status(licenses.status, licenses.expires_at)`

/** The terms that a licence has copied from its plan. */
const termColumns = [
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

/** The licence that a key belongs to, with its terms, whatever its status is; the key is the credential. */
export const findLicenseByKey = ({ hash }: LicenseKey) =>
  find(
    system
      .selectFrom('licenses')
      .innerJoin('license_plans', 'license_plans.id', 'licenses.plan_id')
      .select([
        'licenses.organization_id',
        'licenses.id',
        'licenses.name',
        'licenses.plan_id',
        'license_plans.code as plan_code',
      ])
      .select([
        'licenses.starts_at',
        'licenses.expires_at',
        'licenses.first_validated_at',
        'licenses.first_activated_at',
      ])
      .select(termColumns.map(column => `licenses.${column}` as const))
      .select(statusOf.as('status'))
      .where('licenses.key_hash', '=', hash),
  )
