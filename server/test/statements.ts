import type pg from 'pg'
import type { Database } from '../src/platform/database/database.ts'

/** The statements that the service sends to PostgreSQL from now on, in order: the texts, without values. */
export function recordStatements({ tenant, system }: Database): { take(): string[] } {
  const recorded: string[] = []
  const seen = new WeakSet<pg.PoolClient>()
  for (const { pool } of [tenant, system]) {
    pool.on('acquire', client => {
      if (seen.has(client)) return
      seen.add(client)
      const query = client.query.bind(client) as (...args: unknown[]) => unknown
      client.query = ((asked: string | { text: string }, ...rest: unknown[]) => {
        recorded.push(typeof asked === 'string' ? asked : asked.text)
        return query(asked, ...rest)
      }) as typeof client.query
    })
  }
  return { take: () => recorded.splice(0) }
}
