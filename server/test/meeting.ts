import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'

/** The transactions that wait for a lock of one process of PostgreSQL, or for one that waits for it. */
const WAITING = `with recursive
  waiters as materialized (select pid, pg_blocking_pids(pid) as blockers from pg_stat_activity where wait_event_type = 'Lock'),
  waiting (pid) as (select $1::int union select w.pid from waiters w join waiting on waiting.pid = any (w.blockers))
  select from waiting where pid <> $1`

/**
 * Waits until some work is done, or so many transactions wait for what a connection has locked: not just for any lock,
 * because others use the database, too. `admin` sees all, and can be the holder. @returns whether they wait
 */
export async function waits(
  admin: pg.Pool | pg.ClientBase,
  holder: pg.ClientBase,
  working: Promise<unknown>,
  count = 1,
): Promise<boolean> {
  const state = { isDone: false }
  const end = () => void (state.isDone = true)
  void working.then(end, end)
  const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid')
  for (; !state.isDone; await delay(5)) {
    if (((await admin.query(WAITING, [rows[0]!.pid])).rowCount ?? 0) >= count) return true
  }
  return false
}

/**
 * Runs some work while this lock is held, until so many of its transactions wait for it: otherwise they would have to
 * meet within microseconds. If it is one of several locks that they take, they wait with what they have locked before it,
 * and deadlock if they lock in different orders.
 */
export async function meet<Result>(
  admin: pg.Pool,
  [text, ...values]: readonly [sql: string, ...values: unknown[]],
  count: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const client = await admin.connect()
  try {
    await client.query('begin')
    await client.query(text, values)
    const working = work()
    await waits(admin, client, working, count)
    await client.query('commit')
    return await working
  } finally {
    client.release()
  }
}
