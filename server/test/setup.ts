import pg from 'pg'
import { features } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import { migrateDatabase, provisionDatabase } from '../src/platform/schema/provision.ts'
import type { Provisioned } from '../src/platform/schema/provision.ts'
import { TEST_DATABASE, TEST_DIRECTORY, TEST_SECRET } from './test-database.ts'

let provisioned: Provisioned

/** Commits wait for no disk, checkpoints do not copy the run's data, and hundreds of databases are not vacuumed in turn. */
const settings = {
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_wal_size: '4GB',
  checkpoint_timeout: '1h',
  autovacuum_naptime: '10min',
  plan_cache_mode: 'force_generic_plan',
}

/** One real PostgreSQL for the whole run, with a migrated database of which every test file gets a copy. */
export async function globalSetup(): Promise<void> {
  provisioned = await provisionDatabase({
    url: undefined,
    schema: 'freehold',
    tenantUrl: undefined,
    systemUrl: undefined,
    dataDir: process.env[TEST_DIRECTORY]!,
    secretKey: TEST_SECRET,
    maxConnections: 300,
    programs: process.env['EMBEDDED_POSTGRES'] ?? 'bundled',
    log: (level, message) => {
      if (level !== 'info') console.error(message)
    },
  })
  const { adminUrl, ownerUrl, tenantUrl, systemUrl } = provisioned
  // Nothing here survives the run. Tests of crashes start servers of their own, which write to the disk as usual. (The
  // command line of the server sets `fsync`, which overrides what is set here.)
  const admin = new pg.Client({ connectionString: adminUrl! })
  await admin.connect()
  for (const [name, value] of Object.entries(settings)) await admin.query(`alter system set ${name} = '${value}'`)
  await admin.query('select pg_reload_conf()')
  await admin.end()
  await migrateDatabase(ownerUrl as string, 'freehold', declare(features))
  process.env[TEST_DATABASE] = JSON.stringify({ adminUrl, ownerUrl, tenantUrl, systemUrl })
}

export async function globalTeardown(): Promise<void> {
  await provisioned.stop()
}
