import type { Config } from '../../config/config.ts'
import { checkConnection } from '../connections/connection-faults.ts'
import { openDatabase } from '../database/database.ts'
import { systemFor } from '../database/runners.ts'
import type { Database, Transaction } from '../database/database.ts'
import { variableOf } from './open-database.ts'
import { provisionDatabase } from './provision.ts'
import type { Provisioned } from './provision.ts'
import { inspectMigrations, requiredMigrations } from '../migrations/required-migrations.ts'

/** Runs a command on the configured database; attaches to the embedded one, or starts it during the command. */
export async function withProvision<Result>(
  config: Config,
  work: (provisioned: Provisioned) => Promise<Result>,
): Promise<Result> {
  const provisioned = await provisionDatabase({
    ...config.database,
    dataDir: config.dataDir,
    secretKey: config.secretKey,
    makesLogins: config.environment === 'development',
    log: (level, message) => {
      if (level !== 'info') console.error(message)
    },
  })
  try {
    return await work(provisioned)
  } finally {
    await provisioned.stop()
  }
}

/** The same with the restricted logins. @throws Error if a migration that this version needs is missing */
export const withDatabase = <Result>(
  config: Config,
  work: (database: Database) => Promise<Result>,
  poolSize = 2,
): Promise<Result> =>
  withProvision(config, async ({ tenantUrl, systemUrl }) => {
    const database = openDatabase({ ...config.database, poolSize, tenantUrl, systemUrl, onError: () => {} })
    try {
      await checkConnection(database.system.pool, { variable: variableOf(config, 'system'), url: systemUrl })
      const { missing } = await inspectMigrations(database.system.pool, config.database.schema, requiredMigrations())
      if (missing.length > 0) throw new Error(missing.join('\n'))
      return await work(database)
    } finally {
      await database.close()
    }
  })

/** One transaction of a command. The audit log stores the command's name. */
export const inTransaction = <Result>(
  config: Config,
  command: string,
  work: (transaction: Transaction<'system'>) => Promise<Result>,
): Promise<Result> =>
  withDatabase(config, database => {
    const system = systemFor(database, command, 'freehold')
    // system: the command line has no session
    return system.transaction(work)
  })
