import type { Config } from '../../config/config.ts'
import { openDatabase, systemFor } from '../database/database.ts'
import type { Database, Transaction } from '../database/database.ts'
import { provisionDatabase } from './provision.ts'
import type { Provisioned } from './provision.ts'

/** Runs a command against the configured database, attaching to the embedded one or starting it for as long as the command lasts. */
export async function withProvision<Result>(
  config: Config,
  work: (provisioned: Provisioned) => Promise<Result>,
): Promise<Result> {
  const provisioned = await provisionDatabase({
    ...config.database,
    dataDir: config.dataDir,
    secretKey: config.secretKey,
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

export const withDatabase = <Result>(
  config: Config,
  work: (database: Database) => Promise<Result>,
  poolSize = 2,
): Promise<Result> =>
  withProvision(config, async ({ tenantUrl, systemUrl }) => {
    const database = openDatabase({ ...config.database, poolSize, tenantUrl, systemUrl, onError: () => {} })
    try {
      return await work(database)
    } finally {
      await database.close()
    }
  })

/** One transaction of a command. History calls it by the command's name. */
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
