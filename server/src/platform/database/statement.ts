/* eslint-disable typescript/no-explicit-any -- `any` is used for queries on any table: only their login is inferred */
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import type {
  Compilable,
  CompiledQuery,
  DeleteQueryBuilder,
  InsertQueryBuilder,
  RawBuilder,
  SelectQueryBuilder,
  UpdateQueryBuilder,
} from 'kysely'
import type { Row } from '../connections/trip-query.ts'
import { invalidField, Problem } from '../problems.ts'
import type { ProblemCode } from '../problems.ts'
import type { EitherTables, LoginName, runsOn, SystemTables, TenantTables } from './tables.gen.ts'

export type { LoginName, Row }

/** The tables and columns that each login may read and write; `either` lists those of both. */
interface Grants {
  tenant: TenantTables
  system: SystemTables
  either: EitherTables
}

/** Builds SQL, but cannot run it: the driver belongs to `database.ts`. */
const builder = new Kysely<never>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: database => new PostgresIntrospector(database),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

/**
 * The query builder of a feature for the tables that it names. Its types contain only the columns that the login may
 * read or write. `server/test/edges.test.ts` checks the names against the tables that the feature owns and the edges
 * that it declares.
 */
export const tables = <Login extends keyof Grants, Name extends keyof Grants[Login] & string = never>(
  _login: Login,
  ..._names: Name[]
): Kysely<Pick<Grants[Login], Name | (typeof runsOn & keyof Grants[Login])>> => builder as never

/**
 * What a violated constraint means to the caller: a problem, also with Retry-After in seconds, or an invalid field. If it
 * `tells` more, the detail of the error is a JSON object with additional members of the problem.
 */
export type Refusals = Readonly<
  Record<
    string,
    | ProblemCode
    | { code: ProblemCode; retryAfter: number }
    | { code: ProblemCode; tells: true }
    | { pointer: string; detail: string }
  >
>

declare const boundTo: unique symbol

/** Marks a query that only these logins may run. It exists only in types. */
interface Bound<Login> {
  readonly [boundTo]: (login: Login) => void
}

/** A query, marked with the logins that may run it. */
export type BoundQuery<Login extends LoginName, R> = Compilable<R> & Bound<Login>

/** A statement as a value: SQL, parameters and a function that reads its rows. It has not run yet. */
export interface Statement<Login extends LoginName, Result> extends Bound<Login> {
  readonly sql: string
  readonly parameters: readonly unknown[]
  /** @throws Problem when the rows mean a refusal, such as a missing row */
  readonly read: (rows: Row[]) => Result
  readonly refusals: Refusals
  /** Set by repeatable(). */
  readonly repeatable?: boolean
  /** Set by gathered(). */
  readonly gathered?: boolean
}

/** The logins that may run queries on these tables. */
export type LoginOfTables<DB> = DB extends { [runsOn]: infer Login extends LoginName } ? Login : never

type TablesOf<Q> =
  Q extends SelectQueryBuilder<infer DB, any, any>
    ? DB
    : Q extends InsertQueryBuilder<infer DB, any, any>
      ? DB
      : Q extends UpdateQueryBuilder<infer DB, any, any, any>
        ? DB
        : Q extends DeleteQueryBuilder<infer DB, any, any>
          ? DB
          : never

type LoginOf<Q> = Q extends Bound<infer Login extends LoginName> ? Login : LoginOfTables<TablesOf<Q>>
type RowOf<Q> = Q extends Compilable<infer R> ? R : never

/** The rows, read by a function of the feature. */
export function statement<Q extends Compilable<any>, Result>(
  query: Q,
  read: (rows: RowOf<Q>[]) => Result,
  refusals: Refusals = {},
): Statement<LoginOf<Q>, Result> {
  const { sql, parameters } = query.compile()
  return { sql, parameters, read, refusals } as unknown as Statement<LoginOf<Q>, Result>
}

/** Raw SQL, for what the builder cannot express; `query` determines which logins may run it. */
export const raw = <DB, R>(_query: Kysely<DB>, fragment: RawBuilder<R>): BoundQuery<LoginOfTables<DB>, R> =>
  ({ compile: () => fragment.compile(builder) }) as unknown as BoundQuery<LoginOfTables<DB>, R>

/**
 * A query that is built and compiled once, because building one for each request costs more than sending it. `build`
 * gets a placeholder for each given value, which it may only put into the query, and undefined for each missing one.
 * Each combination of given values is compiled separately.
 */
export function compileOnce<Values extends Readonly<Record<string, unknown>>, Q extends Compilable<any>>(
  build: (values: Values) => Q,
): (values: Values) => BoundQuery<LoginOf<Q>, RowOf<Q>> {
  const compiled = new Map<string, { query: CompiledQuery; names: Map<unknown, string> }>()
  return values => {
    const given = Object.keys(values)
      .filter(name => values[name] !== undefined)
      .sort()
    const shape = given.join()
    let known = compiled.get(shape)
    if (known === undefined) {
      const placeholders = Object.fromEntries(given.map(name => [name, Symbol(name)]))
      const names = new Map(given.map(name => [placeholders[name] as unknown, name]))
      compiled.set(shape, (known = { query: build(placeholders as Values).compile(), names }))
    }
    const { query, names } = known
    const parameters = query.parameters.map(parameter => {
      const name = names.get(parameter)
      return name === undefined ? parameter : values[name]
    })
    return { compile: () => ({ ...query, parameters }) } as unknown as BoundQuery<LoginOf<Q>, RowOf<Q>>
  }
}

/** A short change that has the same effect if it runs twice, so that it may share a connection. */
export const repeatable = <Login extends LoginName, Result>(
  given: Statement<Login, Result>,
): Statement<Login, Result> => ({ ...given, repeatable: true })

/**
 * One statement for several callers: it takes an array for each parameter, with one value for each caller, and returns the
 * number of the caller in `place`, from 1. Runs that are asked for at the same time are then sent as one. They share one
 * transaction without the caller's settings, so only the system login has such statements, and they write no history.
 */
export const gathered = <Result>(given: Statement<'system', Result>): Statement<'system', Result> => ({
  ...given,
  parameters: given.parameters.map(value => [value]),
  gathered: true,
})

/** All rows. */
export const many = <Q extends Compilable<any>>(query: Q): Statement<LoginOf<Q>, RowOf<Q>[]> =>
  statement(query, rows => rows)

/** The first row, or undefined. */
export const find = <Q extends Compilable<any>>(
  query: Q,
  refusals: Refusals = {},
): Statement<LoginOf<Q>, RowOf<Q> | undefined> => statement(query, rows => rows[0], refusals)

/** The one row. @throws Problem not-found (when read) if there is none */
export const get = <Q extends Compilable<any>>(query: Q, refusals: Refusals = {}): Statement<LoginOf<Q>, RowOf<Q>> =>
  statement(query, rows => rows[0] ?? missing(), refusals)

/** Runs the query for its effect; fails with not-found if it affected no row. The query must return its rows. */
export const affect = <Q extends Compilable<any>>(query: Q, refusals: Refusals = {}): Statement<LoginOf<Q>, void> =>
  statement(query, rows => (rows.length > 0 ? undefined : missing()), refusals)

/** Runs the query for its effect, whether it affects a row or not. */
export const execute = <Q extends Compilable<any>>(query: Q, refusals: Refusals = {}): Statement<LoginOf<Q>, void> =>
  statement(query, () => undefined, refusals)

function missing(): never {
  throw new Problem('not-found')
}

/** The problem that a database error means for this statement, or undefined if it is our own fault. */
export function refusalOf(
  refusals: Refusals,
  error: { constraint?: string | undefined; detail?: string | undefined; message: string },
): Problem | undefined {
  // The name is in its own field, or, behind some poolers and shards, only in the message.
  const name = error.constraint ?? Object.keys(refusals).find(constraint => error.message.includes(`"${constraint}"`))
  const refusal = name === undefined ? undefined : refusals[name]
  if (refusal === undefined) return undefined
  if (typeof refusal === 'string') return new Problem(refusal, { cause: error })
  if ('pointer' in refusal) return invalidField(refusal.pointer, refusal.detail)
  if ('retryAfter' in refusal) return new Problem(refusal.code, { retryAfter: refusal.retryAfter, cause: error })
  const extension = JSON.parse(error.detail ?? '{}') as Record<string, unknown>
  return new Problem(refusal.code, { extension, cause: error })
}
