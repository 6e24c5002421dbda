import { createHmac, timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { sql } from 'kysely'
import type { SelectQueryBuilder } from 'kysely'
import { Problem } from '../problems.ts'
import { MAX_PAGE } from '../schemas.ts'
import { compileOnce, raw, statement } from './statement.ts'
import type { BoundQuery, LoginName, Statement } from './statement.ts'

/** The page of a list that a request asks for, with its cursor opened. */
export interface Page {
  limit: number
  /** The sort column's value and the id of the last row of the previous page. */
  after: readonly [value: string, id: string] | undefined
  includeTotal: boolean
  /** Set if the cursor is not one of this list. It is thrown after the query, so that only permitted readers see it. */
  refusal?: Problem | undefined
  /** Signs the position of the last row as the next cursor. */
  seal: (value: string, id: string) => string
}

export interface PageOf<Item> {
  items: Item[]
  next_cursor: string | null
  total?: number
}

export interface PageQuery {
  limit: number
  cursor?: string
  include_total?: boolean
}

/** The filters of a list, and its order. */
export type FiltersOf<Query extends Partial<Record<keyof PageQuery, unknown>>> = Omit<Query, keyof PageQuery>

const MAC_BYTES = 16

/**
 * Opens and signs the cursors of one list. A cursor is the last row's position with a MAC that covers the list itself
 * (organization, route, filters, order): a cursor of another organization or list is answered like a random string. The
 * MAC is computed only if a cursor was given or another page follows.
 */
export function openPage(
  key: KeyObject,
  describeList: () => string,
  { limit, cursor, include_total = false }: PageQuery,
): Page {
  const macOf = (position: string) =>
    createHmac('sha256', key).update(`${describeList()}\n${position}`).digest().subarray(0, MAC_BYTES)
  const after = cursor === undefined ? undefined : open(cursor, macOf)
  const isRefused = cursor !== undefined && after === undefined
  return {
    limit,
    after,
    refusal: isRefused ? new Problem('invalid-cursor') : undefined,
    includeTotal: include_total,
    seal: (value, id) => {
      const position = JSON.stringify([value, id])
      return Buffer.concat([macOf(position), Buffer.from(position)]).toString('base64url')
    },
  }
}

/** The position in a cursor of this list. */
function open(cursor: string, macOf: (position: string) => Buffer): readonly [string, string] | undefined {
  const bytes = Buffer.from(cursor, 'base64url')
  const position = bytes.subarray(MAC_BYTES).toString()
  if (bytes.length <= MAC_BYTES || !timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(position))) return undefined
  return JSON.parse(position) as [string, string]
}

/** An order of a list: an indexed column, ties broken by id. `-column` is descending; ids are ordered by time. */
export interface Order {
  column: string
  id: string
  descending: boolean
}

/** `created_at` is the order of the ids: they are UUIDv7. */
export function orderOf(sort: string, table: string, id = 'id'): Order {
  const descending = sort.startsWith('-')
  const column = descending ? sort.slice(1) : sort
  return { column: `${table}.${column === 'created_at' ? id : column}`, id: `${table}.${id}`, descending }
}

/** The list with a condition for each filter that is given: the column has that value. */
export const whereGiven = <DB, T extends keyof DB, Item>(
  list: SelectQueryBuilder<DB, T, Item>,
  filters: Readonly<Record<string, unknown>>,
): SelectQueryBuilder<DB, T, Item> =>
  Object.entries(filters).reduce(
    (rows, [column, value]) => (value === undefined ? rows : rows.where(sql<boolean>`${sql.ref(column)} = ${value}`)),
    list,
  )

/** The list with only the ids of a range (see readIdRange): the first one is included, the last one excluded. */
export function whereIdIn<DB, T extends keyof DB, Item>(
  list: SelectQueryBuilder<DB, T, Item>,
  { first_id, end_id }: { first_id: string | undefined; end_id: string | undefined },
  column = 'id',
): SelectQueryBuilder<DB, T, Item> {
  const id = sql.ref(column)
  const from = first_id === undefined ? list : list.where(sql<boolean>`${id} >= ${first_id}`)
  return end_id === undefined ? from : from.where(sql<boolean>`${id} < ${end_id}`)
}

/**
 * The rows of the largest page and one more, as a constant in the statement: if PostgreSQL must guess how many rows an
 * unknown limit needs, it plans for a tenth of the table, or makes a new plan for each request.
 */
const MAX_ROWS = MAX_PAGE + 1

/** The list that a page is taken from: columns and filters, built from placeholder values (see compileOnce). */
type List<Values, DB, T extends keyof DB, Item> = (values: Values) => SelectQueryBuilder<DB, T, Item>

/** The parameters of a page, besides the list's own values: one row more than the page has, after the last position. */
export type Position = { page_size: number; after_value: string | undefined; after_id: string | undefined }

/**
 * Keyset pagination: no row is skipped or repeated during concurrent writes. The list selects columns and filters;
 * order, position and limit are added here. The same statement counts `total`; an empty page after a cursor omits it.
 */
export function pagesOf<Values extends Readonly<Record<string, unknown>>, DB, T extends keyof DB, Item>(
  list: List<Values, DB, T, Item>,
) {
  return pagesBuiltBy((given: Values & Position, order: Order, includeTotal) =>
    raw<DB, Item>(undefined as never, pageQuery(list, given, order, includeTotal)),
  )
}

/**
 * Pages of a list whose statement applies order, position and limit itself: its rows also have the columns `page_value`
 * and `page_id`, as text, and `total` if it is included. It is compiled once for each order and set of given values.
 */
export function pagesBuiltBy<Values, Ordered extends Order, Login extends LoginName, Item>(
  build: (given: Values & Position, order: Ordered, includeTotal: boolean) => BoundQuery<Login, Item>,
) {
  type Compile = (values: Values & Position) => BoundQuery<Login, Item>
  const compiled = new Map<string, Compile>()
  return (values: Values, order: Ordered, page: Page): Statement<Login, PageOf<Item>> => {
    const shape = `${order.column} ${order.descending} ${page.includeTotal}`
    const compile =
      compiled.get(shape) ??
      (compileOnce((given: Values & Position) => build(given, order, page.includeTotal)) as unknown as Compile)
    compiled.set(shape, compile)
    const [after_value, after_id] = page.after ?? []
    const query = compile({
      ...values,
      page_size: page.refusal === undefined ? page.limit + 1 : 1,
      after_value,
      after_id,
    })
    return statement(query as BoundQuery<never, Item>, rows => readPage(rows, page)) as never
  }
}

function pageQuery<Values, DB, T extends keyof DB, Item>(
  list: List<Values, DB, T, Item>,
  { page_size, after_value, after_id, ...rest }: Values & Position,
  order: Order,
  includeTotal: boolean,
) {
  const values = rest as unknown as Values
  const [column, id] = [sql.ref(order.column), sql.ref(order.id)]
  const direction = order.descending ? 'desc' : 'asc'
  let rows = list(values).select([
    sql<string>`${column}::text`.as('page_value'),
    sql<string>`${id}::text`.as('page_id'),
  ])
  if (after_id !== undefined) {
    rows = rows.where(
      sql<boolean>`(${column}, ${id}) ${sql.raw(order.descending ? '<' : '>')} (${after_value}, ${after_id})`,
    )
  }
  if (includeTotal) {
    const total = list(values)
      .clearSelect()
      .select(sql<number>`count(*)`.as('total'))
    rows = rows.select(sql<number>`(${total})`.as('total')) as typeof rows
  }
  const limited = rows.orderBy(column, direction).orderBy(id, direction).limit(sql.lit(MAX_ROWS))
  return sql<Item>`select * from (${limited}) as page limit ${page_size}`
}

/** @throws Problem invalid-cursor, after the gate has admitted the caller */
function readPage<Item>(rows: Item[], page: Page): PageOf<Item> {
  if (page.refusal !== undefined) throw page.refusal
  const all = rows as (Item & { page_value: string; page_id: string; total?: number })[]
  const items = all.slice(0, page.limit)
  const last = items.at(-1)
  const total = all[0]?.total ?? (page.after === undefined ? 0 : undefined)
  return {
    items,
    next_cursor: last !== undefined && all.length > page.limit ? page.seal(last.page_value, last.page_id) : null,
    ...(page.includeTotal && total !== undefined ? { total } : {}),
  }
}
