import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import type { SystemRunner } from '../../platform/database/database.ts'
import { firstIdAt } from '../../platform/database/ids.ts'
import { get, many, raw, tables } from '../../platform/database/statement.ts'
import type { Retention } from '../../platform/feature.ts'
import type { Services } from '../../platform/services.ts'
import { releaseNames } from '../../directory/users/retired-names.ts'
import { eraseAccounts } from '../../identity/leaving/erasure.ts'

const query = tables('system')

const DAY_MS = 86_400_000

/** Rows of one batch. Each batch is a separate transaction, so that it blocks writers only briefly. */
const BATCH = 1000
/** Batches for one table in one run; the rest waits for the next hour. */
const MAX_BATCHES = 500

interface Batch {
  rows: number
  /** The key of the last row, as text. */
  last: string | null
}

/** Deletes expired rows, and erases the accounts whose grace period is over. */
export async function sweep(system: SystemRunner, services: Services, signal: AbortSignal): Promise<void> {
  await removeExpired(system, services, signal)
  await eraseAccounts(system, services, signal)
  // system: the names of erased accounts no longer belong to a user
  if (services.config.deletion.reuseNames) await system.run(releaseNames)
}

/**
 * Deletes the expired rows of every table that a feature declares, in batches, until none is left, the limit for an
 * hour is reached or `signal` is aborted. @returns rows by table
 */
export async function removeExpired(
  system: SystemRunner,
  services: Services,
  signal?: AbortSignal,
): Promise<Record<string, number>> {
  const now = Date.now()
  const before = (days: number) => firstIdAt(now - days * DAY_MS)
  const removed: Record<string, number> = {}
  for (const retention of services.declared.retention) {
    const isOver = retention.isOver({ before, services })
    const expired = { retention, isOver, signal }
    // system: expired rows of all users and organizations are deleted
    const places = retention.ofOrganizations ? await system.run(listOrganizations(retention, isOver)) : []
    let rows = 0
    for (const { organization_id } of places)
      rows += await removeOf(system.with({ organization_id }), expired, organization_id)
    removed[retention.table] = retention.ofOrganizations ? rows : await removeOf(system, expired)
  }
  return removed
}

interface Expired {
  retention: Retention
  isOver: RawBuilder<boolean>
  signal: AbortSignal | undefined
}

/** Deletes in batches. @returns rows */
async function removeOf(
  system: SystemRunner,
  { retention, isOver, signal }: Expired,
  organization_id?: string,
): Promise<number> {
  const isMeant =
    organization_id === undefined ? isOver : sql<boolean>`${isOver} and organization_id = ${organization_id}::uuid`
  let removed = 0
  let last: Batch['last'] = null
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    if (signal?.aborted === true) break
    // system: expired rows of all users and organizations are deleted
    const done: Batch = await system.run(removeBatch(retention, isMeant, last))
    removed += done.rows
    last = done.last
    if (done.rows < BATCH) break
  }
  return removed
}

/** The organizations of one sweep; the rest waits for the next. */
const listOrganizations = ({ table }: Retention, isOver: RawBuilder<boolean>) =>
  many(
    raw(
      query,
      sql<{
        organization_id: string
      }>`select distinct organization_id from ${sql.table(table)} where ${isOver} limit ${BATCH}`,
    ),
  )

/**
 * A batch in the order of the key, after the last row. Skips locked rows: they are in use, or another process deletes
 * them.
 */
function removeBatch({ table, key }: Retention, isOver: RawBuilder<boolean>, last: Batch['last']) {
  const after: RawBuilder<unknown> = last === null ? sql`` : sql`and ${sql.ref(key)} >= ${last}`
  return get(
    raw(
      query,
      sql<Batch>`with gone as (
        delete from ${sql.table(table)} where ctid = any (array(
          select ctid from ${sql.table(table)} where ${isOver} ${after} order by ${sql.ref(key)} limit ${BATCH} for update skip locked))
        returning ${sql.ref(key)} as key)
      select count(*)::int as rows, (array_agg(key order by key desc))[1]::text as last from gone`,
    ),
  )
}
