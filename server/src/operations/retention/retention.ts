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

/** A batch is a transaction of its own: no writer waits long for it. */
const BATCH = 1000
/** What is left of a table after so many batches is left to the next hour. */
const MAX_BATCHES = 500

interface Batch {
  rows: number
  /** The key of the last row, as text. */
  last: string | null
}

/** Removes what has expired, and erases the accounts whose grace is over. */
export async function sweep(system: SystemRunner, services: Services, signal: AbortSignal): Promise<void> {
  await removeExpired(system, services, signal)
  await eraseAccounts(system, services, signal)
  // system: names of erased accounts belong to no user any more
  if (services.config.deletion.reuseNames) await system.run(releaseNames)
}

/**
 * Removes what has expired of every table that a feature declares, by the batch, until nothing is left, an hour's share is
 * done or `signal` says stop. @returns rows by table
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
    // system: what has expired is removed of all users and organizations
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

/** By the batch. @returns rows */
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
    // system: what has expired is removed of all users and organizations
    const done: Batch = await system.run(removeBatch(retention, isMeant, last))
    removed += done.rows
    last = done.last
    if (done.rows < BATCH) break
  }
  return removed
}

/** As many as one sweep looks at; the rest is left to the next. */
const listOrganizations = ({ table }: Retention, isOver: RawBuilder<boolean>) =>
  many(
    raw(
      query,
      sql<{
        organization_id: string
      }>`select distinct organization_id from ${sql.table(table)} where ${isOver} limit ${BATCH}`,
    ),
  )

/** A batch in the order of the key, beginning after the last one. Rows that are locked are in use, or being removed by a twin. */
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
