import type { FastifyBaseLogger } from 'fastify'
import { followSigningKeys } from './access/signing-keys.ts'
import { createTokens } from './access/tokens.ts'
import { createApp } from './app.ts'
import { createPasswords } from './auth/passwords.ts'
import { ensureFirstSuperuser } from './auth/superuser.ts'
import type { Config } from './config.ts'
import { openDatabase } from './core/database.ts'
import { inspectWall } from './core/wall.ts'
import { version } from './version.ts'

/**
 * database → keys → app → listen, on a PostgreSQL that is there and migrated. What is opened is left to `stack` to close.
 * @throws Error when the database is not as declared, or the port is taken
 */
export async function serve(
  config: Config,
  { tenantUrl, systemUrl }: { tenantUrl: string; systemUrl: string },
  log: FastifyBaseLogger,
  stack: AsyncDisposableStack,
): Promise<void> {
  const database = openDatabase({
    ...config.database,
    tenantUrl,
    systemUrl,
    onError: error => log.warn({ err: error }, 'an idle database connection was lost'),
  })
  stack.defer(() => database.close())
  const faults = await inspectWall(database.tenant.pool, database.system.pool, config.database.schema)
  if (faults.length > 0)
    throw new Error(
      `the database is not as declared, so nothing is served:\n${faults.map(fault => `- ${fault}`).join('\n')}`,
    )

  const tokens = createTokens({ issuer: config.publicUrl, accessTokenSeconds: config.accessTokenSeconds })
  const signingKeys = await followSigningKeys(database, config, tokens.useKeys, error =>
    log.warn({ err: error }, 'the signing keys could not be read'),
  )
  stack.defer(() => signingKeys.stop())

  const passwords = await createPasswords()
  if (config.firstSuperuser !== undefined)
    await ensureFirstSuperuser({ database, passwords, log, policy: config.passwordPolicy }, config.firstSuperuser)
  const app = await createApp({ config, version, database, tokens, passwords, signingKeys: signingKeys.current, log })
  stack.defer(() => app.close())
  await app.listen({
    host: config.host,
    port: config.port,
    listenTextResolver: address =>
      `${config.appName} ${version} listens on ${address} (${config.environment}), documents at /docs`,
  })
}
