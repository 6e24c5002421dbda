import type { FastifyBaseLogger } from 'fastify'
import type { Config } from './config/config.ts'
import { features } from './features.ts'
import { serveMetrics } from './operations/metrics/worker-server.ts'
import { systemFor } from './platform/database/runners.ts'
import type { Database } from './platform/database/database.ts'
import { openInspectedDatabase } from './platform/schema/open-database.ts'
import type { DatabaseUrls } from './platform/schema/open-database.ts'
import { declare } from './platform/declarations.ts'
import { runJobs } from './platform/jobs/jobs.ts'
import type { RunningJobs } from './platform/jobs/jobs.ts'
import type { Services } from './platform/services.ts'
import { closeServices, createServices } from './services.ts'

/** Runs only the background jobs, on a running, migrated PostgreSQL. `stack` closes everything. */
export async function work(
  config: Config,
  urls: DatabaseUrls,
  log: FastifyBaseLogger,
  stack: AsyncDisposableStack,
): Promise<undefined> {
  const declared = declare(features)
  const database = await openInspectedDatabase(config, urls, { log, declared }, stack)
  const services = await createServices({ config, declared, log })
  stack.defer(() => closeServices(services))
  const metrics = await serveMetrics(services, systemFor(database, 'metrics'))
  stack.defer(() => {
    metrics?.close()
    metrics?.closeAllConnections()
  })
  const jobs = await startJobs(services, database)
  stack.defer(() => jobs.stop())
  stack.defer(() => database.limit())
  log.info(`${config.appName} ${services.version} works on the jobs (${config.environment})`)
}

/** Starts the features' jobs. @throws Error if a handler cannot be created, as with faulty email templates */
export async function startJobs(services: Services, database: Database): Promise<RunningJobs> {
  const { config, log, declared } = services
  const { pool } = database.system
  const opened = new DisposableStack()
  try {
    const jobs = await runJobs({ pool, schema: config.database.schema, log }, declared.jobs, queue => ({
      system: systemFor(database, queue),
      services,
      defer: close => opened.defer(close),
    }))
    return {
      stop: async () => {
        await jobs.stop()
        opened.dispose()
      },
    }
  } catch (error) {
    opened.dispose()
    throw error
  }
}
