import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '../src/platform/database/database.ts'
import { RUNS } from './concurrency/sample.ts'
import { createTestApp } from './test-app.ts'
import { testDatabase } from './test-database.ts'
import { makeTenants, readLeftSettings, runTenantLoad } from './concurrency/tenant-load.ts'

/** A setting that is left behind shows within a few hundred; a third of them fail. */
const REQUESTS = RUNS > 1 ? 20_001 : 6_000

// Red when: platform/connections/trip-query.ts makes the settings session-wide (`set_config(…, false)`) or leaves one out;
// platform/database/database.ts does not roll back a failed transaction; or `tenant_read` in
// platform/gate/organization-table.sql is `using (true)`.
test('no row and no setting of one tenant reaches another, under load and among errors, and none is left behind', async t => {
  const app = await createTestApp()
  const { tenantUrl, systemUrl } = testDatabase()
  const database = openDatabase({
    tenantUrl,
    systemUrl,
    poolSize: 6,
    poolTimeoutSeconds: 30,
    connectionMaxAgeSeconds: 0,
    pooler: 'none',
    onError: error => assert.fail(error),
  })
  t.after(() => database.close())
  const tenants = await makeTenants(app, 8)

  const report = await runTenantLoad(database, tenants, REQUESTS)
  t.diagnostic(
    `${report.requests} requests on ${database.tenant.pool.totalCount} connections, ${report.rows} rows checked`,
  )
  t.diagnostic(`errors: ${JSON.stringify(report.errors)}`)
  assert.deepEqual(report.faults.slice(0, 5), [])
  assert.equal(database.tenant.pool.totalCount, 5)
  assert.ok(report.rows > report.requests / 2)
  assert.equal(
    Object.values(report.errors).reduce((sum, count) => sum + count),
    REQUESTS / 3,
  )

  const left = await readLeftSettings(database.tenant.pool, 5)
  assert.equal(left.size, 5)
  for (const [pid, settings] of left) assert.deepEqual(settings, ['', '', '', ''], `connection ${pid}`)

  // A failed request wrote nothing, and every row belongs to the tenant that wrote it.
  const { rows } = await app.admin.query(
    `select count(*) filter (where slug like 'lost-%') as lost, count(*) filter (where name <> organization_id::text) as foreign
     from projects where organization_id = any ($1)`,
    [tenants.map(({ organization_id }) => organization_id)],
  )
  assert.deepEqual(rows, [{ lost: 0, foreign: 0 }])
})
