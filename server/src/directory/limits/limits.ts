import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'

/** The entitlements of an organization, as SQL, for a statement of the system login. */
export const entitlementsOf = (organization_id: RawBuilder<string | null>): RawBuilder<string[]> =>
  sql<
    string[]
  >`array(select distinct e.code collate "C" from entitlements e where e.organization_id = ${organization_id} order by 1)`

/** How the statement that would exceed a quota is refused (count_use). */
export const quotaRules = { limit_of_quota: { code: 'quota-exhausted', tells: true } } as const
