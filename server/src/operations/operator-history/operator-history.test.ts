import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer } from '../../../test/test-app.ts'
import { administered } from './operator-history.ts'

const { admin, database, signUp } = await createTestApp()
const operator = await signUp()
await admin.query('update users set superuser = true where id = $1', [operator.user_id])
const acme = await signUp('Acme')
const globex = await signUp('Globex')
const boat = (await acme.call('POST', '/api/v1/projects', { name: 'Boat' })).body
const ship = (await globex.call('POST', '/api/v1/projects', { name: 'Ship' })).body
await operator.call('POST', `/api/v1/admin/organizations/${acme.organization_id}/suspend`, { reason: 'Unpaid.' })

interface Entry {
  id: string
  organization_id: string
  action: string
  entity_type: string
  entity_id: string
  operation: string
  request_id: string
  changed: string[]
  before: Readonly<Record<string, unknown>> | null
  after: Readonly<Record<string, unknown>> | null
}
/** Since the beginning of this file, so that any filter may be tried. */
const since = `from=${new Date(Date.now() - 3_600_000).toISOString()}`
const audit = (query = '') => operator.call('GET', `/api/v1/admin/audit-logs?${query}`)
const log = (query = '') => operator.call('GET', `/api/v1/admin/operator-log?${query}`)
const itemsOf = ({ status, body, text }: Answer): Entry[] => (assert.equal(status, 200, text), body.items)
const errorOf = ({ status, body }: Answer) => [status, body.errors?.[0].pointer]

// Red when: a filter is ignored, the order is not that of the ids, or a policy hides an organization.
test('operators read the audit logs of all organizations, the newest entry first, with what operators did', async () => {
  const all = itemsOf(await audit('limit=100'))
  const ids = all.map(({ id }) => id)
  assert.deepEqual(ids, ids.toSorted().toReversed())
  for (const { organization_id } of [acme, globex])
    assert.ok(all.some(entry => entry.organization_id === organization_id))
  assert.deepEqual(
    itemsOf(await audit(`organization_id=${acme.organization_id}&actor_id=${operator.user_id}`)).map(
      ({ action, entity_type }) => [action, entity_type],
    ),
    [
      ['operate', 'organizations'],
      ['update', 'organizations'],
    ],
  )
  const [inserted, ...others] = itemsOf(await audit(`${since}&entity_id=${boat.id}`))
  assert.deepEqual([inserted!.organization_id, others], [acme.organization_id, []])
  assert.deepEqual(
    itemsOf(await audit(`${since}&request_id=${inserted!.request_id}`)).map(({ entity_id }) => entity_id),
    [boat.id],
  )
  const projects = itemsOf(await audit(`${since}&entity_type=projects&action=insert`))
  assert.deepEqual(
    projects.map(({ entity_id }) => entity_id),
    [ship.id, boat.id],
  )
  const { created_at } = (await audit(`${since}&entity_id=${ship.id}`)).body.items[0]
  const later = itemsOf(await audit(`from=${created_at}&entity_type=projects`))
  const until = itemsOf(await audit(`${since}&to=${created_at}&entity_type=projects`))
  assert.deepEqual(
    [later, until].map(list => list.map(({ entity_id }) => entity_id)),
    [[ship.id], [boat.id]],
  )

  const pages: string[] = []
  for (let cursor = ''; ;) {
    const page = await audit(`limit=7${cursor}`)
    pages.push(...itemsOf(page).map(({ id }) => id))
    if (page.body.next_cursor === null) break
    cursor = `&cursor=${page.body.next_cursor}`
  }
  assert.deepEqual(pages, ids)
})

// Red when: isAdministered is true for every entry, or names a table of a product.
test('an operator alone reads the values of what operators administer, and of nothing else that an organization keeps', async () => {
  const own = await signUp('Initech')
  const secret = `Merger ${randomUUID()}`
  const { body: project } = await own.call('POST', '/api/v1/projects', { name: secret, description: secret })
  await own.call('PATCH', `/api/v1/projects/${project.id}`, { description: `${secret} 2` })
  await own.call('POST', '/api/v1/workspaces', { name: secret, workspace_path: '/secret' })
  await own.call('POST', '/api/v1/org/companies', { name: secret, code: 'SECRET' })
  await own.call('DELETE', `/api/v1/projects/${project.id}`)
  await own.call('PATCH', `/api/v1/organizations/${own.organization_id}`, { name: 'Initech II' })
  const answer = await audit(`organization_id=${own.organization_id}&limit=100`)
  assert.doesNotMatch(answer.text, /Merger|secret/i)
  const entries = itemsOf(answer)
  const ofProject = entries.filter(({ entity_id }) => entity_id === project.id)
  assert.deepEqual(
    ofProject.map(({ action, changed, before, after }) => [action, changed.includes('description'), before, after]),
    [
      ['delete', true, null, null],
      ['update', true, null, null],
      ['insert', true, null, null],
    ],
  )
  assert.deepEqual(ofProject[1]!.changed, ['description'])
  const shown = await own.call('GET', `/api/v1/audit-logs?entity_id=${project.id}`)
  const renamed = entries.find(({ action, entity_type }) => action === 'update' && entity_type === 'organizations')!
  assert.deepEqual(
    [renamed.before, renamed.after, renamed.changed],
    [{ name: 'Initech' }, { name: 'Initech II' }, ['name']],
  )
  assert.match(shown.text, RegExp(secret), 'its own administrators read all of it')
})

test('what operators administer are tables, and none with the data of a product', async () => {
  const { rows } = await admin.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = current_schema::regnamespace and relkind in ('r', 'p')`,
  )
  const tables = new Set(rows.map(({ name }) => name))
  for (const name of administered) assert.ok(name === 'support' || tables.has(name), name)
  for (const name of ['projects', 'workspaces', 'companies', 'branches', 'departments', 'department_people'])
    assert.ok(tables.has(name) && !(administered as readonly string[]).includes(name), name)
})

test('an organization that does not exist, a bad time and a bad id are problems that name the filter', async () => {
  for (const list of [audit, log]) {
    assert.deepEqual(errorOf(await list(`organization_id=${randomUUID()}`)), [422, '?organization_id'])
    assert.deepEqual(errorOf(await list('organization_id=acme')), [422, '?organization_id'])
    assert.deepEqual(errorOf(await list('from=2016-12-31T23:59:60Z')), [422, '?from'])
    assert.deepEqual(itemsOf(await list('from=2999-01-01T00:00:00Z')), [])
    assert.equal((await list('cursor=x')).body.code, 'invalid-cursor')
  }
  assert.deepEqual(itemsOf(await log(`organization_id=${globex.organization_id}`)), [], 'it exists, without entries')
  // Red when: requireBounds() is left out, or counts the days wrongly.
  for (const filter of ['action=insert', 'entity_type=projects', `entity_id=${boat.id}`, 'request_id=x']) {
    assert.deepEqual(errorOf(await audit(filter)), [422, '?from'], filter)
    assert.deepEqual(errorOf(await audit(`${filter}&from=2016-01-01T00:00:00Z`)), [422, '?from'], 'ten years')
    assert.equal((await audit(`${filter}&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z`)).status, 200)
    assert.deepEqual(errorOf(await audit(`${filter}&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:01Z`)), [
      422,
      '?from',
    ])
    assert.equal((await audit(`${filter}&actor_id=${acme.user_id}`)).status, 200)
    assert.equal((await audit(`${filter}&organization_id=${acme.organization_id}`)).status, 200)
  }
  // A deleted organization keeps its entries; so does one that was erased, which has no row any more.
  await globex.call('DELETE', `/api/v1/organizations/${globex.organization_id}`)
  assert.ok(itemsOf(await audit(`organization_id=${globex.organization_id}`)).length > 0)
})

// Red when: the operators' log is not filtered, or lacks what log_operation() wrote.
test('operators read what operators did, and no login can change it', async () => {
  const [entry, ...others] = itemsOf(await log(`organization_id=${acme.organization_id}`))
  assert.deepEqual(others, [])
  assert.deepEqual(
    [entry!.operation, entry!.entity_type, entry!.entity_id],
    ['suspendOrganization', 'organizations', acme.organization_id],
  )
  for (const query of [
    `actor_id=${operator.user_id}`,
    'operation=suspendOrganization',
    `entity_type=organizations&entity_id=${acme.organization_id}`,
    `request_id=${entry!.request_id}`,
  ])
    assert.deepEqual(
      itemsOf(await log(query)).map(({ id }) => id),
      [entry!.id],
      query,
    )
  for (const query of [`actor_id=${acme.user_id}`, 'operation=nothing', `entity_id=${boat.id}`, 'request_id=nothing'])
    assert.deepEqual(itemsOf(await log(query)), [], query)
  for (const { pool } of [database.tenant, database.system])
    for (const statement of [
      'delete from operator_log',
      'truncate operator_log',
      `update operator_log set operation = 'x'`,
      `update operator_log set organization_id = null`,
      `insert into operator_log (actor_id, session_id, operation) values (new_id(), new_id(), 'x')`,
    ])
      await assert.rejects(pool.query(statement), { code: '42501' }, statement)
  assert.equal((await acme.call('GET', '/api/v1/admin/operator-log')).body.code, 'permission-missing')
  assert.equal((await acme.call('GET', '/api/v1/admin/audit-logs')).body.code, 'permission-missing')
})

// Red when: an index is missing: a list of all organizations would sort or read all rows.
test('each list is read from an index, in its order', async () => {
  const client = await database.system.pool.connect()
  try {
    await client.query('begin')
    await client.query('set local enable_seqscan = off')
    await client.query('set local enable_sort = off')
    await client.query('set local enable_bitmapscan = off')
    for (const [condition, index] of [
      ['true', 'id'],
      [`id >= '${boat.id}'`, 'id'],
      [`actor_id = '${acme.user_id}'`, 'actor'],
    ] as const) {
      const { rows } = await client.query(
        `explain (costs off) select id from audit_log where ${condition} order by id desc limit 21`,
      )
      assert.match(JSON.stringify(rows), new RegExp(`audit_log_default_${index}\\b`), condition)
    }
  } finally {
    await client.query('rollback')
    client.release()
  }
})
