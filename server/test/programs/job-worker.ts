// A process that runs jobs, for the tests of the queue: it prints a line when a job starts and when it ends. The field
// of the job says what it does: `short` or `endless`.
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { runJobs } from '../../src/platform/jobs/jobs.ts'
import type { JobHandler, JobTools } from '../../src/platform/jobs/jobs.ts'

const [systemUrl, schema] = process.argv.slice(2) as [string, string]
const pool = new pg.Pool({ connectionString: systemUrl, max: 3 })
const handle: JobHandler = async (data, id) => {
  console.log(`begins ${id}`)
  await delay('endless' in data ? 2 ** 31 - 1 : 20)
  console.log(`ends ${id}`)
}
const jobs = await runJobs(
  { pool, schema, log: { warn: (_details, message) => console.log(`warning ${message}`) } },
  { mail: { queue: {}, concurrency: 3, pollingSeconds: 1, handler: () => handle } },
  () => ({}) as JobTools, // the handler uses none
)
console.log('works')
await new Promise(resolve => process.once('SIGTERM', resolve))
await jobs.stop()
await pool.end()
console.log('stopped')
