import { sql } from 'kysely'
import type { Kysely, RawBuilder, Selectable, Updateable } from 'kysely'
import { Problem } from '../problems.ts'
import { raw, statement } from './statement.ts'
import type { LoginOfTables, Refusals, Statement } from './statement.ts'

/** The versions that an If-Match header accepts; undefined when the request made no condition. */
export type Condition = readonly number[] | undefined

/** Refuses a stale condition, where the row was read or locked before it is changed. @throws Problem entity-tag-stale */
export function requireCurrent(condition: Condition, version: number): void {
  if (condition !== undefined && !condition.includes(version)) throw new Problem('entity-tag-stale')
}

/** One row of a table. `query` determines the feature that owns the table, and the login. */
export interface Target<DB, Table extends keyof DB & string, Column extends keyof DB[Table] & string> {
  query: Kysely<DB>
  table: Table
  /** The primary key; `organization_id` comes first if the table belongs to organizations. */
  key: Readonly<Partial<Record<keyof DB[Table] & string, string>>>
  /** The columns to return. */
  columns: readonly Column[]
  condition: Condition
  /** A function that takes an advisory lock, if one comes before the row in the order of locks. */
  hold?: RawBuilder<unknown>
}

/** The columns to change: each a value, or SQL that computes one. */
export type Changes<Table> = { readonly [C in keyof Updateable<Table>]?: Updateable<Table>[C] | RawBuilder<unknown> }

type RowOf<Table, Column extends keyof Table> = { [C in Column]: Selectable<Table>[C & keyof Selectable<Table>] }

/**
 * Changes one row and returns it. One statement distinguishes a missing row (404) from a stale condition (412); of
 * concurrent requests with the same condition, one succeeds. Columns are sorted, so that clients cannot increase the
 * number of prepared statements. @throws Problem not-found, entity-tag-stale (when read)
 */
export function updateRow<DB, Table extends keyof DB & string, Column extends keyof DB[Table] & string>(
  target: Target<DB, Table, Column>,
  changes: Changes<DB[Table]>,
  refusals: Refusals = {},
): Statement<LoginOfTables<DB>, RowOf<DB[Table], Column>> {
  const assignments = Object.entries(changes)
    .filter(([, value]) => value !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([column, value]) => sql`${sql.ref(column)} = ${value}`)
  // No key changes, so this lock does not wait for inserts of rows that reference this one.
  return conditional(
    target,
    refusals,
    sql`for no key update`,
    sql`update ${sql.table(target.table)} as target set ${sql.join(assignments)} from seen`,
  )
}

/** Deletes one row, with the same conditions. */
export const deleteRow = <DB, Table extends keyof DB & string, Column extends keyof DB[Table] & string>(
  target: Target<DB, Table, Column>,
  refusals: Refusals = {},
): Statement<LoginOfTables<DB>, RowOf<DB[Table], Column>> =>
  conditional(target, refusals, sql`for update`, sql`delete from ${sql.table(target.table)} as target using seen`)

function conditional<DB, Table extends keyof DB & string, Column extends keyof DB[Table] & string>(
  { query, table, key, columns, condition, hold }: Target<DB, Table, Column>,
  refusals: Refusals,
  lock: RawBuilder<unknown>,
  change: RawBuilder<unknown>,
): Statement<LoginOfTables<DB>, RowOf<DB[Table], Column>> {
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
  // The row is joined to the result of `hold` before it is locked.
  const held = hold === undefined ? sql`` : sql`held as materialized (select ${hold} as held),`
  const lockRow = hold === undefined ? lock : sql`${lock} of ${sql.table(table)}`
  const source = hold === undefined ? sql.table(table) : sql`held, ${sql.table(table)}`
  const returned = sql.join(columns.map(column => sql`target.${sql.ref(column)}`))
  return statement(
    raw(
      query,
      sql<{ is_changed: boolean | null }>`
      with ${held} seen as materialized (select ${sql.join(keys)}, version from ${source} where ${isNamed} ${lockRow}),
      changed as (${change} where ${isSame}${isCurrent} returning true as is_changed, ${returned})
      select changed.* from seen left join changed on true`,
    ),
    ([row]) => {
      if (row === undefined) throw new Problem('not-found')
      if (row.is_changed !== true) throw new Problem('entity-tag-stale')
      return row as unknown as RowOf<DB[Table], Column>
    },
    refusals,
  )
}
