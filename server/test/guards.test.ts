import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import pg from 'pg'
import { createTestApp } from './test-app.ts'
import type { Person } from './test-app.ts'

const { admin, database, services, signUp, addMember, tokens } = await createTestApp()

/** Raw SQL on the tenant login, as by an injection: with any settings, and committed. */
async function inject(
  { access_token, organization_id }: Person,
  permission: string,
  statement: string,
  context: object = {},
  requires = '',
): Promise<{ code: string; changed: number; rows: Record<string, unknown>[] }> {
  const client = await database.tenant.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', $3, true), set_config('app.context', $4, true), set_config('app.requires', $5, true)`,
      [tokens.verify(access_token).sid, organization_id, permission, JSON.stringify(context), requires],
    )
    const { rows, rowCount } = await client.query(statement)
    await client.query('commit')
    return { code: '', changed: rowCount ?? 0, rows }
  } catch (error) {
    await client.query('rollback')
    if (!(error instanceof pg.DatabaseError)) throw error
    return { code: error.constraint ?? error.code ?? '', changed: 0, rows: [] }
  } finally {
    client.release()
  }
}

const roleOf = async ({ user_id, organization_id }: Person): Promise<unknown> =>
  (
    await admin.query(
      'select role, deleted_at is not null as ended from memberships where user_id = $1 and organization_id = $2',
      [user_id, organization_id],
    )
  ).rows[0]

// Red when: guard_membership() accepts a permission that it must refuse, or is dropped.
test('a permission allows exactly its own changes of memberships', async () => {
  const owner = await signUp('Acme')
  const administrator = await addMember(owner, 'admin')
  const viewer = await addMember(owner, 'viewer')
  const [mine, yours] = [`user_id = '${viewer.user_id}'`, `user_id = '${administrator.user_id}'`]
  for (const [caller, permission, statement, code] of [
    [viewer, 'organization:leave', `update memberships set role = 'owner' where ${mine}`, '42501'],
    [viewer, 'organization:leave', `update memberships set role = 'owner', deleted_at = now() where ${mine}`, '42501'],
    [viewer, 'organization:leave', `update memberships set title = 'x' where ${mine}`, '42501'],
    [viewer, 'organization:leave', `update memberships set deleted_at = now() where ${yours}`, '42501'],
    [
      viewer,
      'organization:leave',
      `insert into memberships (organization_id, user_id, role) values ('${viewer.organization_id}', gen_random_uuid(), 'viewer')`,
      '42501',
    ],
    [
      administrator,
      'members:write',
      `update memberships set role = 'owner' where ${yours}`,
      'memberships_owner_by_owner',
    ],
    [
      administrator,
      'members:write',
      `update memberships set deleted_at = now() where role = 'owner'`,
      'memberships_owner_by_owner',
    ],
    [administrator, 'invitations:write', `update memberships set role = 'viewer' where ${mine}`, '42501'],
    [owner, 'organization:transfer', `update memberships set title = 'x' where ${mine}`, '42501'],
    [owner, 'organization:transfer', `update memberships set role = 'viewer' where ${yours}`, '42501'],
  ] as const)
    assert.deepEqual(
      await inject(caller, permission, statement),
      { code, changed: 0, rows: [] },
      `${permission}: ${statement}`,
    )
  // Deleting an organization is a different permission than changing it.
  const here = `where id = '${owner.organization_id}'`
  for (const [permission, statement] of [
    ['organization:write', `update organizations set deleted_at = now() ${here}`],
    ['organization:delete', `update organizations set name = 'x' ${here}`],
    ['organization:write', `update organizations set kind = 'personal' ${here}`],
  ] as const)
    assert.equal((await inject(owner, permission, statement)).code, '42501', statement)
  // Any other permission that allows writes applies to other tables.
  for (const permission of ['projects:write', 'organization:write'])
    assert.equal((await inject(administrator, permission, `update memberships set title = 'x'`)).changed, 0, permission)
  assert.equal((await inject(administrator, 'members:write', `update projects set name = 'x'`)).changed, 0)
  assert.deepEqual(
    [await roleOf(owner), await roleOf(administrator), await roleOf(viewer)],
    ['owner', 'admin', 'viewer'].map(role => ({ role, ended: false })),
  )
  assert.equal(
    (await inject(viewer, 'organization:leave', `update memberships set deleted_at = now() where ${mine}`)).changed,
    1,
  )
})

// Red when: record_change() takes the actor from app.context.
test('the audit log names the user of the session, regardless of the settings', async () => {
  const owner = await signUp('Acme')
  const other = await signUp()
  const insert = `insert into projects (organization_id, name, slug) values ('${owner.organization_id}', 'Forged', 'forged')`
  assert.equal((await inject(owner, 'projects:write', insert, { user_id: other.user_id })).changed, 1)
  const { rows } = await admin.query(
    `select actor_id from audit_log where organization_id = $1 and entity_type = 'projects'`,
    [owner.organization_id],
  )
  assert.deepEqual(rows, [{ actor_id: owner.user_id }])
})

// Red when: gate_is_open() relies on the caller, or on a held lock, to know what this transaction has changed.
test('no lock and no column opens a closed gate', async () => {
  const owner = await signUp('Acme')
  const { sid } = tokens.verify(owner.access_token)
  const insert = `insert into projects (organization_id, name, slug) values ('${owner.organization_id}', 'Late', 'late')`
  const client = await database.tenant.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.organization_id', $2, true), set_config('app.permission', 'projects:write', true)`,
      [sid, owner.organization_id],
    )
    await client.query(insert)
    await admin.query('update sessions set revoked_at = now() where id = $1', [sid])
    await client.query(`select pg_advisory_xact_lock(lock_key('revocation', $1))`, [owner.user_id])
    await assert.rejects(client.query('commit'), { code: '42501' })
  } finally {
    await client.query('rollback')
    client.release()
  }
  // Only triggers may write this column, even if a login may write all others.
  await admin.query(`update users set gate_changed_in = '1' where id = $1`, [owner.user_id])
  const { rows } = await admin.query('select gate_changed_in from users where id = $1', [owner.user_id])
  assert.deepEqual(rows, [{ gate_changed_in: null }])
})

// Red when: gate does not read custom_role_permissions, or uses `role` in addition to `role_id`.
test('a custom role has exactly its own permissions, immediately', async () => {
  const owner = await signUp('Acme')
  const member = await addMember(owner, 'member')
  const elsewhere = await signUp('Globex')
  const statusOf = async (method: 'GET' | 'POST') =>
    (await member.call(method, '/api/v1/projects', method === 'POST' ? { name: 'Plan' } : undefined)).status
  assert.deepEqual([await statusOf('GET'), await statusOf('POST')], [200, 201])

  const { rows } = await admin.query<{ id: string }>(
    `insert into roles (organization_id, name) values ($1, 'Auditor') returning id`,
    [owner.organization_id],
  )
  const role_id = rows[0]!.id
  await admin.query(
    `insert into custom_role_permissions (organization_id, role_id, permission) values ($1, $2, 'projects:read')`,
    [owner.organization_id, role_id],
  )
  await admin.query('update memberships set role_id = $1 where user_id = $2 and organization_id = $3', [
    role_id,
    member.user_id,
    owner.organization_id,
  ])
  assert.deepEqual([await statusOf('GET'), await statusOf('POST')], [200, 403])
  // At most the permissions of an administrator, whatever the rows say.
  await admin.query(
    `insert into custom_role_permissions (organization_id, role_id, permission) values ($1, $2, 'organization:delete'), ($1, $2, 'admin:audit:read')`,
    [owner.organization_id, role_id],
  )
  const closed = await member.call('DELETE', `/api/v1/organizations/${owner.organization_id}`)
  assert.equal(closed.body.code, 'permission-missing')
  assert.deepEqual((await inject(member, 'admin:audit:read', 'select id from audit_log')).rows, [])
  await admin.query('delete from custom_role_permissions where role_id = $1', [role_id])
  assert.deepEqual([await statusOf('GET'), await statusOf('POST')], [403, 403])
  await assert.rejects(
    admin.query('update memberships set role_id = $1 where user_id = $2', [role_id, elsewhere.user_id]),
    { constraint: 'memberships_role_fkey' },
    'a role belongs to one organization',
  )
  const path = `/api/v1/organizations/${owner.organization_id}/members/${member.user_id}`
  assert.equal((await owner.call('PATCH', path, { role: 'admin' })).status, 200)
  assert.deepEqual([await statusOf('GET'), await statusOf('POST')], [200, 201], 'one of the four again')
})

// Red when: is_way_out() looks at the owners of an organization to which the caller does not belong, or is_entitled() at its
// entitlements.
test('no function of the tenant login distinguishes the organization of another tenant from a random one', async () => {
  const [stranger, owner] = [await signUp('Stranger'), await signUp('Acme')]
  const { rows: functions } = await admin.query<{ name: string }>(
    `select p.proname as name from pg_proc p where p.pronamespace = 'freehold'::regnamespace and p.pronargs = 0
      and p.prorettype <> 'trigger'::regtype and p.proname <> 'new_id' and has_function_privilege('freehold_tenant', p.oid, 'execute')`,
  )
  assert.ok(functions.length >= 2)
  await admin.query(
    `insert into allowances (organization_id, id, maxima, entitlements) values ($1, gen_random_uuid(), '{}', '{export}')`,
    [owner.organization_id],
  )
  assert.deepEqual((await inject(owner, 'projects:read', 'select is_entitled()', {}, 'export')).rows, [
    { is_entitled: true },
  ])
  for (const { name } of functions)
    for (const permission of ['', ...Object.keys(services.declared.permissions)]) {
      const answers = [owner.organization_id, randomUUID()].map(organization_id =>
        inject(
          { ...stranger, organization_id },
          permission,
          `select array(select ${name}()::text) as said`,
          {},
          'export',
        ),
      )
      const [known, random] = await Promise.all(answers)
      assert.deepEqual(known, random, `${name} under ${permission}`)
    }
})
