import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOperators, kindsOf, listOperations } from './isolation/operations.ts'
import { buildRequest } from './isolation/requests.ts'
import { callerOf, createWorlds } from './isolation/world.ts'
import { createTestApp } from './test-app.ts'

// Every operation of operators in the OpenAPI document: what may change something leaves one entry in the operators' log, and
// in the history of the organization that it names.

const app = await createTestApp()
const { admin } = app
const worlds = await createWorlds(app)
const operations = (await listOperations(app.app)).filter(isOperators)

async function entriesOf(request_id: string) {
  const { rows: log } = await admin.query(
    'select actor_id, session_id, operation, organization_id, entity_type, entity_id from operator_log where request_id = $1',
    [request_id],
  )
  const { rows: history } = await admin.query(
    `select organization_id, actor_id, after ->> 'operation' as operation from audit_log where request_id = $1 and action = 'operate'`,
    [request_id],
  )
  return { log, history }
}

// Red when: begin_operation() does not insert, or inserts for reading permissions; a route runs its change in two transactions;
// a route acts on an organization with `operator.run` alone.
for (const operation of operations)
  test(`${operation.id} (${operation.access}) leaves what its permission says in the log`, async () => {
    const world = await worlds(callerOf(operation), kindsOf(operation))
    const { method, path, body, headers } = buildRequest(operation, world, new Map())
    const answer = await world.call(method, path, body, headers)
    const { log, history } = await entriesOf(answer.headers['x-request-id']!)
    const [entry] = log
    // What a rule refuses, such as reactivating what is not suspended, may be recorded: the operator did ask for it.
    const isRecorded = !operation.access.endsWith(':read') && (answer.status < 400 || entry !== undefined)
    assert.equal(log.length, isRecorded ? 1 : 0, `${answer.status} ${answer.text}`)
    if (!isRecorded) {
      assert.deepEqual(history, [])
      return
    }
    assert.deepEqual(
      [entry.actor_id, entry.session_id, entry.operation],
      [world.user_id, world.session_id, operation.id],
    )
    assert.deepEqual(
      history,
      entry.organization_id === null
        ? []
        : [{ organization_id: entry.organization_id, actor_id: world.user_id, operation: operation.id }],
    )
    const named = /^\/api\/v1\/admin\/organizations\/([^/?]+)/.exec(path)?.[1]
    if (named !== undefined)
      assert.equal(entry.organization_id, named, 'the organization in the path has it in its history')
  })

// Red when: a refused operation is recorded, which begin_operation() would do if it did not ask `operator` first.
test('a refused operation leaves nothing', async () => {
  for (const operation of operations.filter(({ access }) => !access.endsWith(':read'))) {
    const world = await worlds({}, kindsOf(operation))
    const { method, path, body, headers } = buildRequest(operation, world, new Map())
    const answer = await world.call(method, path, body, headers)
    assert.equal(answer.body.code, 'permission-missing', `${operation.id}: ${answer.text}`)
    assert.deepEqual(await entriesOf(answer.headers['x-request-id']!), { log: [], history: [] }, operation.id)
  }
})

test('there are operations of operators', () => {
  assert.ok(operations.length >= 8)
})
