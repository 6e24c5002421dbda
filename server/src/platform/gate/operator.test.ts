import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { sql } from 'kysely'
import { Type } from 'typebox'
import { features } from '../../features.ts'
import { feature } from '../feature.ts'
import { affect, many, raw, tables } from '../database/statement.ts'
import { Id, Strict } from '../schemas.ts'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'

// The operators' way to the database, tried with a feature that has a route of each kind.

const query = tables('system', 'users', 'organizations')
const tenant = tables('tenant', 'projects')
const listNames = many(query.selectFrom('organizations').select('name'))
const rename = (id: string) =>
  affect(raw(query, sql`update users set full_name = 'Renamed' where id = ${id} returning id`))
const listProjects = many(tenant.selectFrom('projects').select('name'))

const operatorTools = feature({
  name: 'operator-tools',
  uses: ['users', 'organizations', 'projects'],
  permissions: { 'admin:tools:read': 'superuser', 'admin:tools:write': 'superuser' },
  routes: [
    app => {
      const read = { access: 'admin:tools:read' as never }
      const write = { access: 'admin:tools:write' as never }
      const params = Strict({ id: Id })
      app.get('/admin/names', { ...read, schema: { operationId: 'listNames' } }, async ({ operator }) => {
        const rows = await operator.run(listNames)
        return { items: rows.map(({ name }) => name) }
      })
      app.get(
        '/admin/organizations/:id/projects',
        { ...read, schema: { operationId: 'listProjectNames', params } },
        async ({ operator, params: { id } }) => ({ items: await operator.within(id).run(listProjects) }),
      )
      app.post(
        '/admin/users/:id/rename',
        { ...write, schema: { operationId: 'renameUser', params, body: Strict({ for: Type.Optional(Id) }) } },
        async ({ operator, params: { id }, body }) => {
          await (body.for === undefined ? operator : operator.for(body.for)).run(rename(id))
          return {}
        },
      )
    },
  ],
})

const withTools = [...features, operatorTools]
const own = await createOwnDatabase('freehold', withTools)
const { admin } = own
const app = await createTestApp(
  { DATABASE_URL: own.ownerUrl, DATABASE_TENANT_URL: own.tenantUrl, DATABASE_SYSTEM_URL: own.systemUrl },
  withTools,
)
const headersOf = (person: Person) => ({ authorization: `Bearer ${person.access_token}` })
const owner = await app.signUp()
const superuser = await app.signUp()
const other = await app.signUp()
await admin.query('update users set superuser = true where id = $1', [superuser.user_id])
await app.call('POST', '/api/v1/projects', { name: 'Boat' }, headersOf(owner))

const readNames = (headers: Record<string, string>) => app.call('GET', '/api/v1/admin/names', undefined, headers)
const renameAs = (headers: Record<string, string>, body: object = {}, id = other.user_id) =>
  app.call('POST', `/api/v1/admin/users/${id}/rename`, body, headers)
const readLog = async () => {
  const { rows } = await admin.query(
    'select actor_id, session_id, request_id, operation, organization_id, entity_type, entity_id from operator_log order by id',
  )
  return rows
}

// Red when: `operator` does not require u.superuser.
test('only a superuser with a live session passes, without any organization', async () => {
  assert.equal((await readNames(headersOf(superuser))).status, 200)
  assert.equal((await readNames(headersOf(owner))).body.code, 'permission-missing')
  assert.equal((await readNames({})).body.code, 'not-signed-in')
  assert.equal((await renameAs(headersOf(owner))).body.code, 'permission-missing')
})

// Red when: log_operation() does not insert, or the trigger `history` of operator_log is missing.
test('an operation that may change something is in the log, and in the history of the organization that it names', async () => {
  assert.equal((await readLog()).length, 0, 'neither reads nor refused requests are recorded')
  const renamed = await renameAs(headersOf(superuser), { for: owner.organization_id })
  assert.equal(renamed.status, 200)
  const [entry, ...others] = await readLog()
  assert.deepEqual(others, [])
  assert.deepEqual(entry, {
    actor_id: superuser.user_id,
    session_id: entry.session_id,
    request_id: renamed.headers['x-request-id'],
    operation: 'renameUser',
    organization_id: owner.organization_id,
    entity_type: 'users',
    entity_id: other.user_id,
  })
  const { rows } = await admin.query(
    `select actor_id, entity_type, entity_id, after from audit_log where organization_id = $1 and action = 'operate'`,
    [owner.organization_id],
  )
  assert.deepEqual(rows, [
    {
      actor_id: superuser.user_id,
      entity_type: 'users',
      entity_id: other.user_id,
      after: { operation: 'renameUser' },
    },
  ])
})

// Red when: the log is not written in the transaction of the change.
test('with an Idempotency-Key the operation runs and is recorded once', async () => {
  const count = (await readLog()).length
  const headers = { ...headersOf(superuser), 'idempotency-key': 'once' }
  assert.equal((await renameAs(headers)).status, 200)
  assert.equal((await renameAs(headers)).headers['idempotent-replayed'], 'true')
  const log = await readLog()
  assert.equal(log.length, count + 1, 'the replay is no second operation')
  assert.equal(log.at(-1).organization_id, null)
})

test('the tenant login reads the named organization; a random one is not found', async () => {
  const list = (id: string, headers: Record<string, string> = headersOf(superuser)) =>
    app.call('GET', `/api/v1/admin/organizations/${id}/projects`, undefined, headers)
  assert.deepEqual((await list(owner.organization_id)).body, { items: [{ name: 'Boat' }] })
  assert.equal((await list(randomUUID())).body.code, 'not-found')
  assert.equal((await list(owner.organization_id, headersOf(owner))).body.code, 'permission-missing')
  assert.equal((await renameAs(headersOf(superuser), { for: randomUUID() })).body.code, 'not-found')
})

// Red when: a grant on operator_log lets a login write it.
test('no login can write the log', async () => {
  for (const statement of [
    'delete from operator_log',
    `update operator_log set operation = 'nothing'`,
    `insert into operator_log (actor_id, session_id, operation) values (new_id(), new_id(), 'nothing')`,
  ])
    for (const login of ['tenant', 'system'] as const)
      await assert.rejects(own.database[login].pool.query(statement), { code: '42501' })
  await assert.rejects(own.database.tenant.pool.query('select from operator_log'), { code: '42501' })
  await own.database.system.pool.query(`update operator_log set ip = null`)
  const { rows } = await admin.query('select from operator_log where ip is null')
  assert.equal(rows.length, 0, 'only the origin of a deleted account can be removed')
})

// Red when: gate_is_open() has no branch for operators, or lock_revocation() does not ask it.
test('a change by a superuser whose role ends at the same time is not committed', async () => {
  const client = await own.database.system.pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.session_id', $1, true), set_config('app.permission', 'admin:tools:write', true), set_config('app.organization_id', '', true),
        set_config('app.context', '{}', true)`,
      [(await admin.query('select id from sessions where user_id = $1', [superuser.user_id])).rows[0].id],
    )
    await client.query('select from operator')
    await admin.query('update users set superuser = false where id = $1', [superuser.user_id])
    await assert.rejects(
      client.query('update users set disabled_at = now() where id = $1', [other.user_id]),
      /the gate closed before the change/,
    )
  } finally {
    await client.query('rollback')
    client.release()
    await admin.query('update users set superuser = true where id = $1', [superuser.user_id])
  }
})

// Red when: operator_log has no trigger `still_open`; log_operation() does not ask `operator`.
test('whatever an operation changed, it is not committed after the superuser has lost the role or the session', async () => {
  const session_id = (await admin.query('select id from sessions where user_id = $1', [superuser.user_id])).rows[0].id
  const record = `select log_operation('unlockUser', null, null, null)`
  for (const [closing, opening] of [
    ['update users set superuser = false where id = $1', 'update users set superuser = true where id = $1'],
    [
      'update sessions set revoked_at = now() where user_id = $1',
      'begin; set local session_replication_role = replica; update sessions set revoked_at = null where revoked_at is not null; commit',
    ],
  ] as const)
    for (const isRecorded of [true, false]) {
      const client = await own.database.system.pool.connect()
      try {
        await client.query('begin')
        await client.query(
          `select set_config('app.session_id', $1, true), set_config('app.permission', 'admin:tools:write', true), set_config('app.organization_id', '', true),
            set_config('app.context', '{}', true)`,
          [session_id],
        )
        if (isRecorded) await client.query(record)
        await admin.query(closing, [superuser.user_id])
        if (isRecorded) await assert.rejects(client.query('commit'), /the gate closed before the commit/)
        else await assert.rejects(client.query(record), /only an operator records an operation/)
      } finally {
        await client.query('rollback')
        client.release()
        await (opening.startsWith('begin') ? admin.query(opening) : admin.query(opening, [superuser.user_id]))
      }
    }
})

// Red when: run() in platform/database/database.ts reads the rows after the commit.
test('a refusal that a statement, or its handler, reads from the rows is no operation', async () => {
  const count = (await readLog()).length
  assert.equal((await renameAs(headersOf(superuser), {}, randomUUID())).body.code, 'not-found')
  assert.equal((await readLog()).length, count)
})
