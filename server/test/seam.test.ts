import assert from 'node:assert/strict'
import { test } from 'node:test'
import { features } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import { inspectDeclaredRows } from '../src/platform/schema/declared-rows.ts'
import { ledgerOf } from '../src/platform/migrations/feature-migrations.ts'
import { inspectSchema } from '../src/platform/schema/inspection.ts'
import { migrateDatabase } from '../src/platform/schema/provision.ts'
import { remarks } from './fixtures/remarks-feature/feature.ts'
import { inspectTables } from './isolation/guarded-tables.ts'
import { createAttack } from './isolation/attack.ts'
import { createOwnDatabase } from './own-database.ts'
import { createRoleMatrix } from './isolation/role-matrix.ts'
import { createTestApp } from './test-app.ts'

// How products add features: a feature outside server/src, with its own migrations, is served, documented, isolated and
// attacked like those of the service. Only the list that the app is made of names it.

const own = await createOwnDatabase()
const { admin, database, schema, ownerUrl } = own
const withRemarks = [...features, remarks]
const declared = declare(withRemarks)

/** The names of the applied migrations in a table, in order. */
const readLedger = async (ledger: string): Promise<string[]> => {
  const { rows } = await admin.query<{ name: string }>(`select name from ${ledger} order by number`)
  return rows.map(({ name }) => name)
}

const before = await readLedger('migrations')
const applied = await migrateDatabase(ownerUrl, schema, declared)
const app = await createTestApp(
  {
    DATABASE_URL: own.ownerUrl,
    DATABASE_TENANT_URL: own.tenantUrl,
    DATABASE_SYSTEM_URL: own.systemUrl,
  },
  withRemarks,
)
// The attack and the matrix are those of the service, and do not know remarks.
const { operations, reach, attack, readLists } = await createAttack(app)
const { check } = await createRoleMatrix(app)
const ofRemarks = operations.filter(({ path }) => path.startsWith('/api/v1/remarks'))

// Red when: provision.ts leaves the features' migrations out, or migrations.ts keeps one table of migrations for all.
test('a product’s feature has its own migrations, which run after the service’s and are numbered separately', async () => {
  assert.deepEqual(applied, ['remarks/0001_remarks'])
  assert.deepEqual(await migrateDatabase(ownerUrl, schema, declared), [], 'they run once')
  assert.equal(ledgerOf(remarks), 'migrations_remarks')
  assert.deepEqual(await readLedger('migrations_remarks'), ['0001_remarks'])
  assert.deepEqual(
    await readLedger('migrations'),
    before,
    'the service’s own table of migrations contains none of them',
  )
})

// Red when: storeDigest in migrations.ts writes into the feature's table, or the inspection counts these tables.
test('the schema with the feature passes the inspection at the start, and the roles have its permissions', async () => {
  assert.deepEqual(await inspectSchema(database.tenant.pool, database.system.pool, schema), [])
  assert.deepEqual(await inspectDeclaredRows(database.system.pool, declared), [])
  assert.deepEqual(await inspectTables(admin), [])
  const { rows } = await admin.query<{ role: string }>(
    `select role from role_permissions where permission = 'remarks:write' order by role`,
  )
  assert.deepEqual(
    rows.map(({ role }) => role),
    ['admin', 'member', 'owner'],
  )
})

// Red when: isLedger in inspection.ts checks only the name.
test('a table that only has the name of a table of migrations does not escape the inspection', async () => {
  await admin.query('create table migrations_of_birds (organization_id uuid, name text)')
  try {
    const [fault = ''] = await inspectSchema(database.tenant.pool, database.system.pool, schema)
    assert.match(fault, /table migrations_of_birds has no row-level security/)
    assert.match((await inspectTables(admin)).join('\n'), /migrations_of_birds escapes organization_table\(\)/)
  } finally {
    await admin.query('drop table migrations_of_birds')
  }
})

test('its six operations work, are documented, support conditions and are in the audit log', async () => {
  const { paths } = (await app.app.openApi()) as { paths: Record<string, Record<string, { tags: string[] }>> }
  const documented = Object.entries(paths).filter(([path]) => path.startsWith('/api/v1/remarks'))
  assert.deepEqual(documented.flatMap(([, operations]) => Object.keys(operations)).sort(), [
    'delete',
    'get',
    'get',
    'patch',
    'post',
    'put',
  ])
  const owner = await app.signUp('Acme')
  const viewer = await app.addMember(owner, 'viewer')
  const project = await owner.call('POST', '/api/v1/projects', { name: 'First' })
  const remark = await owner.call('POST', '/api/v1/remarks', { text: 'Call back.', project_id: project.body.id })
  assert.deepEqual([remark.status, remark.body.pinned, remark.body.created_by], [201, false, owner.user_id])
  const path = `/api/v1/remarks/${remark.body.id}`
  assert.equal(remark.headers['location'], path)
  assert.equal((await viewer.call('GET', path)).body.text, 'Call back.')
  assert.equal((await viewer.call('PATCH', path, { text: 'No.' })).body.code, 'permission-missing')
  const tag = { 'if-match': remark.headers['etag']! }
  assert.equal((await owner.call('PATCH', path, { pinned: true }, tag)).body.pinned, true)
  assert.equal((await owner.call('PATCH', path, { pinned: false }, tag)).body.code, 'entity-tag-stale')
  const replaced = await owner.call('PUT', path, { text: 'Called.' })
  assert.deepEqual([replaced.body.pinned, replaced.body.project_id], [false, null], 'what is left out is reset')
  const missing = await owner.call('PATCH', path, { project_id: owner.user_id })
  assert.deepEqual([missing.status, missing.body.errors[0].pointer], [422, '/project_id'])
  const listed = await owner.call('GET', `/api/v1/remarks?include_total=true`)
  assert.equal(listed.body.total, 1)
  assert.equal((await owner.call('DELETE', path)).status, 204)
  const { body } = await owner.call('GET', `/api/v1/audit-logs?entity_id=${remark.body.id}`)
  assert.deepEqual(
    body.items.map(({ action }: { action: string }) => action),
    ['delete', 'update', 'update', 'insert'],
  )
})

test('a remark of another organization is not found, and none can be added to its projects', async () => {
  const [acme, globex] = [await app.signUp('Acme'), await app.signUp('Globex')]
  const project = await acme.call('POST', '/api/v1/projects', { name: 'Ours' })
  const { body } = await acme.call('POST', '/api/v1/remarks', { text: 'Ours.', project_id: project.body.id })
  for (const method of ['GET', 'DELETE'])
    assert.equal((await globex.call(method, `/api/v1/remarks/${body.id}`)).status, 404)
  assert.deepEqual((await globex.call('GET', '/api/v1/remarks')).body.items, [])
  const beside = await globex.call('POST', '/api/v1/remarks', { text: 'Theirs.', project_id: project.body.id })
  assert.deepEqual([beside.status, beside.body.errors[0].pointer], [422, '/project_id'])
  assert.equal((await acme.call('GET', `/api/v1/remarks/${body.id}`)).status, 200)
})

test('the isolation attack covers its operations without an edit', async () => {
  assert.equal(ofRemarks.length, 6)
  for (const operation of ofRemarks.filter(({ method }) => method === 'GET')) await reach(operation)
  let attacks = 0
  for (const operation of ofRemarks) attacks += await attack(operation)
  assert.ok(attacks > 10, `only ${attacks} attacks were made`)
  assert.ok((await readLists(ofRemarks.find(({ id }) => id === 'listRemarks')!)) > 0)
})

test('the role matrix covers its operations without an edit', async () => {
  for (const operation of ofRemarks) assert.deepEqual(await check(operation), [])
})
