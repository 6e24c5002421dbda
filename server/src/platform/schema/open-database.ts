import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../../config/config.ts'
import { openDatabase } from '../database/database.ts'
import type { Database } from '../database/database.ts'
import { checkConnection } from '../connections/connection-faults.ts'
import { inspectSessionSettings } from '../connections/session-settings.ts'
import type { Declarations } from '../declarations.ts'
import { postgresFault } from '../fixed-versions.ts'
import { noteFailure } from '../observation/failures.ts'
import { inspectDeclaredRows } from './declared-rows.ts'
import { inspectSchema } from './inspection.ts'
import { inspectMigrations, requiredMigrations } from '../migrations/required-migrations.ts'

/** The URLs of the two restricted logins. */
export interface DatabaseUrls {
  tenantUrl: string
  systemUrl: string
}

/** Opens the pools of both logins; `stack` closes them. @throws Error with all faults of the database */
export async function openInspectedDatabase(
  config: Config,
  { tenantUrl, systemUrl }: DatabaseUrls,
  {
    log,
    declared,
  }: { log: FastifyBaseLogger; declared: Pick<Declarations, 'features' | 'permissions' | 'supportPermissions'> },
  stack: AsyncDisposableStack,
): Promise<Database> {
  const database = openDatabase({
    ...config.database,
    tenantUrl,
    systemUrl,
    onError: error => noteFailure(log, 'an idle database connection was lost', error),
  })
  stack.defer(() => database.close())
  const { faults, remarks } = await inspectDatabase(database, config, { tenantUrl, systemUrl }, declared)
  if (faults.length > 0)
    throw new Error(
      `the database is not as this version needs it, so nothing is served:\n${faults.map(fault => `- ${fault}`).join('\n')}`,
    )
  for (const remark of remarks) log.warn(remark)
  const unfixed = postgresFault(await readServerVersion(database))
  if (unfixed !== undefined) log[config.environment === 'development' ? 'warn' : 'error'](unfixed)
  return database
}

/** Faults that prevent the start, and remarks that do not. @throws ConnectionError when either login cannot connect */
async function inspectDatabase(
  { tenant, system }: Database,
  config: Config,
  urls: DatabaseUrls,
  declared: Pick<Declarations, 'features' | 'permissions' | 'supportPermissions'>,
): Promise<{ faults: string[]; remarks: string[] }> {
  const { schema } = config.database
  await checkConnection(tenant.pool, { variable: variableOf(config, 'tenant'), url: urls.tenantUrl })
  await checkConnection(system.pool, { variable: variableOf(config, 'system'), url: urls.systemUrl })
  const settings = await inspectSettings({ tenant, system }, config)
  if (settings.length > 0) return { faults: settings, remarks: [] }
  const { missing, newer } = await inspectMigrations(system.pool, schema, requiredMigrations(declared.features))
  if (missing.length > 0) return { faults: missing, remarks: [] }
  const faults = await inspectSchema(tenant.pool, system.pool, schema)
  if (faults.length > 0) return { faults, remarks: newer }
  const rows = await inspectDeclaredRows(system.pool, declared)
  return { faults: rows.length > 0 && newer.length > 0 ? newer : rows, remarks: newer }
}

/** The variable that sets the login's URL; a derived login uses the owner's. */
export const variableOf = ({ database }: Config, login: 'tenant' | 'system'): string =>
  database.tenantUrl !== undefined
    ? `DATABASE_${login.toUpperCase()}_URL`
    : database.url !== undefined
      ? 'DATABASE_URL'
      : 'the embedded PostgreSQL'

/** The faults of the server and of both logins' settings. */
export async function inspectSettings(
  database: Pick<Database, 'tenant' | 'system'>,
  config: Config,
): Promise<string[]> {
  const major = Math.floor((await readServerVersion(database)) / 10_000)
  if (major < 15) return [`PostgreSQL ${major} is too old: 15 is the oldest supported`]
  return [
    ...(await inspectSessionSettings(database.tenant.pool, variableOf(config, 'tenant'))),
    ...(await inspectSessionSettings(database.system.pool, variableOf(config, 'system'))),
  ]
}

/** In the format of `server_version_num`: 150020 is 15.20. */
export async function readServerVersion({ system }: Pick<Database, 'system'>): Promise<number> {
  const { rows } = await system.pool.query<{ version: number }>(
    `select current_setting('server_version_num')::int as version`,
  )
  return rows[0]?.version ?? 0
}
