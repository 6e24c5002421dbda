import { after } from 'node:test'
import pg from 'pg'
import { openDatabase } from '../src/platform/database/database.ts'
import type { Database } from '../src/platform/database/database.ts'
import { features as ownFeatures } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import type { Feature } from '../src/platform/feature.ts'
import { migrateDatabase } from '../src/platform/schema/provision.ts'
import { createAnotherDatabase } from './test-database.ts'

export interface OwnDatabase {
  schema: string
  ownerUrl: string
  tenantUrl: string
  systemUrl: string
  /** Both restricted logins. */
  database: Database
  /** A superuser's connections, with the schema on their path; no policy applies to them. */
  admin: pg.Pool
}

/**
 * A separate migrated database on the test server, for tests that look at whole tables or process every job. `prepare`
 * fills it before it is migrated.
 */
export async function createOwnDatabase(
  schema = 'freehold',
  features: readonly Feature[] = ownFeatures,
  prepare?: (ownerUrl: string, admin: pg.Pool) => Promise<void>,
): Promise<OwnDatabase> {
  const isEmpty = schema !== 'freehold' || features !== ownFeatures || prepare !== undefined
  const { adminUrl, ...urls } = await createAnotherDatabase({ isEmpty, schema })
  const connectionString = Object.assign(new URL(urls.ownerUrl), loginOf(adminUrl)).href
  const admin = new pg.Pool({ connectionString, options: `-c search_path="${schema}"`, max: 2 })
  await prepare?.(urls.ownerUrl, admin)
  if (isEmpty) await migrateDatabase(urls.ownerUrl, schema, declare(features))
  const pools = { poolSize: 12, poolTimeoutSeconds: 10, connectionMaxAgeSeconds: 0, pooler: 'none' as const }
  const database = openDatabase({ ...urls, ...pools, onError: () => {} })
  // The server is removed after the run, and the database with it.
  after(async () => {
    await Promise.all([database.close(), admin.end()])
  })
  return { schema, ...urls, database, admin }
}

const loginOf = (url: string) => {
  const { username, password } = new URL(url)
  return { username, password }
}
