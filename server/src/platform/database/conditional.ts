import { sql } from 'kysely'
import type { Kysely, RawBuilder, Selectable, Updateable } from 'kysely'
import { Problem } from '../problems.ts'
import { raw, statement } from './statement.ts'
import type { LoginOfTables, Refusals, Statement } from './statement.ts'

/** The versions that an If-Match header accepts; undefined when the request made no condition. */
export type Condition = readonly number[] | undefined

/** One row of a table. `query` says whose table it is, and for which login. */
export interface Target<DB, Table extends keyof DB & string, Column extends keyof DB[Table] & string> {
  query: Kysely<DB>
  table: Table
  /** The primary key; `organization_id` first in an organization's table. */
  key: Readonly<Partial<Record<keyof DB[Table] & string, string>>>
  /** The columns that come back. */
  columns: readonly Column[]
  condition: Condition
}

/** What a change may set: a value, or SQL that makes one. */
export type Changes<Table> = { readonly [C in keyof Updateable<Table>]?: Updateable<Table>[C] | RawBuilder<unknown> }

type RowOf<Table, Column extends keyof Table> = { [C in Column]: Selectable<Table>[C & keyof Selectable<Table>] }

/**
 * Changes one row and returns it; one statement tells missing (404) from stale (412), and of several at once under the
 * same condition one wins. Columns stand in one order, whatever order they came in: a client does not choose how many
 * texts PostgreSQL has to keep prepared. @throws Problem not-found, entity-tag-stale (when read)
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
  // No key changes: what is being added below the row does not keep it waiting.
  return conditional(
    target,
    refusals,
    sql`for no key update`,
    sql`update ${sql.table(target.table)} as target set ${sql.join(assignments)} from seen`,
  )
}

/** Deletes one row, under the same rules. */
export const deleteRow = <DB, Table extends keyof DB & string, Column extends keyof DB[Table] & string>(
  target: Target<DB, Table, Column>,
  refusals: Refusals = {},
): Statement<LoginOfTables<DB>, RowOf<DB[Table], Column>> =>
  conditional(target, refusals, sql`for update`, sql`delete from ${sql.table(target.table)} as target using seen`)

function conditional<DB, Table extends keyof DB & string, Column extends keyof DB[Table] & string>(
  { query, table, key, columns, condition }: Target<DB, Table, Column>,
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
  const returned = sql.join(columns.map(column => sql`target.${sql.ref(column)}`))
  return statement(
    raw(
      query,
      sql<{ is_changed: boolean | null }>`
      with seen as materialized (select ${sql.join(keys)}, version from ${sql.table(table)} where ${isNamed} ${lock}),
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
