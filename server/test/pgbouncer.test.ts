import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openDatabase } from '../src/platform/database/database.ts'
import { pgbouncerProgram, startPgbouncer } from './programs/pgbouncer.ts'
import { RUNS } from './concurrency/sample.ts'
import { createTestApp } from './test-app.ts'
import { testDatabase } from './test-database.ts'
import { makeTenants, readLeftSettings, runTenantLoad } from './concurrency/tenant-load.ts'

/** A connection that is shared wrongly shows within a few hundred. */
const REQUESTS = RUNS > 1 ? 20_001 : 3_000
const skip = pgbouncerProgram === undefined && 'PgBouncer is not installed'

// Red when: as in leaks.test.ts; when platform/database/database.ts prepares statements in spite of
// DATABASE_POOLER=transaction.
test(
  'nothing leaks behind PgBouncer either, where clients share connections transaction by transaction',
  { skip },
  async t => {
    const { tenantUrl, systemUrl } = testDatabase()
    const bouncer = await startPgbouncer([tenantUrl, systemUrl], 5)
    const app = await createTestApp()
    const database = openDatabase({
      tenantUrl: bouncer.through(tenantUrl),
      systemUrl: bouncer.through(systemUrl),
      poolSize: 21,
      poolTimeoutSeconds: 30,
      connectionMaxAgeSeconds: 0,
      pooler: 'transaction',
      onError: error => assert.fail(error),
    })
    t.after(async () => {
      await database.close()
      await bouncer.stop()
    })
    const tenants = await makeTenants(app, 8)

    const report = await runTenantLoad(database, tenants, REQUESTS)
    t.diagnostic(
      `${report.requests} requests of ${database.tenant.pool.totalCount} clients on 5 connections, ${report.rows} rows checked`,
    )
    t.diagnostic(`errors: ${JSON.stringify(report.errors)}`)
    assert.deepEqual(report.faults.slice(0, 5), [])
    assert.equal(database.tenant.pool.totalCount, 16)
    assert.ok(report.rows > report.requests / 2)

    const left = await readLeftSettings(database.tenant.pool, 5)
    assert.equal(left.size, 5)
    for (const [pid, settings] of left) assert.deepEqual(settings, ['', '', '', ''], `connection ${pid}`)
  },
)

// Red when: platform/database/database.ts names the statements of a transaction behind a pooler.
test('the whole service works behind PgBouncer', { skip }, async () => {
  const { tenantUrl, systemUrl } = testDatabase()
  const bouncer = await startPgbouncer([tenantUrl, systemUrl], 3)
  const { signUp, addMember } = await createTestApp({
    DATABASE_TENANT_URL: bouncer.through(tenantUrl),
    DATABASE_SYSTEM_URL: bouncer.through(systemUrl),
    DATABASE_POOLER: 'transaction',
  })
  after(() => bouncer.stop()) // after the app's own
  const owner = await signUp('Pooled')
  const viewer = await addMember(owner, 'viewer')
  const created = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      owner.call('POST', '/api/v1/projects', { name: 'Same' }, { 'idempotency-key': `pooled-${n}` }),
    ),
  )
  assert.deepEqual(new Set(created.map(({ status }) => status)), new Set([201]))
  assert.equal((await viewer.call('GET', '/api/v1/projects?limit=100&include_total=true')).body.total, 20)
  assert.equal((await viewer.call('POST', '/api/v1/projects', { name: 'Mine' })).status, 403)
})
