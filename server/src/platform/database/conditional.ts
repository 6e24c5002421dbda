import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Problem } from '../problems.ts'
import { raw, statement } from './statement.ts'
import type { Refusals, Statement } from './statement.ts'
import type { DB } from './tables.gen.ts'

/** The versions that an If-Match header accepts; undefined when the request made no condition. */
export type Condition = readonly number[] | undefined

export interface Target {
  table: keyof DB & string
  /** The primary key; `organization_id` first in an organization's table. */
  key: Readonly<Record<string, string>>
  /** The columns that come back. */
  columns: readonly string[]
  condition: Condition
}

/**
 * Changes one row and returns it; one statement tells missing (404) from stale (412), and of several at once under the
 * same condition one wins. @throws Problem not-found, entity-tag-stale (when read)
 */
export const updateRow = <Row>(
  target: Target,
  changes: Readonly<Record<string, unknown>>,
  refusals: Refusals = {},
): Statement<Row> => {
  const assignments = Object.entries(changes).map(([column, value]) => sql`${sql.ref(column)} = ${value}`)
  // No key changes: what is being added below the row does not keep it waiting.
  return conditional(
    target,
    refusals,
    sql`for no key update`,
    sql`update ${sql.table(target.table)} as target set ${sql.join(assignments)} from seen`,
  )
}

/** Deletes one row, under the same rules. */
export const deleteRow = (target: Target, refusals: Refusals = {}): Statement<unknown> =>
  conditional(target, refusals, sql`for update`, sql`delete from ${sql.table(target.table)} as target using seen`)

function conditional<Row>(
  { table, key, columns, condition }: Target,
  refusals: Refusals,
  lock: RawBuilder<unknown>,
  change: RawBuilder<unknown>,
): Statement<Row> {
  const keys = Object.keys(key).map(column => sql.ref(column))
  const isNamed = sql.join(
    Object.entries(key).map(([column, value]) => sql`${sql.ref(column)} = ${value}`),
    sql` and `,
  )
  const isSame = sql.join(
    keys.map(column => sql`target.${column} = seen.${column}`),
    sql` and `,
  )
  const isCurrent = condition === undefined ? sql`` : sql` and seen.version = any (${condition})`
  const returned = sql.join(columns.map(column => sql`target.${sql.ref(column)}`))
  return statement<{ is_changed: boolean | null }, Row>(
    raw(sql`
      with seen as materialized (select ${sql.join(keys)}, version from ${sql.table(table)} where ${isNamed} ${lock}),
      changed as (${change} where ${isSame}${isCurrent} returning true as is_changed, ${returned})
      select changed.* from seen left join changed on true`),
    ([row]) => {
      if (row === undefined) throw new Problem('not-found')
      if (row.is_changed !== true) throw new Problem('entity-tag-stale')
      return row as Row
    },
    refusals,
  )
}
