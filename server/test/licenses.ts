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
  // A license that would have expired is refused, so it expires afterwards.
  const isOver = terms.expires_at instanceof Date && terms.expires_at.getTime() < Date.now()
  if (isOver) Object.assign(columns, { expires_at: null, starts_at: new Date() })
  const names = Object.keys(columns)
  const { rows } = await admin.query<{ id: string }>(
    `with added as (insert into license_plans (code, name) values ('${PLAN}', 'Test plan') on conflict do nothing returning id),
      plan as (select id from added union all select id from license_plans where code = '${PLAN}' limit 1)
    insert into licenses (organization_id, plan_id, key_prefix, key_hash, ${names.join(', ')})
    select $1, plan.id, $2, $3, ${names.map((_name, index) => `$${index + 4}`).join(', ')} from plan returning id`,
    [organization_id, prefix, hash, ...names.map(name => columns[name])],
  )
  const id = rows[0]?.id ?? ''
  if (isOver) await expireLicense(admin, id)
  return { id, organization_id, key }
}

/** Lets a license have expired a day ago, past the triggers: only time does that. */
export async function expireLicense(admin: pg.Pool, id: string): Promise<void> {
  await admin.query(`begin; set local session_replication_role = replica;
    update licenses set starts_at = now() - interval '2 days', expires_at = now() - interval '1 day' where id = '${id}';
    commit`)
}
