import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Type } from 'typebox'
import { statement, tables } from '../../platform/database/statement.ts'
import { Nullable } from '../../platform/schemas.ts'

const query = tables('tenant', 'limits', 'own_entitlements', 'gate')

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
export const Limits = Type.Object(
  {
    limits: Type.Array(
      Type.Object({
        key: Type.String({ maxLength: 63, examples: ['seats'], description: '`seats`, or the name of a quota.' }),
        maximum: Nullable({ ...Count, description: 'Null: unlimited.' }),
        used: Count,
      }),
      { maxItems: 100 },
    ),
    entitlements: Type.Array(
      Type.Object({
        code: Type.String({ maxLength: 63, examples: ['sso'] }),
        writes: Type.Boolean({ description: 'False after the end of a license that leaves it for reading.' }),
      }),
      { maxItems: 1000 },
    ),
  },
  { title: 'Limits' },
)

/** What the organization in the gate may use, and what it uses. */
export const getLimits = statement(
  query
    .selectFrom('gate')
    .select([
      sql<
        { key: string; maximum: number | null; used: number }[]
      >`(select coalesce(jsonb_agg(jsonb_build_object('key', key, 'maximum', maximum, 'used', used) order by key), '[]') from limits)`.as(
        'limits',
      ),
      sql<
        { code: string; writes: boolean }[]
      >`(select coalesce(jsonb_agg(jsonb_build_object('code', code, 'writes', writes) order by code), '[]') from own_entitlements)`.as(
        'entitlements',
      ),
    ]),
  ([found]) => found ?? { limits: [], entitlements: [] },
)

/** The entitlements of an organization, as SQL, for a statement of the system login. */
export const entitlementsOf = (organization_id: RawBuilder<string | null>): RawBuilder<string[]> =>
  sql<
    string[]
  >`array(select distinct e.code collate "C" from entitlements e where e.organization_id = ${organization_id} order by 1)`

/** How the statement that would exceed a quota is refused (count_use). */
export const quotaRules = { limit_of_quota: { code: 'quota-exhausted', tells: true } } as const
