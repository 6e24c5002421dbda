import type { FastifyBaseLogger } from 'fastify'
import type { Config } from './config/config.ts'
import type { Database } from './platform/database/database.ts'
import { runJobs } from './platform/jobs/jobs.ts'
import type { RunningJobs } from './platform/jobs/jobs.ts'
import { tokenKeyOf } from './platform/tokens/one-time-tokens.ts'
import { composeOptionsOf, mailHandler } from './platform/mail/mail.ts'
import { createMailer } from './platform/mail/transport.ts'
import { openInspectedDatabase } from './platform/database/open-database.ts'
import type { DatabaseUrls } from './platform/database/open-database.ts'
import { sweepExpired } from './operations/retention/retention.ts'
import { eraseAccounts } from './identity/leaving/erasure.ts'
import { releaseNames } from './directory/users/retired-names.ts'
import { version } from './version.ts'

/** Works on the jobs alone, on a PostgreSQL that is there and migrated. What is opened is left to `stack` to close. */
export async function work(
  config: Config,
  urls: DatabaseUrls,
  log: FastifyBaseLogger,
  stack: AsyncDisposableStack,
): Promise<void> {
  const database = await openInspectedDatabase(config, urls, log, stack)
  const jobs = await startJobs(config, database, log)
  stack.defer(() => jobs.stop())
  log.info(`${config.appName} ${version} works on the jobs (${config.environment})`)
}

/** Begins with the jobs. @throws Error with every fault of the operator's mail templates */
export async function startJobs(config: Config, database: Database, log: FastifyBaseLogger): Promise<RunningJobs> {
  const mailer = createMailer(config)
  if (mailer?.kind === 'outbox') log.info(`mail goes nowhere but to ${config.publicUrl}/dev/mail`)
  const jobs = await runJobs(
    { pool: database.system.pool, schema: config.database.schema, log },
    {
      // Where no mail can be sent it waits for a process that can.
      ...(mailer && { mail: mailHandler(database, mailer, composeOptionsOf(config, tokenKeyOf(config.secretKey))) }),
      sweep: (_data, _id, signal) => sweep(database, config, signal),
    },
  )
  return {
    stop: async () => {
      await jobs.stop()
      mailer?.close()
    },
  }
}

/** Removes what has expired, and erases the accounts whose grace is over. */
export async function sweep(database: Database, config: Config, signal?: AbortSignal): Promise<void> {
  await sweepExpired(database, config, signal)
  const { graceDays, reuseNames } = config.deletion
  const retiredKey = reuseNames ? undefined : tokenKeyOf(config.secretKey)
  await eraseAccounts(database, { graceDays, retiredKey }, signal)
  if (reuseNames) await database.system.run({ origin: { request_id: 'sweep', ip: '', user_agent: '' } }, releaseNames)
}
