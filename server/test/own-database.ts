import { after } from 'node:test'
import pg from 'pg'
import { migrateDatabase } from '../src/core/provision.ts'
import { ensureRoles, loginNames, loginPassword } from '../src/core/roles.ts'
import { TEST_SECRET, testDatabase } from './test-database.ts'

export interface OwnDatabase {
  schema: string
  ownerUrl: string
  tenantUrl: string
  systemUrl: string
  /** A superuser's connections, with the schema on their path: looks behind the wall. */
  admin: pg.Pool
}

let serial = 0

/** A migrated database of a test's own on the test run's server: for what looks at whole tables, or works on every job. */
export async function createOwnDatabase(schema = 'freehold'): Promise<OwnDatabase> {
  const { adminUrl, ownerUrl } = testDatabase()
  const name = `own_${process.pid}_${serial++}`
  const server = new pg.Client({ connectionString: adminUrl })
  await server.connect()
  await server.query(`create database ${name} owner freehold`)
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
  await migrateDatabase(on(ownerUrl), schema)
  after(async () => {
    await admin.end()
    await server.query(`drop database ${name} with (force)`)
    await server.query(`drop role ${names.tenant}, ${names.system}`)
    await server.end()
  })
  const urlOf = (kind: 'tenant' | 'system') => on(ownerUrl, { username: names[kind], password: passwords[kind] })
  return { schema, ownerUrl: on(ownerUrl), tenantUrl: urlOf('tenant'), systemUrl: urlOf('system'), admin }
}
