import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openDatabase } from '../database/database.ts'
import { Problem } from '../problems.ts'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { say } from '../../../test/concurrency/tenant-load.ts'
import { waitUntil } from '../../../test/programs/service-process.ts'
import { startProxy } from '../../../test/programs/silent-proxy.ts'

const own = await createOwnDatabase()
const scope = { origin: { request_id: 'connections', ip: '', user_agent: '' } }
const isUnavailable = (error: unknown) => error instanceof Problem && error.code === 'database-unavailable'

/** The database with one connection of the system login. */
const open = (systemUrl: string, more: { lastStatementsMs?: number } = {}) =>
  openDatabase({
    tenantUrl: own.tenantUrl,
    systemUrl,
    poolSize: 4,
    poolTimeoutSeconds: 10,
    connectionMaxAgeSeconds: 0,
    pooler: 'none',
    onError: () => {},
    ...more,
  })

// Red when: no one listens for the errors of a connection that the pool has just handed over: the process would end.
test('a connection that is lost while it is handed over is one failed statement', async () => {
  const proxy = await startProxy(own.systemUrl)
  const database = open(proxy.url)
  const { pool } = database.system
  const { rows } = await pool.query('select pg_backend_pid() as pid')
  proxy.hold()
  const first = pool.query('select 1 as one')
  const second = database.system.run(scope, say('select 2 as two'))
  const refused = assert.rejects(second, isUnavailable)
  await waitUntil(() => proxy.said().includes('SELECT 1'))
  await own.admin.query('select pg_terminate_backend($1)', [rows[0].pid])
  await waitUntil(() => proxy.said().includes('57P01'))
  proxy.flush()
  assert.deepEqual((await first).rows, [{ one: 1 }])
  await refused
  assert.deepEqual(await database.system.run(scope, say('select 3 as three')), [{ three: 3 }])
  await database.close()
})

// Red when: limit() destroys nothing, or only what is open at that moment.
test('once the process stops, a server that has stopped answering is waited for no longer than the limit', async () => {
  const proxy = await startProxy(own.systemUrl)
  const database = open(proxy.url, { lastStatementsMs: 500 })
  await database.system.pool.query('select 1')
  proxy.hold()
  // One has the connection, and the other one opens another when that is lost.
  const unanswered = [database.system.run(scope, say('select 1')), database.system.run(scope, say('select 2'))]
  const refused = unanswered.map(answer => assert.rejects(answer, isUnavailable))
  database.limit()
  await Promise.all(refused)
  await database.close()
})

// Red when: close() waits until the server has closed its side, or leaves the sockets to keep the process.
test('idle connections to a server that has stopped do not keep the process', async t => {
  const database = open(own.systemUrl)
  const { rows } = await database.system.pool.query('select pg_backend_pid() as pid')
  process.kill(rows[0].pid, 'SIGSTOP')
  t.after(() => process.kill(rows[0].pid, 'SIGCONT'))
  const countSockets = () => process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length
  const before = countSockets()
  await database.close()
  await delay(100)
  assert.equal(countSockets(), before - 1)
})
