import type { FastifyBaseLogger } from 'fastify'
import { createApp } from './app.ts'
import type { Config } from './config/config.ts'
import { isLoopback } from './config/kinds.ts'
import { features } from './features.ts'
import { seededPasswordsFault } from './operations/seed/seeded-passwords.ts'
import { ensureFirstSuperuser } from './operations/superusers/superusers.ts'
import { systemFor } from './platform/database/runners.ts'
import { openInspectedDatabase } from './platform/schema/open-database.ts'
import type { DatabaseUrls } from './platform/schema/open-database.ts'
import { declare } from './platform/declarations.ts'
import { createAccessTokens } from './platform/gate/access-tokens.ts'
import { followSigningKeys } from './platform/gate/signing-keys.ts'
import type { RunningJobs } from './platform/jobs/jobs.ts'
import { noteFailure } from './platform/observation/failures.ts'
import { leave } from './platform/server/closing.ts'
import type { Leaving } from './platform/server/closing.ts'
import { closeServices, createServices } from './services.ts'

/**
 * database → keys → services → app → listen → jobs, on a running, migrated PostgreSQL. `stack` closes everything.
 * @returns the drain that runs before that @throws Error if the database is not as declared, or the port is taken
 */
export async function serve(
  config: Config,
  urls: DatabaseUrls,
  log: FastifyBaseLogger,
  stack: AsyncDisposableStack,
): Promise<Leaving> {
  const declared = declare(features)
  const database = await openInspectedDatabase(config, urls, { log, declared }, stack)
  const { publicUrl: issuer, accessTokenSeconds } = config
  const accessTokens = createAccessTokens({ issuer, accessTokenSeconds })
  const signingKeys = await followSigningKeys(
    systemFor(database, 'signing-keys'),
    config,
    accessTokens.useKeys,
    error => noteFailure(log, 'the signing keys could not be read', error),
  )
  stack.defer(() => signingKeys.stop())
  const services = await createServices({ config, declared, log, accessTokens, signingKeys: signingKeys.current })
  stack.defer(() => closeServices(services))
  const isDeployed = config.environment !== 'development'
  if (isDeployed || !isLoopback(config.host)) {
    const fault = await seededPasswordsFault(systemFor(database, 'start', 'freehold'))
    if (fault !== undefined && isDeployed) throw new Error(fault)
    if (fault !== undefined) log.warn(`HOST is ${config.host}, and ${fault}`)
  }
  if (config.firstSuperuser !== undefined)
    await ensureFirstSuperuser(systemFor(database, 'superuser', 'freehold'), services, config.firstSuperuser)
  const app = await createApp(services, database)
  let jobs: RunningJobs | undefined
  stack.defer(async () => {
    const ends = await Promise.allSettled([app.close(), jobs?.stop()])
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  })
  stack.defer(() => database.limit())
  await app.listen({
    host: config.host,
    port: config.port,
    listenTextResolver: address =>
      `${config.appName} ${services.version} listens on ${address} (${config.environment})${config.publicDocuments ? ', documents at /docs' : ''}`,
  })
  // Only now, because the start does not depend on it.
  if (config.runJobs) jobs = await (await import('./work.ts')).startJobs(services, database)
  return { leave: seconds => leave(app, seconds) }
}
