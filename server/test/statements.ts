import pg from 'pg'
import { Connection } from '../src/platform/connections/connection.ts'
import type { Database } from '../src/platform/database/database.ts'

type Asked = string | { text: string; name?: string }

const listeners = new Set<(connection: Connection, text: string) => void>()

/** How a connection is made ready: not a statement of a request. */
const isPreparation = (asked: Asked): boolean =>
  typeof asked === 'string' ? asked.startsWith('set lock_timeout') : /^(read )?settings$/.test(asked.name ?? '')

const { query } = pg.Client.prototype as unknown as { query: (...given: unknown[]) => unknown }
Object.defineProperty(Connection.prototype, 'query', {
  value(this: Connection, asked: Asked, ...rest: unknown[]) {
    if (!isPreparation(asked))
      for (const listener of listeners) listener(this, typeof asked === 'string' ? asked : asked.text)
    return query.call(this, asked, ...rest)
  },
})

/**
 * The statements that the service sends to PostgreSQL from now on, in order, on connections of their own and on shared
 * ones: the texts, without values.
 */
export function recordStatements({ tenant, system }: Database): { take(): string[] } {
  const recorded: string[] = []
  const places = [tenant, system].map(({ pool }) => new URL(pool.options.connectionString!))
  const isOurs = ({ user, database }: Connection): boolean =>
    places.some(({ username, pathname }) => decodeURIComponent(username) === user && pathname === `/${database}`)
  listeners.add((connection, text) => {
    if (isOurs(connection)) recorded.push(text)
  })
  return { take: () => recorded.splice(0) }
}
