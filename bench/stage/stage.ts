import { randomUUID } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hash } from '@node-rs/argon2'
import pg from 'pg'
import { features } from '../../server/src/features.ts'
import { declare } from '../../server/src/platform/declarations.ts'
import { loadSigningKeys } from '../../server/src/platform/gate/signing-keys.ts'
import { createAccessTokens } from '../../server/src/platform/gate/access-tokens.ts'
import { openDatabase } from '../../server/src/platform/database/database.ts'
import { systemFor } from '../../server/src/platform/database/runners.ts'
import { migrateDatabase, provisionDatabase } from '../../server/src/platform/schema/provision.ts'
import { ensureRoles, loginNames, loginPassword } from '../../server/src/platform/schema/logins.ts'
import { SERVICE, startServer } from './processes.ts'
import type { ServerProcess } from './processes.ts'

export const SECRET = 'jL4vT0q8Wn2zYc6RbXe1Hs9KmPf3Ud7G'
export const ISSUER = 'http://127.0.0.1:8000'
/** Connections of the service; the tenant login gets three quarters of them, and so do the controls. */
export const POOL_SIZE = 20
export const TENANT_POOL_SIZE = 15
export const SYSTEM_POOL_SIZE = 5
export const PASSWORD = 'Correct-horse-7'

/** A database with tenants in it. */
export interface Stage {
  /** The URL of a superuser, to whom no policy applies, with the schema on its search path. */
  adminUrl: string
  tenantUrl: string
  /** Owners of different organizations, chosen at random. */
  owners: readonly Owner[]
  /** The environment for a server process. */
  environment: Record<string, string>
}

export interface Owner {
  email: string
  user_id: string
  session_id: string
  organization_id: string
  authorization: string
}

export interface BenchEnvironment {
  /** The postmaster, for its CPU time. */
  postgresPid: number
  version: string
  /** The database of that name with that many organizations, each with 100 projects; created at the first call. */
  stage(name: string, organizations: number): Promise<Stage>
  close(): Promise<void>
}

const PROJECTS_EACH = 100
const MAX_OWNERS = 2000

/** Starts a separate embedded PostgreSQL, in a directory that `close` removes. */
export async function startBenchEnvironment(): Promise<BenchEnvironment> {
  const directory = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
  await chmod(directory, 0o711) // PostgreSQL may run as another user than this one
  const provisioned = await provisionDatabase({
    url: undefined,
    schema: 'freehold',
    tenantUrl: undefined,
    systemUrl: undefined,
    dataDir: directory,
    secretKey: SECRET,
    maxConnections: 200,
    log: (level, message) => {
      if (level !== 'info') console.error(message)
    },
  })
  const adminUrl = provisioned.adminUrl!
  const { version } = (
    await ask<{ version: string }>(adminUrl, "select current_setting('server_version') as version")
  )[0]!
  const [{ directory: data } = { directory: '' }] = await ask<{ directory: string }>(
    adminUrl,
    "select current_setting('data_directory') as directory",
  )
  const postgresPid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0])

  const raise = async (name: string, organizations: number): Promise<Stage> => {
    await ask(adminUrl, `create database ${name} owner freehold`)
    const passwords = {
      tenant: loginPassword(SECRET, loginNames(name).tenant),
      system: loginPassword(SECRET, loginNames(name).system),
    }
    const admin = new pg.Client(named(adminUrl, name))
    await admin.connect()
    await ensureRoles(admin, { database: name, schema: 'freehold', owner: 'freehold', passwords })
    const ownerUrl = named(provisioned.ownerUrl!, name)
    await migrateDatabase(ownerUrl, 'freehold', declare(features))
    await admin.query('set search_path = freehold')
    await seed(admin, organizations)
    const chosen = await admin.query<Omit<Owner, 'authorization'>>(
      `select u.email, u.id as user_id, s.id as session_id, s.organization_id from sessions s join users u on u.id = s.user_id order by random() limit ${MAX_OWNERS}`,
    )
    await admin.end()
    const tenantUrl = named(ownerUrl, name, loginNames(name).tenant, passwords.tenant)
    const systemUrl = named(ownerUrl, name, loginNames(name).system, passwords.system)
    return {
      adminUrl: `${named(adminUrl, name)}?options=-c%20search_path%3Dfreehold%20-c%20jit%3Doff`,
      tenantUrl,
      owners: await signIn(chosen.rows, tenantUrl, systemUrl),
      environment: {
        ENVIRONMENT: 'production',
        PUBLIC_URL: ISSUER,
        SECRET_KEY: SECRET,
        HOST: '127.0.0.1',
        DATABASE_TENANT_URL: tenantUrl,
        DATABASE_SYSTEM_URL: systemUrl,
        DATABASE_POOL_SIZE: String(POOL_SIZE),
        EMAIL_VERIFICATION: 'optional',
        RATE_LIMIT_ENABLED: 'false',
        LOG_LEVEL: 'info',
        LOG_FILE: '/dev/null',
      },
    }
  }

  const stages = new Map<string, Promise<Stage>>()
  return {
    postgresPid,
    version,
    stage: (name, organizations) => {
      const stage = stages.get(name) ?? raise(name, organizations)
      stages.set(name, stage)
      return stage
    },
    close: async () => {
      await provisioned.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Starts the service on that database, as in production. */
export const startService = ({ environment }: Stage, nodeOptions: readonly string[] = []): Promise<ServerProcess> =>
  startServer(SERVICE, ['start'], environment, '/ready', nodeOptions)

async function ask<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}

function named(url: string, database: string, user?: string, password?: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  if (user !== undefined) [changed.username, changed.password] = [user, encodeURIComponent(password ?? '')]
  return changed.href
}

/**
 * Creates organizations with a signed-in owner and 100 projects each, without triggers. Projects of organizations
 * alternate, as if many users had written at once, so that the rows of one list are spread over the table.
 */
async function seed(admin: pg.Client, organizations: number): Promise<void> {
  const password = await hash(PASSWORD, { memoryCost: 19456, timeCost: 2, parallelism: 1 })
  await admin.query(`set session_replication_role = replica`)
  await admin.query(
    `create table bench_people as select n, uuidv7() as user_id, uuidv7() as organization_id from generate_series(1, ${organizations}) n`,
  )
  await admin.query(
    `insert into users (id, email, password_hash, full_name, last_organization_id) select user_id, 'owner-' || n || '@example.com', '${password}', 'Owner ' || n, organization_id from bench_people`,
  )
  await admin.query(
    `insert into organizations (id, name, slug) select organization_id, 'Organization ' || n, 'organization-' || n from bench_people`,
  )
  await admin.query(
    `insert into memberships (organization_id, user_id, role) select organization_id, user_id, 'owner' from bench_people`,
  )
  await admin.query(
    `insert into sessions (user_id, organization_id, expires_at, ip, user_agent) select user_id, organization_id, now() + interval '1 day', '127.0.0.1', 'bench' from bench_people`,
  )
  await admin.query(`
    insert into projects (organization_id, id, name, slug, description, created_by)
    select organization_id, uuidv7(), 'Project ' || p, 'project-' || p, 'What project ' || p || ' of organization ' || n || ' is for', user_id
    from generate_series(1, ${PROJECTS_EACH}) p, bench_people`)
  await admin.query(`drop table bench_people`)
  await admin.query(`set session_replication_role = origin`)
  await admin.query(`vacuum (analyze)`)
  await admin.query(`checkpoint`)
}

/** Access tokens as the service itself would issue them. */
async function signIn(
  people: readonly Omit<Owner, 'authorization'>[],
  tenantUrl: string,
  systemUrl: string,
): Promise<Owner[]> {
  const accessTokenSeconds = 86_400
  const database = openDatabase({
    tenantUrl,
    systemUrl,
    poolSize: 2,
    poolTimeoutSeconds: 10,
    connectionMaxAgeSeconds: 0,
    pooler: 'none',
    onError: () => {},
  })
  const tokens = createAccessTokens({ issuer: ISSUER, accessTokenSeconds })
  tokens.useKeys(await loadSigningKeys(systemFor(database, 'bench'), SECRET, 'EdDSA'))
  await database.close()
  const auth_time = Math.floor(Date.now() / 1000)
  return people.map(person => {
    const { user_id, organization_id, session_id, email } = person
    const token = tokens.sign({
      sub: user_id,
      sid: session_id,
      jti: randomUUID(),
      auth_time,
      email,
      user_id,
      organization_id,
      tenant_id: organization_id,
      role: 'owner',
    })
    return { ...person, authorization: `Bearer ${token}` }
  })
}
