import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../../config/config.ts'
import { openDatabase } from './database.ts'
import type { Database } from './database.ts'
import type { PermissionTable } from '../gate/permissions.ts'
import { noteFailure } from '../failures.ts'
import { inspectDeclaredRows } from '../schema/declared-rows.ts'
import { inspectSchema } from '../schema/inspection.ts'

/** The URLs of the two restricted logins. */
export interface DatabaseUrls {
  tenantUrl: string
  systemUrl: string
}

/** Opens the pools of both logins, left to `stack` to close. @throws Error with each fault when the database is not as declared */
export async function openInspectedDatabase(
  config: Config,
  { tenantUrl, systemUrl }: DatabaseUrls,
  { log, permissions }: { log: FastifyBaseLogger; permissions: PermissionTable },
  stack: AsyncDisposableStack,
): Promise<Database> {
  const database = openDatabase({
    ...config.database,
    tenantUrl,
    systemUrl,
    onError: error => noteFailure(log, 'an idle database connection was lost', error),
  })
  stack.defer(() => database.close())
  const faults = await inspectSchema(database.tenant.pool, database.system.pool, config.database.schema)
  if (faults.length === 0) faults.push(...(await inspectDeclaredRows(database.system.pool, permissions)))
  if (faults.length > 0)
    throw new Error(
      `the database is not as declared, so nothing is served:\n${faults.map(fault => `- ${fault}`).join('\n')}`,
    )
  return database
}
