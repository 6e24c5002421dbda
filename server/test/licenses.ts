import type pg from 'pg'
import { createLicenseKey } from '../src/product/licenses/license-key.ts'

/** Terms of a license, which otherwise allows everything. */
export interface Terms {
  status?: 'draft' | 'active' | 'suspended' | 'revoked'
  starts_at?: Date
  expires_at?: Date | null
  max_activations?: number | null
  overage_percent?: number
  entitlements?: string[]
  activation?: 'node-locked' | 'floating'
  heartbeat_seconds?: number | null
  heartbeat_grace_seconds?: number
  duration_days?: number | null
  expiry_basis?: 'creation' | 'first-validation' | 'first-activation'
  on_expiry?: 'restrict' | 'read-only' | 'keep'
  metadata?: object
}

export interface TestLicense {
  id: string
  organization_id: string
  key: string
}

const PLAN = 'test-plan'

/** A license of an organization, made without an operator; its plan has the code `test-plan`. */
export async function makeLicense(admin: pg.Pool, organization_id: string, terms: Terms = {}): Promise<TestLicense> {
  const { key, prefix, hash } = createLicenseKey()
  const columns: Record<string, unknown> = {
    overage_percent: 0,
    quotas: {},
    entitlements: [],
    activation: 'node-locked',
    heartbeat_grace_seconds: 0,
    expiry_basis: 'creation',
    on_expiry: 'restrict',
    ...terms,
  }
  const names = Object.keys(columns)
  const { rows } = await admin.query<{ id: string }>(
    `with added as (insert into license_plans (code, name) values ('${PLAN}', 'Test plan') on conflict do nothing returning id),
      plan as (select id from added union all select id from license_plans where code = '${PLAN}' limit 1)
    insert into licenses (organization_id, plan_id, key_prefix, key_hash, ${names.join(', ')})
    select $1, plan.id, $2, $3, ${names.map((_name, index) => `$${index + 4}`).join(', ')} from plan returning id`,
    [organization_id, prefix, hash, ...names.map(name => columns[name])],
  )
  return { id: rows[0]?.id ?? '', organization_id, key }
}
