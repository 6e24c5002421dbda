import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import type { Compilable, CompiledQuery, RawBuilder } from 'kysely'
import { invalidField, Problem } from '../problems.ts'
import type { ProblemCode } from '../problems.ts'
import type { DB } from './tables.gen.ts'

/** The typed builder: it makes SQL and can run nothing. `platform/database/database.ts` runs what it makes. */
export const query = new Kysely<DB>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: database => new PostgresIntrospector(database),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

export type Row = Record<string, unknown>

/** What a violated constraint means to the caller: a problem, or a field that names nothing. */
export type Refusals = Readonly<Record<string, ProblemCode | { pointer: string; detail: string }>>

/** A statement as a value: SQL, parameters and what its rows become. Nothing has run yet. */
export interface Statement<Result> {
  readonly sql: string
  readonly parameters: readonly unknown[]
  /** @throws Problem when the rows are a refusal, such as a row that is not there */
  readonly read: (rows: Row[]) => Result
  readonly refusals: Refusals
}

/** Rows as they come, read by a function of the feature. */
export function statement<R, Result>(
  compilable: Compilable<R>,
  read: (rows: R[]) => Result,
  refusals: Refusals = {},
): Statement<Result> {
  const { sql, parameters } = compilable.compile()
  return { sql, parameters, read: read as (rows: Row[]) => Result, refusals }
}

/** A fragment of SQL written out, where the builder has no words for it. */
export const raw = <R>(fragment: RawBuilder<R>): Compilable<R> => ({ compile: () => fragment.compile(query) })

/**
 * A query that is built and compiled once, for what every request asks: building costs more than sending. `build` gets a
 * placeholder for each value, which it may put into the query and not look at, or undefined where the call gives none;
 * each set of values that are given is compiled on its own.
 */
export function compileOnce<Values extends Readonly<Record<string, unknown>>, R>(
  build: (values: Values) => Compilable<R>,
): (values: Values) => Compilable<R> {
  const compiled = new Map<string, { query: CompiledQuery<R>; names: Map<unknown, string> }>()
  return values => {
    const given = Object.keys(values).filter(name => values[name] !== undefined)
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
    return { compile: () => ({ ...query, parameters }) }
  }
}

/** All rows. */
export const many = <R>(compilable: Compilable<R>): Statement<R[]> => statement(compilable, rows => rows)

/** The first row, or undefined. */
export const find = <R>(compilable: Compilable<R>): Statement<R | undefined> => statement(compilable, rows => rows[0])

/** The one row. @throws Problem not-found (read, by the caller) when there is none */
export const get = <R>(compilable: Compilable<R>, refusals: Refusals = {}): Statement<R> =>
  statement(compilable, rows => rows[0] ?? missing(), refusals)

/** Done for its effect; fails with not-found when it touched no row. The query must return its rows. */
export const affect = (compilable: Compilable, refusals: Refusals = {}): Statement<void> =>
  statement(compilable, rows => (rows.length > 0 ? undefined : missing()), refusals)

function missing(): never {
  throw new Problem('not-found')
}

/** The problem that a database error means under this statement, or undefined when it means a fault of ours. */
export function refusalOf(
  refusals: Refusals,
  error: { constraint?: string | undefined; message: string },
): Problem | undefined {
  // The name stands in its own field, or, behind some poolers and shards, only in the message.
  const name = error.constraint ?? Object.keys(refusals).find(constraint => error.message.includes(`"${constraint}"`))
  const refusal = name === undefined ? undefined : refusals[name]
  if (refusal === undefined) return undefined
  return typeof refusal === 'string'
    ? new Problem(refusal, { cause: error })
    : invalidField(refusal.pointer, refusal.detail)
}
