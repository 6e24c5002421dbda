import pg from 'pg'
import { isProblem } from '../problems.ts'
import { watchPool } from '../connections/pool-watch.ts'
import type { PoolState } from '../connections/pool-watch.ts'
import { connectionsOf } from '../connections/connection.ts'
import { ClosedGate, meaningOf, unavailable } from './database-errors.ts'
import {
  isBroken,
  isDatabaseError,
  isOutdated,
  isOvertaken,
  isShortage,
  noteShortages,
} from '../connections/error-codes.ts'
import type { Shortages } from '../connections/error-codes.ts'
import { isUncarried, openLanes } from '../connections/lanes.ts'
import { noteConnections } from '../connections/open-connections.ts'
import type { OpenConnections } from '../connections/open-connections.ts'
import type { Origin, Scope } from './scope.ts'
import { refusalOf } from './gate-refusals.ts'
import type { GateState } from './gate-refusals.ts'
import { gateState, opening, recording, recordsOperation, settingsOf } from './gate-statements.ts'
import type { LoginName, Row, Statement } from './statement.ts'
import { nameOf, prepareSettings, TripQuery } from '../connections/trip-query.ts'
import type { SettingValues } from '../connections/trip-query.ts'

/** Several statements in one transaction behind one gate. Nothing slow may run between them: no hash, email or call. */
export interface Transaction<Login extends LoginName> {
  readonly origin: Origin
  run<Result>(statement: Statement<Login, Result>): Promise<Result>
  /** The last statement. It is sent together with the commit, so its result can no longer cause a rollback. */
  finish<Result>(statement: Statement<Login, Result>): Promise<Result>
}

/** Runs statements on one login, under one scope. */
export interface Runner<Login extends LoginName> {
  readonly origin: Origin
  /** One statement in one round trip. @throws Problem 401, 403 or 404 from the gate, 503 if the database is down */
  run<Result>(statement: Statement<Login, Result>): Promise<Result>
  /** Commits when `work` returns, rolls back when it throws. To commit and refuse, return the refusal; throw later. */
  transaction<Result>(work: (transaction: Transaction<Login>) => Promise<Result>): Promise<Result>
}

/**
 * The system login for one request, job or command. It reads the rows of all organizations, and writes only in the
 * organization that its scope names. `with` sets that organization, or the user once it is known.
 */
export interface SystemRunner extends Runner<'system'> {
  with(known: { user_id?: string | undefined; organization_id?: string | undefined }): SystemRunner
  /** Why the database has refused a statement lately for lack of space or memory, which a probe cannot see. */
  shortage(): unknown
  /** The state of both logins' pools in this process. */
  pools(): readonly PoolState[]
}

/** A restricted login and its pool. */
export interface Login<Name extends LoginName> {
  run<Result>(scope: Scope, statement: Statement<Name, Result>): Promise<Result>
  transaction<Result>(scope: Scope, work: (transaction: Transaction<Name>) => Promise<Result>): Promise<Result>
  /** The last shortage of either login, for ten seconds. */
  shortage(): unknown
  /** The pools of both logins. */
  pools(): readonly PoolState[]
  readonly pool: pg.Pool
  close(): Promise<void>
}

export interface Database {
  /** Behind the gate: every statement for an organization or a user. */
  tenant: Login<'tenant'>
  /** Sign-in, operators and jobs. */
  system: Login<'system'>
  /** The process stops: from now on a database that does not answer is waited for no longer than 20 seconds. */
  limit(): void
  close(): Promise<void>
}

export interface DatabaseOptions {
  tenantUrl: string
  systemUrl: string
  /** Connections of both logins together. */
  poolSize: number
  poolTimeoutSeconds: number
  connectionMaxAgeSeconds: number
  pooler: 'none' | 'transaction'
  /** How many connections short statements of each login share at most, and half of its own (lanes.ts); 0, or behind a pooler: none. */
  lanes?: number
  onError: (error: Error) => void
  /** How long statements may take once it closes: 20 s by default. */
  lastStatementsMs?: number
}

export function openDatabase(options: DatabaseOptions): Database {
  const systemSize = Math.max(1, Math.floor(options.poolSize / 4))
  const tenantSize = Math.max(1, options.poolSize - systemSize)
  const noted = noteConnections(options.lastStatementsMs)
  const shared = { shortages: noteShortages(), pools: [], noted }
  const tenant = openLogin<'tenant'>(options, options.tenantUrl, tenantSize, true, shared)
  const system = openLogin<'system'>(options, options.systemUrl, systemSize, false, shared)
  return {
    tenant,
    system,
    limit: noted.limit,
    close: async () => {
      noted.limit()
      await Promise.all([tenant.close(), system.close()])
      noted.leave()
    },
  }
}

/** The pool awaits this before it hands out the connection, although its types say that it does not. */
const onConnect = (client: pg.ClientBase): void => prepareSettings(client) as unknown as void

function openLogin<Name extends LoginName>(
  options: DatabaseOptions,
  connectionString: string,
  size: number,
  gated: boolean,
  { shortages, pools, noted }: { shortages: Shortages; pools: (() => PoolState)[]; noted: OpenConnections },
): Login<Name> {
  const prepared = options.pooler === 'none'
  const name = gated ? 'tenant' : 'system'
  // The shared connections are some of them, at most half.
  const shared = prepared ? Math.min(options.lanes ?? 0, Math.floor(size / 2)) : 0
  const max = size - shared
  const pool = new pg.Pool({
    ...connectionsOf(noted),
    connectionString,
    max,
    connectionTimeoutMillis: options.poolTimeoutSeconds * 1000,
    maxLifetimeSeconds: options.connectionMaxAgeSeconds,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    application_name: `freehold ${name}`,
    ...(prepared ? { onConnect } : {}),
  })
  // The server closed an idle connection; the pool opens another, unless it is closing itself.
  pool.on('error', error => (pool.ending ? undefined : options.onError(error)))

  const watch = watchPool(name, pool, max)
  pools.push(watch.state)
  const lanes =
    shared > 0
      ? openLanes({
          count: shared,
          connectionString,
          connectionTimeoutMillis: options.poolTimeoutSeconds * 1000,
          maxLifetimeSeconds: options.connectionMaxAgeSeconds,
          application_name: `freehold ${name} lane`,
          noted,
          onError: options.onError,
        })
      : undefined

  const trip = (
    client: pg.PoolClient,
    { origin }: Scope,
    settings: SettingValues | undefined,
    { sql: text, parameters: values }: Pick<Statement<Name, unknown>, 'sql' | 'parameters'>,
    { begin = false, commit = false } = {},
  ): Promise<Row[]> =>
    watch.timed(text, origin.request_id, () => {
      const { promise, resolve, reject } = Promise.withResolvers<Row[]>()
      const statementName = prepared ? nameOf(text) : undefined
      const done = (error: Error | null, rows: Row[]) => (error === null ? resolve(rows) : reject(error))
      client.query(new TripQuery({ name: statementName, text, values, settings, begin, commit }, done))
      return promise
    })

  async function connected<Result>(work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    const client = await watch.connect().catch((error: unknown) => {
      throw unavailable(error)
    })
    let broken: Error | undefined
    // If a connection in use is lost, its statement fails too; without a listener, the event would end the process.
    const noteLoss = (error: Error) => void (broken = error)
    client.on('error', noteLoss)
    try {
      return await work(client)
    } catch (error) {
      if (isBroken(error)) broken = error
      if (isShortage(error)) shortages.note(error)
      if (isBroken(error) || isShortage(error)) throw unavailable(error)
      throw error
    } finally {
      client.off('error', noteLoss)
      watch.release(client, broken)
    }
  }

  /** Throws the problem that explains why the gate is closed; returns if it is open. */
  async function diagnose(scope: Scope, settings: SettingValues): Promise<void> {
    const [state] = await connected(client => trip(client, scope, settings, gateState))
    const refusal = refusalOf(scope, state as GateState | undefined)
    const isEnded = ['session-ended', 'membership-ended', 'support-access-ended'].includes(refusal?.code ?? '')
    if (!isEnded) scope.confirm?.()
    if (refusal !== undefined) throw refusal
  }

  async function run<Result>(scope: Scope, statement: Statement<Name, Result>): Promise<Result> {
    // A refusal that the rows mean is no operation: it rolls back, so that nothing is recorded.
    if (recordsOperation(scope)) return transaction(scope, ({ run: runWithin }) => runWithin(statement))
    // No policy checks the session of the system login, so a session that is given is checked first.
    if (!gated && scope.session_id !== undefined)
      return statement.read(
        await transaction(scope, ({ run: runWithin }) => runWithin({ ...statement, read: (rows: Row[]) => rows })),
      )
    const settings = settingsOf(scope)
    const alone = async (tries = pool.totalCount): Promise<Row[]> => {
      try {
        return await connected(async client => {
          const start = performance.now()
          const found = await trip(client, scope, settings, statement)
          lanes?.note(statement, settings, performance.now() - start)
          return found
        })
      } catch (error) {
        // Nothing has run, and this connection is closed; each other one can have the outdated statement once, too.
        if (tries > 0 && isOutdated((error as Error).cause)) return alone(tries - 1)
        throw error
      }
    }
    const attempt = (): Promise<Row[]> => {
      const carried = lanes?.carry(statement, settings)
      if (carried === undefined) return alone()
      // What a lane carries can be repeated.
      return watch
        .timed(statement.sql, scope.origin.request_id, () => carried)
        .catch((error: unknown) => (isUncarried(error) ? alone() : Promise.reject(error as Error)))
    }
    let rows: Row[]
    try {
      // The statement is the whole transaction, so it can run once more.
      rows = await attempt().catch(error => (isOvertaken(error) ? attempt() : Promise.reject(error as Error)))
    } catch (error) {
      if (gated && isDatabaseError(error) && error.code === '42501') await diagnose(scope, settings)
      throw meaningOf(error, statement)
    }
    if (gated && rows.length === 0) await diagnose(scope, settings)
    else scope.confirm?.()
    return statement.read(rows)
  }

  async function transaction<Result>(
    scope: Scope,
    work: (transaction: Transaction<Name>) => Promise<Result>,
  ): Promise<Result> {
    const settings = settingsOf(scope)
    const asksGate = gated || scope.session_id !== undefined
    try {
      return await connected(async client => {
        let state = 'new' as 'new' | 'open' | 'over'
        // The first statement opens the transaction in the same round trip.
        const step = (statement: Statement<Name, unknown>, commit = false, resets = false): Promise<Row[]> => {
          if (state === 'over') throw new Error('the transaction is over: finish() takes its last statement')
          const begin = state === 'new'
          state = commit ? 'over' : 'open'
          return trip(client, scope, begin || resets ? settings : undefined, statement, { begin, commit })
        }
        const take =
          (commit: boolean) =>
          async <R>(statement: Statement<Name, R>): Promise<R> => {
            try {
              return statement.read(await step(statement, commit))
            } catch (error) {
              throw meaningOf(error, statement)
            }
          }
        try {
          if (asksGate && (await step(opening(scope))).length === 0) throw new ClosedGate()
          scope.confirm?.()
          const records = recordsOperation(scope)
          const result = await work({ origin: scope.origin, run: take(false), finish: take(!records) })
          // Under the settings of the scope, whatever the work has set since.
          if (records) await step(recording(scope, result), true, true)
          else if (state === 'open') await client.query('commit')
          return result
        } catch (error) {
          if (state !== 'new' && !isBroken(error)) await client.query('rollback')
          throw error
        }
      })
    } catch (error) {
      const refused =
        error instanceof ClosedGate ||
        (isDatabaseError(error) && error.code === '42501') ||
        // A row may be not found because the gate has closed since the transaction began.
        isProblem(error, 'not-found')
      if (asksGate && refused) await diagnose(scope, settings)
      throw meaningOf(error)
    }
  }

  const close = async () => void (await Promise.all([lanes?.close(), pool.end()]))
  return { run, transaction, shortage: shortages.latest, pools: () => pools.map(state => state()), pool, close }
}
