import { readFileSync } from 'node:fs'
import { followSigningKeys } from './access/signing-keys.ts'
import { createTokens } from './access/tokens.ts'
import { createApp } from './app.ts'
import { createPasswords } from './auth/passwords.ts'
import { ensureFirstSuperuser } from './auth/superuser.ts'
import type { Config } from './config.ts'
import { claimDataDirectory } from './core/data-directory.ts'
import { openDatabase } from './core/database.ts'
import { migrateDatabase, provisionDatabase } from './core/provision.ts'
import { findFreePort } from './core/postgres-process.ts'
import { inspectWall } from './core/wall.ts'
import { createLogger } from './http/logging.ts'

export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version

export interface RunningService {
  /** Finishes what is in flight, then closes everything. */
  stop(): Promise<void>
}

export interface StartOptions {
  /** Apply pending migrations first; in development that happens anyway. */
  migrate?: boolean
}

/** config → database → app → listen. Whatever was opened is closed again when a later step fails. */
export async function startService(
  given: Config,
  { migrate = given.environment === 'development' }: StartOptions = {},
): Promise<RunningService> {
  const config = await choosePort(given)
  const log = createLogger(config.log)
  for (const warning of config.warnings) log.warn(warning)
  const closers: (() => Promise<unknown> | void)[] = []
  const close = async () => {
    for (const closeOne of closers.splice(0).toReversed()) await closeOne()
  }

  try {
    if (config.database.url === undefined && config.database.tenantUrl === undefined) {
      const claim = claimDataDirectory(config.dataDir, config.port)
      closers.push(() => claim.release())
      log.info(`no DATABASE_URL is set: an embedded PostgreSQL keeps everything below ${config.dataDir}`)
    }
    const { url, schema, tenantUrl, systemUrl } = config.database
    const provisioned = await provisionDatabase({
      url,
      schema,
      tenantUrl,
      systemUrl,
      dataDir: config.dataDir,
      secretKey: config.secretKey,
      log: (level, message) => log[level](message),
    })
    closers.push(() => provisioned.stop())
    if (migrate && provisioned.ownerUrl !== undefined)
      await migrateDatabase(provisioned.ownerUrl, schema, message => log.info(message))

    const database = openDatabase({
      ...config.database,
      tenantUrl: provisioned.tenantUrl,
      systemUrl: provisioned.systemUrl,
      onError: error => log.warn({ err: error }, 'an idle database connection was lost'),
    })
    closers.push(() => database.close())
    const faults = await inspectWall(database.tenant.pool, database.system.pool, schema)
    if (faults.length > 0)
      throw new Error(
        `the database is not as declared, so nothing is served:\n${faults.map(fault => `- ${fault}`).join('\n')}`,
      )

    const tokens = createTokens({ issuer: config.publicUrl, accessTokenSeconds: config.accessTokenSeconds })
    const signingKeys = await followSigningKeys(database, config, tokens.useKeys, error =>
      log.warn({ err: error }, 'the signing keys could not be read'),
    )
    closers.push(() => signingKeys.stop())

    const passwords = await createPasswords()
    if (config.firstSuperuser !== undefined)
      await ensureFirstSuperuser({ database, passwords, log, policy: config.passwordPolicy }, config.firstSuperuser)
    const app = await createApp({ config, version, database, tokens, passwords, signingKeys: signingKeys.current, log })
    closers.push(() => app.close())
    await app.listen({
      host: config.host,
      port: config.port,
      listenTextResolver: address =>
        `${config.appName} ${version} listens on ${address} (${config.environment}), documents at /docs`,
    })
    return {
      stop: async () => {
        log.info('stopping: what is in flight is finished first')
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Port 0 is any free one; the public URL that was made from it follows. */
async function choosePort(config: Config): Promise<Config> {
  if (config.port !== 0) return config
  const port = await findFreePort(8000)
  return { ...config, port, publicUrl: config.publicUrl.replace(/:0$/, `:${port}`) }
}
