import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Arena } from './arenas.ts'
import type { TestApp } from '../test-app.ts'

export interface Deadlock {
  name: string
  message: string
}

/** Whose statements these are. Deadlocks that the service hides by retrying are recorded too. */
const running = new AsyncLocalStorage<{ name: string; statements: number; deadlocks: Deadlock[] }>()

interface Wire {
  connection: { on(event: 'errorMessage', listener: (error: pg.DatabaseError) => void): void }
}

/**
 * Spreads the statements of what `watch` runs over some milliseconds, so that transactions meet between any two of
 * them, and detects deadlocks in the protocol. Other statements of the process are not affected.
 */
export function installWatch(): void {
  const seams = pg.Client.prototype as unknown as {
    query(this: pg.Client, ...given: unknown[]): unknown
  }
  const query = seams.query
  const users = new WeakMap<pg.Client, ReturnType<typeof running.getStore>>()
  seams.query = function (...given) {
    const user = running.getStore()
    if (!users.has(this))
      (this as unknown as Wire).connection.on('errorMessage', ({ code, detail, where }) => {
        const owner = users.get(this)
        if (code === '40P01') owner?.deadlocks.push({ name: owner.name, message: `${detail} ${where ?? ''}` })
      })
    users.set(this, user)
    if (user === undefined) return query.apply(this, given)
    user.statements++
    const later = delay(Math.random() * 3).then(() => query.apply(this, given))
    // The service's own kind of query sends its result itself; all others are waited for.
    return typeof (given[0] as { submit?: unknown }).submit === 'function' ? undefined : later
  }
}

/** Runs work whose statements are counted and whose deadlocks are recorded. */
export async function watch<Result>(name: string, work: () => Promise<Result>) {
  const seen = { name, statements: 0, deadlocks: [] as Deadlock[] }
  return { result: await running.run(seen, work), ...seen }
}

/**
 * Holds a lock for a moment while two actions start, so that both wait there with everything that they have locked so
 * far. Otherwise two statements would have to meet within microseconds.
 */
const held: readonly ((arena: Arena) => [sql: string, values: string[]])[] = [
  () => ['select', []],
  ...(['first', 'second'] as const).flatMap(who => [
    ({ [who]: { organization_id, user_id } }: Arena): [string, string[]] => [
      'select from memberships where organization_id = $1 and user_id = $2 for update',
      [organization_id, user_id],
    ],
    ({ [who]: { user_id } }: Arena): [string, string[]] => [
      `select pg_advisory_xact_lock(lock_key('revocation', $1))`,
      [user_id],
    ],
  ]),
  ({ first }) => ['select from users where id = $1 for update', [first.user_id]],
  ({ first }) => ['select from sessions where id = $1 for update', [first.session_id]],
  ({ first }) => ['select from organizations where id = $1 for update', [first.organization_id]],
  ({ first }) => [`select pg_advisory_xact_lock(lock_key('revocation', $1))`, [first.organization_id]],
]

/** Creates the holder of one of these locks, another one in each round, while work starts. */
export function createHolder(
  { admin }: TestApp,
  max: number,
): {
  hold: <Result>(arena: Arena, round: number, work: () => Promise<Result>) => Promise<Result>
  end: () => Promise<void>
} {
  const pool = new pg.Pool({ ...admin.options, max })
  return {
    end: () => pool.end(),
    hold: async (arena, round, work) => {
      const [text, values] = held[round % held.length]!(arena)
      if (values.length === 0) return work()
      const client = await pool.connect()
      let isOver = false
      try {
        await client.query('begin')
        await client.query(text, values)
        const working = work()
        await Promise.race([delay(30), working])
        await client.query('commit')
        isOver = true
        return await working
      } finally {
        client.release(!isOver)
      }
    },
  }
}
