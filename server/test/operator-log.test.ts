import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { test } from 'node:test'
import { isOperators, kindsOf, listOperations } from './isolation/operations.ts'
import type { Operation } from './isolation/operations.ts'
import { buildRequest } from './isolation/requests.ts'
import type { Request } from './isolation/requests.ts'
import { words } from './isolation/values.ts'
import { callerOf, createWorlds } from './isolation/world.ts'
import type { World } from './isolation/world.ts'
import { createTestApp } from './test-app.ts'

// Every operation of operators in the OpenAPI document: what may change something leaves one entry in the operators' log, and
// in the history of the organization that it names. What is refused, for whatever reason, leaves none.

const app = await createTestApp()
const { admin } = app
const worlds = await createWorlds(app)
const operations = (await listOperations(app.app)).filter(isOperators)
const isReading = ({ access }: Operation): boolean => access.endsWith(':read')
const writes = operations.filter(operation => !isReading(operation))

async function entriesOf(request_id: string) {
  const { rows: log } = await admin.query(
    'select actor_id, session_id, operation, organization_id, entity_type, entity_id, details from operator_log where request_id = $1',
    [request_id],
  )
  const { rows: history } = await admin.query(
    `select organization_id, actor_id, after ->> 'operation' as operation from audit_log where request_id = $1 and action = 'operate'`,
    [request_id],
  )
  return { log, history }
}

/** Operations that are about nothing with an id. */
const unnamed = ['clearCache']

// Red when: log_operation() does not insert, or inserts for reading permissions; operationOf() takes only ids below /admin, or a
// route that creates something does not name it; a route runs its change in two transactions;
// a route acts on an organization with `operator.run` alone.
for (const operation of operations)
  test(`${operation.id} (${operation.access}) leaves what its permission says in the log`, async () => {
    const world = await worlds(callerOf(operation), kindsOf(operation))
    const { method, path, body, headers } = buildRequest(operation, world, new Map())
    const answer = await world.call(method, path, body, headers)
    const { log, history } = await entriesOf(answer.headers['x-request-id']!)
    const [entry] = log
    const isRecorded = !isReading(operation) && answer.status < 400
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
    if (!unnamed.includes(operation.id)) {
      const told = JSON.stringify([entry.organization_id, entry.entity_id, entry.details])
      const named = /[\da-f]{8}-[\da-f-]{27}/.exec(path)?.[0] ?? answer.body.results?.[0].id
      // The history of the former organization has the same details, and does not name the license of another one.
      const isMade = answer.status > 200 && answer.status < 204 && operation.id !== 'transferLicense'
      const made = isMade ? answer.body.id : undefined
      assert.ok(named !== undefined || made !== undefined)
      for (const id of [named, made])
        assert.ok(id === undefined || told.includes(id), `the entry says what it is about, ${id}: ${told}`)
      assert.notEqual(entry.entity_type, null, 'and of which kind that is')
    }
    const named = /^\/api\/v1\/admin\/organizations\/([^/?]+)/.exec(path)?.[1]
    if (named !== undefined)
      assert.equal(entry.organization_id, named, 'the organization in the path has it in its history')
  })

/** Requests that something is wrong with: why, the id that must not be on record, if it is that, and the request. */
function* badRequests(operation: Operation, world: World): Generator<[reason: string, id: string, request: Request]> {
  const own: Readonly<Record<string, string>> = { user: world.user_id, session: world.session_id }
  for (const place of operation.places) {
    if (words.includes(place.kind) || !['path', 'body'].includes(place.where)) continue
    const name = `${place.where} ${place.name}`
    const ofUnknown = randomUUIDv7()
    const unknown = buildRequest(operation, world, new Map([[place, ofUnknown]]))
    yield [`an unknown ${name}`, ofUnknown, unknown]
    if (place.isList) yield ['all or nothing', '', { ...unknown, body: { ...unknown.body, all_or_nothing: true } }]
    const id = own[place.kind]
    if (id === undefined) continue
    // Some changes of the own account are allowed, but not with others in bulk.
    for (const written of [id, id.toUpperCase()])
      yield [`the own ${name}`, place.isList ? id : '', buildRequest(operation, world, new Map([[place, written]]))]
  }
  const plain = buildRequest(operation, world, new Map())
  const id = /[\da-f-]{36}/.exec(plain.path)?.[0] ?? ''
  yield ['a stale entity tag', '', { ...plain, headers: { ...plain.headers, 'if-match': `"${id}.99999"` } }]
  // The second time, a step has been made or a name is taken.
  for (let time = 0; time < 2; time++) yield ['a repetition', '', buildRequest(operation, world, new Map())]
}

/** Operations of which no such request is refused by a rule, each with the reason. */
const unruled: Readonly<Record<string, string>> = {
  clearCache: 'it can be cleared at any time',
  deleteAnyLicenseActivation: 'a device that is gone is not found',
  renewLicense: 'an active license can be renewed again and again',
  requestSupportAccess: 'it can be asked for again and again',
  revokeSessionsOfOrganization: 'the session of the request is left out, and is no reason to refuse',
}

// Red when: run() in platform/database/database.ts reads the rows of a recorded operation after the commit; a handler refuses
// after its transaction, as revokeAnySession and createSupportToken did; a bulk action records the ids that it was given.
for (const operation of writes)
  test(`${operation.id} leaves no entry about what was refused or does not exist`, async t => {
    const refused: string[] = []
    const world = await worlds(callerOf(operation), kindsOf(operation))
    for (const [reason, id, { method, path, body, headers }] of badRequests(operation, world)) {
      const answer = await world.call(method, path, body, headers)
      const about = `${reason}: ${answer.status} ${answer.text}`
      const { log, history } = await entriesOf(answer.headers['x-request-id']!)
      if (answer.status < 400) {
        assert.equal(log.length, 1, about)
        if (id !== '')
          assert.doesNotMatch(JSON.stringify({ ...log[0], actor_id: '', session_id: '' }), RegExp(id, 'i'), about)
        continue
      }
      assert.deepEqual({ log, history }, { log: [], history: [] }, about)
      refused.push(`${reason}: ${answer.body.code}`)
    }
    t.diagnostic(refused.join('; '))
    const isRuled = refused.some(reason => !/: (not-found|malformed-request)$/.test(reason))
    assert.equal(isRuled, !(operation.id in unruled), `refused: ${refused.join('; ')}`)
  })

// Red when: log_operation() does not ask `operator`.
test('what someone who is no operator asks for leaves nothing', async () => {
  for (const operation of writes) {
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
