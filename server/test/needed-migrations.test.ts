import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { features } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import { migrateDatabase } from '../src/platform/schema/provision.ts'
import { inspectMigrations, requiredMigrations } from '../src/platform/migrations/required-migrations.ts'
import { createOwnDatabase } from './own-database.ts'
import type { OwnDatabase } from './own-database.ts'
import { launchService, request, startServiceProcess, waitUntil } from './programs/service-process.ts'
import { TEST_SECRET } from './test-database.ts'

// Without the migrations that a version needs, nothing is served and nothing is ready. The running service has only the
// two restricted logins, so they must suffice.

const program = fileURLToPath(new URL('../bin/freehold.js', import.meta.url))

const restricted = ({ tenantUrl, systemUrl }: OwnDatabase) => ({
  ENVIRONMENT: 'production',
  DATABASE_TENANT_URL: tenantUrl,
  DATABASE_SYSTEM_URL: systemUrl,
  PUBLIC_URL: 'https://api.example.com',
  EMAIL_VERIFICATION: 'optional',
  HOST: '127.0.0.1',
  RUN_JOBS: 'false',
})

/** A command of the real program, with nothing else in its environment. */
const run = (args: string[], env: Record<string, string>) =>
  spawnSync(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'], SECRET_KEY: TEST_SECRET, ...env },
    cwd: '/',
    encoding: 'utf8',
    timeout: 180_000,
  })

const last = requiredMigrations(features)[0]!.migrations.at(-1)!.name

async function asOwner<T>(database: OwnDatabase, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

// Red when: health.ts checks only whether the database answers, or open-database.ts does not compare migrations.
test('a rollback under a running service is reported at once, refused at the next start, and remedied by apply', async t => {
  const database = await createOwnDatabase()
  const env = restricted(database)
  const service = await startServiceProcess(env)
  t.after(() => service.end('SIGKILL'))
  const ask = async (path: string) => {
    const { status, body } = await request(service.url, 'GET', path)
    return [status, body.code ?? body.status]
  }
  assert.deepEqual(await ask('/ready'), [200, 'ready'])
  assert.match(run(['doctor'], env).stdout, /^ok {4}migrations$/m)

  const owner = { DATABASE_URL: database.ownerUrl }
  const rolledBack = run(['migrate', 'rollback', '--allow-data-loss'], { ...env, ...owner })
  assert.equal(rolledBack.status, 0, rolledBack.stderr)
  assert.deepEqual(await ask('/ready'), [503, 'database-outdated'])
  assert.deepEqual(await ask('/health'), [503, 'unhealthy'])
  const told = run(['doctor'], env)
  assert.equal(told.status, 1)
  assert.match(told.stdout, new RegExp(`^FAULT migrations\\n.*${last} is pending.*freehold migrate apply`, 'm'))

  for (const command of ['start', 'worker']) {
    const refused = run([command], { ...env, PORT: '0' })
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, new RegExp(`nothing is served:\\n- ${last} is pending.*freehold migrate apply`))
  }
  assert.match(run(['keys', 'list'], env).stderr, new RegExp(`${last} is pending`))

  await migrateDatabase(database.ownerUrl, database.schema, declare(features))
  await waitUntil(async () => (await ask('/ready'))[0] === 200)
})

// Red when: an empty table of migrations counts as up to date, or the tenant login may not read it.
test('either login alone detects missing, changed and newer migrations, and a database without any', async () => {
  const database = await createOwnDatabase()
  const required = requiredMigrations(features)
  const pools = [database.database.tenant.pool, database.database.system.pool]
  const seen = async () => {
    const states = await Promise.all(pools.map(pool => inspectMigrations(pool, database.schema, required)))
    assert.deepEqual(states[0], states[1], 'both logins see the same state')
    return states[0]!
  }
  assert.deepEqual(await seen(), { missing: [], newer: [] })
  const change = (sql: string) => asOwner(database, client => client.query(sql))

  await change(`insert into freehold.migrations (number, name, checksum) values (9999, '9999_later', 'x')`)
  const { missing, newer } = await seen()
  assert.deepEqual(missing, [])
  assert.match(newer.join(), /^9999_later was applied by a newer version: run that version, or roll it back with it$/)

  await change(`update freehold.migrations set checksum = 'x' where name = '${last}'`)
  assert.match(
    (await seen()).missing.join(),
    new RegExp(`^${last} is not the file that was applied: restore the file$`),
  )
  await change(`delete from freehold.migrations where name = '${last}'`)
  assert.match((await seen()).missing.join(), new RegExp(`^${last} is pending.*freehold migrate apply`))
  await change('truncate freehold.migrations')
  assert.match((await seen()).missing.join(), /^no migration has been applied: run `freehold migrate apply`$/)
  await change('drop table freehold.migrations')
  assert.match((await seen()).missing.join(), /^no migration has been applied: run `freehold migrate apply`$/)
})

// Red when: main.ts ignores --migrate if there is no owner's URL.
test('start --migrate without the owner’s URL says which variable is missing', async () => {
  const database = await createOwnDatabase()
  const refused = run(['start', '--migrate'], { ...restricted(database), PORT: '0' })
  assert.equal(refused.status, 1)
  assert.match(
    refused.stderr,
    /^freehold start: DATABASE_URL is not set, and --migrate applies migrations as the owner: set it/,
  )
})

// Red when: open-database.ts refuses newer migrations: no old process could be restarted during an upgrade.
test('a database with migrations of a newer version is served, with a warning', async t => {
  const database = await createOwnDatabase()
  await asOwner(database, client =>
    client.query(`insert into freehold.migrations (number, name, checksum) values (9999, '9999_later', 'x')`),
  )
  const service = await launchService(restricted(database))
  t.after(() => service.end('SIGKILL'))
  await waitUntil(() => service.output().includes('listens on') || !service.isRunning())
  assert.match(service.output(), /"level":40.*9999_later was applied by a newer version/)
  assert.equal((await request(service.url, 'GET', '/ready')).status, 200)
})
