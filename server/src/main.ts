import type { Logger } from 'pino'
import type { Config } from './config/config.ts'
import { claimDataDirectory } from './platform/embedded/data-directory.ts'
import { findFreePort } from './platform/embedded/postgres-process.ts'
import { runtimeFault } from './platform/fixed-versions.ts'
import { migrateDatabase, provisionDatabase } from './platform/schema/provision.ts'
import type { Provisioned } from './platform/schema/provision.ts'
import type { Leaving } from './platform/server/closing.ts'

export interface RunningService {
  /** Accepts no further connections. With `drains` it first continues to serve for DRAIN_SECONDS. */
  leave(how: { drains: boolean }): Promise<void>
  /** Finishes running requests, then closes everything. */
  stop(): Promise<void>
}

export interface StartOptions {
  /** Apply pending migrations first; in development they are always applied. */
  migrate?: boolean
}

/** config → database → app → listen. If it stops or a step fails, everything is closed in reverse order. */
export async function startService(
  given: Config,
  log: Logger,
  { migrate = given.environment === 'development' }: StartOptions = {},
): Promise<RunningService> {
  const { database, environment } = given
  if (migrate && environment !== 'development' && database.url === undefined)
    throw new Error(
      'DATABASE_URL is not set, and --migrate applies migrations as the owner: set it to the URL of the owner, or run `freehold migrate apply` and start without --migrate',
    )
  return run(await choosePort(given), log, async () => (await import('./serve.ts')).serve, { claims: true, migrate })
}

/** config → database → jobs: runs the background jobs, in any number of processes, with or without a service. */
export const startWorker = (config: Config, log: Logger): Promise<RunningService> =>
  run(config, log, async () => (await import('./work.ts')).work, { claims: false, migrate: false })

type Task = (
  config: Config,
  urls: Provisioned,
  log: Logger,
  stack: AsyncDisposableStack,
) => Promise<Leaving | undefined>

/** `claims`: whether this process claims the data directory for itself. */
async function run(
  config: Config,
  log: Logger,
  load: () => Promise<Task>,
  { claims, migrate }: { claims: boolean; migrate: boolean },
): Promise<RunningService> {
  for (const warning of config.warnings) log.warn(warning)
  const outdated = runtimeFault()
  if (outdated !== undefined) log[config.environment === 'development' ? 'warn' : 'error'](outdated)
  const stack = new AsyncDisposableStack()

  /** Provides a running, migrated PostgreSQL. */
  async function prepareDatabase(): Promise<Provisioned> {
    if (claims && config.database.url === undefined && config.database.tenantUrl === undefined) {
      const claim = claimDataDirectory(config.dataDir, config.port)
      stack.defer(() => claim.release())
      log.info(`no DATABASE_URL is set: an embedded PostgreSQL keeps everything below ${config.dataDir}`)
    }
    const provisioned = await provisionDatabase({
      ...config.database,
      dataDir: config.dataDir,
      secretKey: config.secretKey,
      makesLogins: config.environment === 'development',
      log: (level, message) => log[level](message),
    })
    stack.defer(() => provisioned.stop())
    if (migrate && provisioned.ownerUrl !== undefined)
      await migrateDatabase(provisioned.ownerUrl, config.database.schema, await loadDeclarations(), message =>
        log.info(message),
      )
    return provisioned
  }

  try {
    // PostgreSQL starts while the rest of the code loads. If that fails, the error waits, so that PostgreSQL is closed.
    const loading = load()
    loading.catch(() => {})
    const provisioned = await prepareDatabase()
    const task = await loading
    const running = await task(config, provisioned, log, stack)
    return {
      leave: async ({ drains }) => {
        const seconds = drains && running !== undefined ? config.drainSeconds : 0
        if (seconds > 0)
          log.info(`stopping in ${seconds} seconds: requests are served until then, and /ready answers 503`)
        await running?.leave(seconds)
      },
      stop: async () => {
        log.info('stopping: running requests are finished first')
        await stack.disposeAsync()
      },
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** The declarations of the features, which migrations need; loaded only here, because most starts do not migrate. */
const loadDeclarations = async () => {
  const [{ declare }, { features }] = [await import('./platform/declarations.ts'), await import('./features.ts')]
  return declare(features)
}

/** Replaces port 0 by a free one, also in the URLs that were derived from it. */
async function choosePort(config: Config): Promise<Config> {
  if (config.port !== 0) return config
  const port = await findFreePort(8000)
  const settle = (url: string) => url.replace(/:0(?=$|\/account$)/, `:${port}`)
  return { ...config, port, publicUrl: settle(config.publicUrl), accountPagesUrl: settle(config.accountPagesUrl) }
}
