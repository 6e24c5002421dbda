import type pg from 'pg'
import { connections, statements } from '../observation/channels.ts'

export interface PoolState {
  login: 'tenant' | 'system'
  /** Open connections, and how many of them are not in use. */
  open: number
  idle: number
  /** The most connections that the pool opens. */
  size: number
  /** How many callers wait for a connection. */
  waiting: number
  /** How long the connection that has been in use the longest has been in use: its transaction is the oldest. */
  longestMilliseconds: number
}

/** The pool of one login: what the service needs of it, measured. */
export function watchPool(login: PoolState['login'], pool: pg.Pool, size: number) {
  /** The connections in use, each with the time at which it was taken, the oldest first. */
  const taken = new Map<pg.PoolClient, number>()
  return {
    state: (): PoolState => {
      const now = performance.now()
      const [oldest = now] = taken.values()
      const { totalCount: open, idleCount: idle, waitingCount: waiting } = pool
      return { login, open, idle, size, waiting, longestMilliseconds: Math.round(now - oldest) }
    },
    connect: async (): Promise<pg.PoolClient> => {
      const start = performance.now()
      const client = await pool.connect()
      const now = performance.now()
      taken.set(client, now)
      if (connections.isHeard) connections.publish({ login, milliseconds: now - start })
      return client
    },
    release: (client: pg.PoolClient, broken: Error | undefined): void => {
      taken.delete(client)
      client.release(broken)
    },
    /** Runs a statement, and publishes how long it took. */
    timed: async <Result>(text: string, request_id: string, send: () => Promise<Result>): Promise<Result> => {
      if (!statements.isHeard) return send()
      const start = performance.now()
      let error: unknown
      try {
        return await send()
      } catch (caught) {
        error = caught
        throw caught
      } finally {
        statements.publish({ login, text, milliseconds: performance.now() - start, request_id, error })
      }
    },
  }
}
