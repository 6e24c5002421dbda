import { statfs } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { loadSigningKeys } from '../../platform/gate/signing-keys.ts'
import type { Config } from '../../config/config.ts'
import { features } from '../../features.ts'
import { seededPasswordsFault } from '../../operations/seed/seeded-passwords.ts'
import { openDatabase } from '../../platform/database/database.ts'
import { systemFor } from '../../platform/database/runners.ts'
import type { Database } from '../../platform/database/database.ts'
import { countJobs } from '../../platform/jobs/dead-jobs.ts'
import { checkConnection } from '../../platform/connections/connection-faults.ts'
import { inspectSettings, readServerVersion, variableOf } from '../../platform/schema/open-database.ts'
import { deriveKey } from '../../platform/crypto/sealing.ts'
import { createRedis } from '../../platform/redis/redis.ts'
import { createMailer } from '../../platform/mail/transport.ts'
import { listAge, postgresFault, runtimeFault } from '../../platform/fixed-versions.ts'
import { loginNames, loginPassword, rolesSql } from '../../platform/schema/logins.ts'
import { inspectMigrations, requiredMigrations } from '../../platform/migrations/required-migrations.ts'
import { declare } from '../../platform/declarations.ts'
import { inspectDeclaredRows } from '../../platform/schema/declared-rows.ts'
import { inspectSchema } from '../../platform/schema/inspection.ts'
import type { Findings } from './production-settings.ts'
import { withProvision } from '../../platform/schema/with-database.ts'

/** Returns the faults, each with its fix. */
type Check = () => string[] | Promise<string[]>

/** The findings of a check; if it cannot be made, that is its fault. */
async function attempt(check: () => Findings | Promise<Findings>): Promise<Findings> {
  try {
    return await check()
  } catch (error) {
    return { faults: [error instanceof Error ? error.message : String(error)] }
  }
}

/** Prints the result of a check. @returns whether it has no faults */
function report(name: string, { faults = [], notes = [] }: Findings): boolean {
  console.log(`${faults.length > 0 ? 'FAULT' : notes.length > 0 ? 'note ' : 'ok   '} ${name}`)
  for (const words of faults) console.log(`      - ${words}`)
  for (const words of notes) console.log(`      - ${faults.length > 0 ? 'note: ' : ''}${words}`)
  return faults.length === 0
}

/**
 * `freehold doctor`: checks everything that the service depends on; with `--production` also what a deployment needs.
 * @returns 0 if there are no faults, else 1
 */
export async function doctor(args: string[], config: Config): Promise<number> {
  const { values } = parseArgs({ args, options: { roles: { type: 'boolean' }, production: { type: 'boolean' } } })
  if (values.roles) {
    console.log(rolesOf(config))
    return 0
  }
  return withProvision(config, async ({ tenantUrl, systemUrl }) => {
    const database = openDatabase({ ...config.database, poolSize: 2, tenantUrl, systemUrl, onError: () => {} })
    // In development these are advice; elsewhere they are faults.
    const isAdvice = config.environment === 'development' && values.production !== true
    const declared = declare(features)
    const checks: [name: string, check: Check, isAdvice?: boolean][] = [
      ['runtime', () => listOf(runtimeFault()), isAdvice],
      ['connection', () => checkLogins(config, database, { tenantUrl, systemUrl })],
      ['server version', async () => listOf(postgresFault(await readServerVersion(database))), isAdvice],
      ['known fixes', () => listOf(listAge()), true],
      ['migrations', () => checkMigrations(config, database)],
      [
        'roles, grants and policies',
        async () => {
          const faults = await inspectSchema(database.tenant.pool, database.system.pool, config.database.schema)
          return faults.length > 0 ? faults : inspectDeclaredRows(database.system.pool, declared)
        },
      ],
      ['signing keys', () => checkKeys(config, database)],
      ['seed data', async () => listOf(await seededPasswordsFault(systemFor(database, 'doctor'))), isAdvice],
      ['jobs', () => checkJobs(config, database)],
      ['email', () => checkMail(config), isAdvice],
      ['pool', () => checkPool(config, database)],
      ['redis', () => checkRedis(config)],
      ['clock', () => checkClock(database)],
      ['disk', () => checkDisk(config)],
      ['files with secrets', async () => [...config.exposedFiles]],
    ]
    let healthy = true
    for (const [name, check, isOnlyAdvice = false] of checks) {
      const { faults = [] } = await attempt(async () => ({ faults: await check() }))
      healthy = report(name, isOnlyAdvice ? { notes: faults } : { faults }) && healthy
    }
    if (values.production) {
      const { productionChecks } = await import('./production.ts')
      for (const [name, check] of productionChecks) {
        const found = await attempt(() => check({ config, database, declared, urls: { tenantUrl, systemUrl } }))
        healthy = report(name, found) && healthy
      }
    }
    await database.close()
    return healthy ? 0 : 1
  })
}

/** The SQL that creates the logins of the configured database, with the passwords derived from this SECRET_KEY. */
function rolesOf({ database, secretKey }: Config): string {
  const ownerUrl = new URL(database.url ?? 'postgres://freehold@localhost/freehold')
  const { pathname, username } = ownerUrl
  const name = decodeURIComponent(pathname.slice(1))
  const names = loginNames(name)
  const passwords = { tenant: loginPassword(secretKey, names.tenant), system: loginPassword(secretKey, names.system) }
  const owner = decodeURIComponent(username)
  const urlOf = (login: string, password: string) =>
    Object.assign(new URL(ownerUrl), { username: login, password }).href
  return `-- Run as an administrator of the cluster, in database ${name}. Then set:
-- DATABASE_TENANT_URL=${urlOf(names.tenant, passwords.tenant)}
-- DATABASE_SYSTEM_URL=${urlOf(names.system, passwords.system)}
${rolesSql({ database: name, schema: database.schema, owner, passwords })}`
}

const listOf = (fault: string | undefined): string[] => (fault === undefined ? [] : [fault])

/** Checks both logins and their settings. */
async function checkLogins(
  config: Config,
  database: Database,
  urls: Record<'tenantUrl' | 'systemUrl', string>,
): Promise<string[]> {
  for (const login of ['tenant', 'system'] as const)
    await checkConnection(database[login].pool, { variable: variableOf(config, login), url: urls[`${login}Url`] })
  return inspectSettings(database, config)
}

/** Checks as the restricted logins, because the running service has no other. */
async function checkMigrations({ database: { schema } }: Config, { tenant, system }: Database): Promise<string[]> {
  const required = requiredMigrations(features)
  for (const { pool } of [system, tenant]) {
    const { missing, newer } = await inspectMigrations(pool, schema, required)
    if (missing.length + newer.length > 0) return [...missing, ...newer]
  }
  return []
}

async function checkKeys(config: Config, database: Database): Promise<string[]> {
  await loadSigningKeys(systemFor(database, 'doctor'), config.secretKey, config.jwtAlgorithm)
  return []
}

async function checkJobs(config: Config, { system }: Database): Promise<string[]> {
  const counts = await countJobs(system.pool, config.database.schema)
  const dead = counts.find(({ queue }) => queue === 'dead')?.waiting ?? 0
  const late = counts.filter(({ queue, late }) => queue !== 'dead' && late > 0)
  return [
    ...late.map(
      ({ queue, late, waiting }) =>
        `${late} of ${waiting} jobs of the queue ${queue} should have been done half an hour ago: start a service with RUN_JOBS=true or \`freehold worker\``,
    ),
    ...(dead > 0
      ? [
          `${dead} ${dead === 1 ? 'job has' : 'jobs have'} failed for good: \`freehold jobs dead\` shows why, \`freehold jobs retry --all\` tries them again`,
        ]
      : []),
  ]
}

/** Asks the mail server whether it would take an email, without sending one. */
async function checkMail(config: Config): Promise<string[]> {
  const mailer = createMailer(config, { timeoutMs: 5000 })
  if (mailer === undefined) return []
  try {
    await mailer.check()
    return []
  } finally {
    mailer.close()
  }
}

async function checkPool({ database: { poolSize, pooler } }: Config, { system }: Database): Promise<string[]> {
  const { rows } = await system.pool.query<{ free: number; most: number }>(`
    select current_setting('max_connections')::int as most,
      current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as free`)
  const { free = 0, most = 0 } = rows[0] ?? {}
  return pooler === 'none' && free < poolSize
    ? [
        `the server has ${free} of ${most} connections left, and one process takes up to ${poolSize}: lower DATABASE_POOL_SIZE, raise max_connections, or put a pooler in front of it (DATABASE_POOLER=transaction)`,
      ]
    : []
}

/** Connects as the service does. Without a Redis there is nothing to check. */
async function checkRedis({ redisUrl, redisTimeoutMs: timeoutMs, secretKey }: Config): Promise<string[]> {
  if (redisUrl === undefined) return []
  const quiet = { warn: () => {}, info: () => {} }
  const redis = createRedis({ url: redisUrl, timeoutMs, secret: deriveKey(secretKey, 'redis'), log: quiet })
  try {
    await redis.open()
    const state = redis.state()
    return state.state === 'unavailable' ? [state.reason] : []
  } finally {
    redis.close()
  }
}

/** Tokens are dated by this machine and sessions by the database, so their clocks must agree. */
async function checkClock({ system }: Database): Promise<string[]> {
  const before = Date.now()
  const { rows } = await system.pool.query<{ now: number }>(
    'select extract(epoch from clock_timestamp())::float8 * 1000 as now',
  )
  const skew = Math.round(((rows[0]?.now ?? 0) - (before + Date.now()) / 2) / 1000)
  return Math.abs(skew) > 5
    ? [`the database's clock differs from this machine's by ${skew} s: synchronize both (NTP)`]
    : []
}

async function checkDisk({ database, dataDir }: Config): Promise<string[]> {
  if (database.url !== undefined || database.tenantUrl !== undefined) return []
  const { bavail, bsize } = await statfs(dataDir)
  const free = (bavail * bsize) / 2 ** 30
  return free < 1
    ? [`${free.toFixed(2)} GiB are free on the disk of ${dataDir}: free some space, or set DATA_DIR to another disk`]
    : []
}
