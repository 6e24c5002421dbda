import { after } from 'node:test'
import pg from 'pg'
import { openDatabase } from '../src/platform/database/database.ts'
import type { Database } from '../src/platform/database/database.ts'
import { features as ownFeatures } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import type { Feature } from '../src/platform/feature.ts'
import { migrateDatabase } from '../src/platform/schema/provision.ts'
import { ensureRoles, loginNames, loginPassword } from '../src/platform/schema/logins.ts'
import { TEST_SECRET, testDatabase } from './test-database.ts'

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

let serial = 0

/**
 * A separate migrated database on the test server, for tests that look at whole tables or process every job. `prepare`
 * fills it before it is migrated.
 */
export async function createOwnDatabase(
  schema = 'freehold',
  features: readonly Feature[] = ownFeatures,
  prepare: (ownerUrl: string, admin: pg.Pool) => Promise<void> = async () => {},
): Promise<OwnDatabase> {
  const { adminUrl, ownerUrl } = testDatabase()
  const name = `own_${process.pid}_${serial++}`
  const server = new pg.Client({ connectionString: adminUrl })
  await server.connect()
  await server.query(`create database ${name} owner freehold`)
  await server.end()
  const on = (url: string, login = {}): string => Object.assign(new URL(url), { pathname: `/${name}`, ...login }).href
  const admin = new pg.Pool({ connectionString: on(adminUrl), options: `-c search_path="${schema}"`, max: 2 })
  const names = loginNames(name)
  const passwords = {
    tenant: loginPassword(TEST_SECRET, names.tenant),
    system: loginPassword(TEST_SECRET, names.system),
  }
  const client = new pg.Client({ connectionString: on(adminUrl) })
  await client.connect()
  await ensureRoles(client, { database: name, schema, owner: 'freehold', passwords })
  await client.end()
  await prepare(on(ownerUrl), admin)
  await migrateDatabase(on(ownerUrl), schema, declare(features))
  const urlOf = (kind: 'tenant' | 'system') => on(ownerUrl, { username: names[kind], password: passwords[kind] })
  const urls = { tenantUrl: urlOf('tenant'), systemUrl: urlOf('system') }
  const pools = { poolSize: 12, poolTimeoutSeconds: 10, connectionMaxAgeSeconds: 0, pooler: 'none' as const }
  const database = openDatabase({ ...urls, ...pools, onError: () => {} })
  // The server is removed after the run, and the database with it.
  after(async () => {
    await Promise.all([database.close(), admin.end()])
  })
  return { schema, ownerUrl: on(ownerUrl), ...urls, database, admin }
}
