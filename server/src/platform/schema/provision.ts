import pg from 'pg'
import { startEmbeddedPostgres } from '../embedded/embedded-postgres.ts'
import type { Declarations } from '../declarations.ts'
import { migrateJobs } from '../jobs/jobs.ts'
import { writeDeclaredRows } from './declared-rows.ts'
import { applyFeatureMigrations } from '../migrations/feature-migrations.ts'
import { applyMigrations } from '../migrations/migrations.ts'
import { connectToDatabase } from '../migrations/schema-script.ts'
import { ensureRoles, loginNames, loginPassword } from './logins.ts'
import { readDigest } from './inspection.ts'

export interface ProvisionOptions {
  /** The owner's URL; undefined starts the embedded PostgreSQL. */
  url: string | undefined
  schema: string
  tenantUrl: string | undefined
  systemUrl: string | undefined
  dataDir: string
  secretKey: string
  /** Whether to create logins that are not configured, as in development. */
  makesLogins?: boolean
  /** Of the embedded PostgreSQL; default 100. */
  maxConnections?: number
  /** The embedded PostgreSQL to use, as in EMBEDDED_POSTGRES: `system`, `bundled` (the default) or a folder. */
  programs?: string
  log: (level: 'info' | 'warn' | 'error', message: string) => void
}

/** A PostgreSQL that is ready, with the URLs of its logins. */
export interface Provisioned {
  ownerUrl: string | undefined
  /** May create databases; only the embedded one has it. */
  adminUrl: string | undefined
  tenantUrl: string
  systemUrl: string
  /** Stops the embedded PostgreSQL, if this process supervises it. */
  stop(): Promise<void>
}

/** The embedded cluster's database and its owner. The owner is not a superuser, so that policies apply to it too. */
const EMBEDDED = 'freehold'

/** Finds the configured database or starts the embedded one, and creates the restricted logins if permitted. */
export async function provisionDatabase(options: ProvisionOptions): Promise<Provisioned> {
  const { url, schema, tenantUrl, systemUrl, dataDir, secretKey, makesLogins = true } = options
  const { maxConnections, programs, log } = options
  if (url !== undefined || tenantUrl !== undefined || systemUrl !== undefined) {
    const isMissing = tenantUrl === undefined || systemUrl === undefined
    const derived =
      url !== undefined && isMissing && makesLogins ? await deriveLogins(url, schema, secretKey) : undefined
    return {
      ownerUrl: url,
      adminUrl: undefined,
      // Empty if the command does not use it.
      tenantUrl: tenantUrl ?? derived?.tenant ?? '',
      systemUrl: systemUrl ?? derived?.system ?? '',
      stop: async () => {},
    }
  }

  const postgres = await startEmbeddedPostgres({
    dataDir,
    log,
    ...(maxConnections !== undefined && { maxConnections }),
    ...(programs !== undefined && { programs }),
  })
  try {
    const ownerUrl = await makeEmbeddedDatabase(postgres.url, secretKey)
    const logins = await deriveLogins(ownerUrl, schema, secretKey, postgres.url)
    return {
      ownerUrl,
      adminUrl: postgres.url,
      tenantUrl: logins.tenant,
      systemUrl: logins.system,
      stop: () => postgres.stop(),
    }
  } catch (error) {
    await postgres.stop()
    throw error
  }
}

/** As the owner, applies pending migrations (the service's, then features'), writes declared rows, stores a digest. */
export async function migrateDatabase(
  ownerUrl: string,
  schema: string,
  declared: Pick<Declarations, 'features' | 'jobs' | 'permissions' | 'supportPermissions'>,
  log?: (message: string) => void,
): Promise<string[]> {
  const client = await connectToDatabase(ownerUrl)
  try {
    // The migrations call the job queue, so it comes first.
    await migrateJobs(client, schema, declared.jobs)
    const options = { schema, digest: readDigest, ...(log && { log }) }
    const applied = await applyMigrations(client, options)
    applied.push(...(await applyFeatureMigrations(client, declared.features, options)))
    await writeDeclaredRows(client, schema, declared)
    return applied
  } finally {
    await client.end()
  }
}

async function makeEmbeddedDatabase(adminUrl: string, secretKey: string): Promise<string> {
  const password = loginPassword(secretKey, EMBEDDED)
  const client = await connectToDatabase(adminUrl)
  try {
    await client.query(`select pg_advisory_lock(hashtext('freehold'), hashtext('database'))`)
    const { rows } = await client.query(
      `select exists (select from pg_roles where rolname = $1) as role, exists (select from pg_database where datname = $1) as database`,
      [EMBEDDED],
    )
    if (!rows[0].role) await client.query(`create role ${EMBEDDED} login createrole`)
    await client.query(`alter role ${EMBEDDED} password ${pg.escapeLiteral(password)}`)
    if (!rows[0].database) await client.query(`create database ${EMBEDDED} owner ${EMBEDDED}`)
    // By default every login may connect to these; the restricted ones do not need to.
    await client.query('revoke connect, temporary on database postgres, template1 from public')
  } finally {
    await client.end()
  }
  return withLogin(adminUrl, EMBEDDED, password, EMBEDDED)
}

/** Creates the two logins and returns their URLs, on the same host and database. */
async function deriveLogins(
  ownerUrl: string,
  schema: string,
  secretKey: string,
  adminUrl?: string,
): Promise<{ tenant: string; system: string }> {
  const database = decodeURIComponent(new URL(ownerUrl).pathname.slice(1))
  const names = loginNames(database)
  const passwords = { tenant: loginPassword(secretKey, names.tenant), system: loginPassword(secretKey, names.system) }
  const client = await connectToDatabase(adminUrl === undefined ? ownerUrl : onDatabase(adminUrl, database))
  try {
    const owner = decodeURIComponent(new URL(ownerUrl).username)
    await ensureRoles(client, { database, schema, owner, passwords })
  } finally {
    await client.end()
  }
  return {
    tenant: withLogin(ownerUrl, names.tenant, passwords.tenant),
    system: withLogin(ownerUrl, names.system, passwords.system),
  }
}

function onDatabase(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${encodeURIComponent(database)}`
  return changed.href
}

function withLogin(url: string, user: string, password: string, database?: string): string {
  const changed = new URL(database === undefined ? url : onDatabase(url, database))
  changed.username = encodeURIComponent(user)
  changed.password = encodeURIComponent(password)
  return changed.href
}
