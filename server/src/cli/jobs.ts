import { parseArgs } from 'node:util'
import type { Config } from '../config/config.ts'
import { countJobs, listDeadJobs, retryDeadJobs } from '../platform/jobs/dead-jobs.ts'
import { UsageError } from './usage.ts'
import { withDatabase } from '../platform/schema/with-database.ts'

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** `freehold jobs`: counts jobs, lists dead ones, and retries them. @returns 1 if an id is not that of a dead job */
export async function jobs(args: string[], config: Config): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: { all: { type: 'boolean' } }, allowPositionals: true })
  const [action, ...ids] = positionals
  const isRetry = action === 'retry' && (values.all === true) !== ids.length > 0 && ids.every(id => ID.test(id))
  if (!isRetry && !(positionals.length < 2 && values.all === undefined && [undefined, 'dead'].includes(action)))
    throw new UsageError()
  return withDatabase(config, async ({ system: { pool } }) => {
    const { schema } = config.database
    if (isRetry) {
      const moved = await retryDeadJobs(pool, schema, values.all === true ? undefined : ids)
      console.log(`${moved} ${moved === 1 ? 'job is' : 'jobs are'} tried again`)
      return values.all === true || moved === new Set(ids).size ? 0 : 1
    }
    if (action === 'dead') {
      for (const { id, queue, died_at, data, reason } of await listDeadJobs(pool, schema))
        console.log([id, queue, died_at, JSON.stringify(data), reason ?? ''].join('  '))
      return 0
    }
    for (const { queue, waiting, running } of await countJobs(pool, schema))
      console.log(`${queue}: ${waiting} waiting, ${running} running`)
    return 0
  })
}
