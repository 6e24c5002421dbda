import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { signUp, addMember, admin, database } = await createTestApp()

test('history shows who changed what, the old and new values, when and from where', async () => {
  const owner = await signUp('Acme')
  const { body: project } = await owner.call('POST', '/api/v1/projects', { name: 'Before' })
  await owner.call(
    'PATCH',
    `/api/v1/projects/${project.id}`,
    { name: 'After' },
    { 'x-request-id': 'the-change', 'user-agent': 'laptop' },
  )
  await owner.call('DELETE', `/api/v1/projects/${project.id}`)
  const { body } = await owner.call('GET', `/api/v1/audit-logs?entity_id=${project.id}`)
  assert.deepEqual(
    body.items.map((entry: { action: string }) => entry.action),
    ['delete', 'update', 'insert'],
  )
  const [, update] = body.items
  assert.deepEqual([update.before, update.after], [{ name: 'Before' }, { name: 'After' }])
  assert.deepEqual(
    [update.actor_id, update.request_id, update.ip, update.user_agent],
    [owner.user_id, 'the-change', '127.0.0.1', 'laptop'],
  )
  assert.ok(Math.abs(Date.parse(update.created_at) - Date.now()) < 60_000)
})

test('every filter narrows, and the text search takes its characters literally', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  await owner.call('POST', '/api/v1/projects', { name: '100% of_it' }, { 'x-request-id': 'first' })
  await member.call('POST', '/api/v1/projects', { name: '100 of it' })
  const count = async (filter: string) =>
    (await owner.call('GET', `/api/v1/audit-logs?include_total=true&${filter}`)).body.total
  assert.equal(await count('entity_type=projects'), 2)
  assert.equal(await count(`entity_type=projects&actor=${member.user_id}`), 1)
  assert.equal(await count('request_id=first'), 1)
  assert.equal(await count('action=delete'), 0)
  assert.equal(await count(`text=${encodeURIComponent('0% OF_')}`), 1)
  const soon = new Date(Date.now() + 60_000).toISOString()
  assert.equal(await count(`entity_type=projects&to=${soon}`), 2)
  assert.equal(await count(`from=${soon}`), 0)
  for (const odd of ['2016-12-31T23:59:60Z', '2026-11-21T09:30:00%2B05']) {
    const refused = await owner.call('GET', `/api/v1/audit-logs?to=${odd}`)
    assert.deepEqual([refused.status, refused.body.errors[0].pointer], [422, '?to'], odd)
  }
})

test('a member may not read history', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  assert.equal((await member.call('GET', '/api/v1/audit-logs')).body.code, 'permission-missing')
})

// Red when: history.sql grants update without columns or delete, or its policy forget does not check the account.
test('no login writes, changes or deletes history; only erasure of a user or an organization removes data from it', async () => {
  const { rows } = await admin.query(`
    select r.rolname, p.privilege from pg_roles r, unnest(array['update', 'delete', 'truncate']) as p(privilege)
    where r.rolname in ('freehold_tenant', 'freehold_system') and has_table_privilege(r.rolname, 'audit_log', p.privilege)`)
  assert.deepEqual(rows, [])

  const owner = await signUp('Acme')
  const client = await database.system.pool.connect()
  const inOrganization = async (statement: string) => {
    await client.query('begin')
    await client.query(`select set_config('app.organization_id', $1, true)`, [owner.organization_id])
    try {
      return await client.query(statement)
    } finally {
      await client.query('rollback')
    }
  }
  try {
    await assert.rejects(inOrganization('delete from audit_log'), /permission denied/)
    await assert.rejects(inOrganization(`update audit_log set action = 'x'`), /permission denied/)
    await assert.rejects(
      inOrganization(
        `insert into audit_log (organization_id, action, entity_type) values ('${owner.organization_id}', 'x', 'x')`,
      ),
      /row-level security/,
    )
    const forget = 'update audit_log set ip = null, user_agent = null returning organization_id'
    assert.equal((await inOrganization(forget)).rowCount, 0, 'while the person has an account')
    await admin.query('update users set deleted_at = now() where id = $1', [owner.user_id])
    await assert.rejects(inOrganization(`update audit_log set ip = '192.0.2.1'`), /row-level security/)
    const forgotten = await inOrganization(forget)
    assert.ok(forgotten.rows.length > 0)
    assert.deepEqual([...new Set(forgotten.rows.map(row => row.organization_id))], [owner.organization_id])
  } finally {
    client.release()
  }
})
