import type pg from 'pg'

/** Waits until some work is done, or so many transactions wait for locks. @returns whether they wait */
export async function waits(admin: pg.Pool, working: Promise<unknown>, count = 1): Promise<boolean> {
  const state = { isDone: false }
  const end = () => void (state.isDone = true)
  void working.then(end, end)
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  while (!state.isDone) if (((await admin.query(waiting)).rowCount ?? 0) >= count) return true
  return false
}

/**
 * Runs some work while this lock is held, until so many of its transactions wait for locks: otherwise they would have to
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
    await waits(admin, working, count)
    await client.query('commit')
    return await working
  } finally {
    client.release()
  }
}
