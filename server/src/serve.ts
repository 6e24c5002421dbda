import type { FastifyBaseLogger } from 'fastify'
import { followSigningKeys } from './platform/gate/signing-keys.ts'
import { createTokens } from './platform/gate/access-tokens.ts'
import { createApp } from './app.ts'
import { policyOf } from './identity/passwords/password-policy.ts'
import { createPasswords } from './identity/passwords/passwords.ts'
import { ensureFirstSuperuser } from './operations/superusers/superusers.ts'
import type { Config } from './config/config.ts'
import type { RunningJobs } from './platform/jobs/jobs.ts'
import { tokenKeyOf } from './platform/tokens/one-time-tokens.ts'
import { openInspectedDatabase } from './platform/database/open-database.ts'
import type { DatabaseUrls } from './platform/database/open-database.ts'
import { version } from './version.ts'

/**
 * database → keys → app → listen → jobs, on a PostgreSQL that is there and migrated. What is opened is left to `stack` to close.
 * @throws Error when the database is not as declared, or the port is taken
 */
export async function serve(
  config: Config,
  urls: DatabaseUrls,
  log: FastifyBaseLogger,
  stack: AsyncDisposableStack,
): Promise<void> {
  const database = await openInspectedDatabase(config, urls, log, stack)
  const tokens = createTokens({ issuer: config.publicUrl, accessTokenSeconds: config.accessTokenSeconds })
  const signingKeys = await followSigningKeys(database, config, tokens.useKeys, error =>
    log.warn({ err: error }, 'the signing keys could not be read'),
  )
  stack.defer(() => signingKeys.stop())

  const passwords = await createPasswords()
  if (config.firstSuperuser !== undefined)
    await ensureFirstSuperuser(
      { database, key: tokenKeyOf(config.secretKey), passwords, log, policy: policyOf(config) },
      config.firstSuperuser,
    )
  const app = await createApp({ config, version, database, tokens, passwords, signingKeys: signingKeys.current, log })
  let jobs: RunningJobs | undefined
  stack.defer(async () => {
    await Promise.all([app.close(), jobs?.stop()])
  })
  await app.listen({
    host: config.host,
    port: config.port,
    listenTextResolver: address =>
      `${config.appName} ${version} listens on ${address} (${config.environment}), documents at /docs`,
  })
  // Only now: who waits for the service to start needs none of it.
  if (config.runJobs) jobs = await (await import('./work.ts')).startJobs(config, database, log)
}
