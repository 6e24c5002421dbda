import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Runner, Transaction } from '../database/database.ts'
import { execute, find, raw, statement, tables } from '../database/statement.ts'
import type { LoginName } from '../database/statement.ts'
import { Problem } from '../problems.ts'

const query = tables('either', 'idempotency_keys')

interface KeyedRequest {
  method: string
  headers: Record<string, string | string[] | undefined>
  params: unknown
  body: unknown
  routeOptions: { url?: string | undefined }
}

/**
 * Honours Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the result of the request's one statement or
 * transaction is stored in the same transaction; for 24 hours a repetition builds its response from it. While the first
 * request runs, it holds an advisory lock, and a repetition gets 409 at once. A refusal is not stored.
 * @throws Problem idempotency-key-in-use, idempotency-key-reused
 */
export function rememberResult<Login extends LoginName>(
  runner: Runner<Login>,
  request: KeyedRequest,
  {
    user_id,
    support_id,
    organization_id,
    markReplayed,
  }: {
    user_id: string
    /** Under support access: its keys are kept apart from the operator's own. */
    support_id?: string | undefined
    organization_id: string | undefined
    markReplayed: () => void
  },
): Runner<Login> {
  const key = request.headers['idempotency-key']
  if (typeof key !== 'string') return runner
  const principal = support_id === undefined ? '' : `support ${support_id} `
  const place: Place = { user_id, route: `${principal}${request.method} ${request.routeOptions.url}`, key }
  const once = <Result>(work: (transaction: Transaction<Login>) => Promise<Result>): Promise<Result> =>
    runner
      .transaction(async transaction => {
        // The body is read after the caller is authenticated, so the hash is computed only now.
        const content = [organization_id, request.params, request.body]
        const request_hash = digest(JSON.stringify(content, sortKeys))
        // As it was stored before the order of fields stopped to matter.
        const former_hash = digest(JSON.stringify(content))
        if (!(await transaction.run(lock(place)))) throw new Problem('idempotency-key-in-use', { retryAfter: 1 })
        const stored = await transaction.run(findStored(place))
        if (stored !== undefined) {
          if (![request_hash, former_hash].includes(stored.request_hash)) throw new Problem('idempotency-key-reused')
          markReplayed()
          throw new Replay(stored.result)
        }
        // The last statement must be the one that stores the result.
        const result = await work({ ...transaction, finish: transaction.run })
        await transaction.run(store(place, organization_id, request_hash, result))
        return result
      })
      .catch((error: unknown) => {
        if (error instanceof Replay) return error.result as Result
        throw error
      })
  return { ...runner, transaction: once, run: task => once(transaction => transaction.run(task)) }
}

/** Ends the transaction of a repetition without a trace: the operators' log has an entry for the first request only. */
class Replay extends Error {
  readonly result: unknown

  constructor(result: unknown) {
    super('the stored result of the first request')
    this.result = result
  }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url')

/** For JSON.stringify: the order of an object's fields is not part of a request. */
const sortKeys = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value

interface Place {
  user_id: string
  route: string
  key: string
}

const lock = ({ user_id, route, key }: Place) =>
  statement(
    raw(
      query,
      sql<{
        locked: boolean
      }>`select pg_try_advisory_xact_lock(lock_key('idempotency', ${JSON.stringify([user_id, route, key])})) as locked`,
    ),
    rows => rows[0]?.locked === true,
  )

const findStored = (place: Place) =>
  find(
    query
      .selectFrom('idempotency_keys')
      .select(['request_hash', 'result'])
      .where(condition => condition.and({ ...place }))
      .where('created_at', '>', sql<string>`now() - interval '24 hours'`),
  )

const store = (place: Place, organization_id: string | undefined, request_hash: string, result: unknown) => {
  const answer = {
    organization_id: organization_id ?? null,
    request_hash,
    result: JSON.stringify(result ?? null),
    created_at: sql<string>`now()`,
  }
  return execute(
    query
      .with('expired', expired =>
        expired
          .deleteFrom('idempotency_keys')
          .where('user_id', '=', place.user_id)
          .where('created_at', '<', sql<string>`now() - interval '24 hours'`)
          .where('key', '<>', place.key),
      )
      .insertInto('idempotency_keys')
      .values({ ...place, ...answer })
      .onConflict(conflict => conflict.columns(['user_id', 'route', 'key']).doUpdateSet(answer)),
  )
}
