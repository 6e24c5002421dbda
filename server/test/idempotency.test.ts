import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { test } from 'node:test'
import { createLicenseKey } from '../src/product/licenses/license-key.ts'
import { kindsOf, listAllOperations } from './isolation/operations.ts'
import { buildRequest } from './isolation/requests.ts'
import type { Operation } from './isolation/operations.ts'
import { callerOf, createWorlds } from './isolation/world.ts'
import type { World } from './isolation/world.ts'
import { createOwnDatabase } from './own-database.ts'
import { createTestApp } from './test-app.ts'
import type { Answer } from './test-app.ts'

// Every operation that documents Idempotency-Key implements it: the same request is done once and gets the same
// response, however often and however many times at once it is sent. The key with another body is refused. The
// operations come from the OpenAPI document.

const { ownerUrl, tenantUrl, systemUrl, admin } = await createOwnDatabase()
const app = await createTestApp({
  DATABASE_URL: ownerUrl,
  DATABASE_TENANT_URL: tenantUrl,
  DATABASE_SYSTEM_URL: systemUrl,
})
const worlds = await createWorlds(app)
const operations = (await listAllOperations(app.app)).filter(({ places }) =>
  places.some(({ name }) => name === 'Idempotency-Key'),
)

/** The number of rows in each table, including the job queue. Nothing else writes in this database. */
async function countRows(): Promise<Record<string, number>> {
  const { rows: tables } = await admin.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
    where (c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition) or c.oid = 'freehold_jobs.job'::regclass`,
  )
  const { rows } = await admin.query<{ name: string; count: number }>(
    tables.map(({ name }) => `select '${name}' as name, count(*)::int as count from ${name}`).join(' union all '),
  )
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]))
}

/** The rows added since, by table; tables without a new row are left out. */
async function addedSince(before: Record<string, number>): Promise<Record<string, number>> {
  const added = Object.entries(await countRows()).map(([name, count]): [string, number] => [
    name,
    count - before[name]!,
  ])
  return Object.fromEntries(added.filter(([, count]) => count !== 0))
}

const setStatus = (status: string) => (world: World) =>
  admin.query('update licenses set status = $3 where organization_id = $1 and id = $2', [
    world.organization_id,
    world.own['license'],
    status,
  ])

/** What an operation undoes or ends must have happened before. Every world begins without it. */
const preparations: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  issueLicense: async world => {
    const id = randomUUIDv7()
    await admin.query(
      `insert into licenses (organization_id, id, plan_id, name, key_prefix, key_hash, status, overage_percent, quotas, entitlements, activation, heartbeat_grace_seconds, expiry_basis, on_expiry)
      select organization_id, $3, plan_id, name, key_prefix, $4, 'draft', overage_percent, quotas, entitlements, activation, heartbeat_grace_seconds, expiry_basis, on_expiry
      from licenses where organization_id = $1 and id = $2`,
      [world.organization_id, world.own['license'], id, createLicenseKey().hash],
    )
    world.own['license'] = id
  },
  resumeLicense: setStatus('suspended'),
  reinstateLicense: setStatus('revoked'),
  reactivateOrganization: ({ organization_id }) =>
    admin.query(`update organizations set suspended_at = now(), suspended_reason = 'x' where id = $1`, [
      organization_id,
    ]),
}

/** Fields that only the first response contains, each with the reason. */
const shownOnce: Readonly<Record<string, readonly [field: string, reason: string]>> = {
  createLicense: ['key', 'only its hash is stored'],
  transferLicense: ['key', 'only its hash is stored'],
}

/** The body without the field that only the first response contains. */
function repeatable({ id }: Operation, body: Record<string, unknown>): Record<string, unknown> {
  const { [shownOnce[id]?.[0] ?? '']: _shown, ...rest } = body
  return rest
}

/** A request that would succeed, and its caller. */
async function prepare(operation: Operation, key: string) {
  const world = await worlds(callerOf(operation), kindsOf(operation))
  await preparations[operation.id]?.(world)
  const { method, path, body } = buildRequest(operation, world, new Map())
  const send = (given: unknown): Promise<Answer> => world.call(method, path, given, { 'idempotency-key': key })
  return { body, send }
}

/** The response without the values that differ between any two requests. */
function comparable(operation: Operation, { status, headers, body }: Answer): unknown {
  const { date: _date, 'x-request-id': _id, 'idempotent-replayed': _replayed, ...rest } = headers
  if (operation.id in shownOnce) delete rest['content-length']
  return { status, headers: rest, body: operation.id in shownOnce ? repeatable(operation, body) : body }
}

/** The same body with one changed value. */
function change(operation: Operation, body: Record<string, unknown> | undefined): Record<string, unknown> {
  const [text] = operation.texts
  if (text !== undefined) return { ...body, [text]: 'Something else' }
  const [list, items] = Object.entries(body ?? {}).find(([, value]) => Array.isArray(value)) ?? []
  if (list !== undefined) return { ...body, [list]: [...(items as unknown[]), ...(items as unknown[])] }
  const place = operation.places.find(
    ({ where, kind }) => where === 'body' && ['email', 'slug', 'username'].includes(kind),
  )
  assert.ok(place, `${operation.id}: nothing in its body can be changed, so the test shows nothing`)
  return { ...body, [place.name]: place.kind === 'email' ? 'somebody-else@example.com' : 'something-else' }
}

/** The same body with the fields of every object in the opposite order. */
const reversed = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(reversed)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .map(([name, inner]) => [name, reversed(inner)])
            .reverse(),
        )
      : value

test('some operations document it', () => {
  const ids = operations.map(({ id }) => id)
  for (const id of ['createProject', 'createOrganization', 'createInvitation', 'addMember'])
    assert.ok(ids.includes(id), `${id} is not among ${ids.join(', ')}`)
  assert.deepEqual(
    operations.filter(({ method, access }) => method !== 'POST' || access === 'public').map(({ id }) => id),
    [],
    'a visitor has no keys, and what is no POST needs none',
  )
})

// Red when: a route of one of these runs its statement by request.visitor, or access.ts makes a runner without `bind`.
for (const operation of operations) {
  test(`${operation.id} is done once under one key, and refused with another body`, async () => {
    const { body, send } = await prepare(operation, `key-of-${operation.id}`)
    const before = await countRows()
    const first = await send(body)
    assert.ok(first.status < 300, `${first.status} ${first.text}`)
    const effect = await addedSince(before)
    assert.equal(effect['idempotency_keys'], 1, JSON.stringify(effect))
    assert.ok(Object.keys(effect).length > 1, 'it has an effect')

    // Red when: the order of fields is compared: clients that retry may write them in another one.
    const [once] = shownOnce[operation.id] ?? []
    if (once !== undefined) assert.equal(typeof first.body[once], 'string', `the first response contains ${once}`)
    for (const repeated of [body, reversed(body)]) {
      const again = await send(repeated)
      assert.deepEqual(comparable(operation, again), comparable(operation, first))
      if (once !== undefined) assert.equal(once in again.body, false, `a repetition does not contain ${once}`)
      assert.deepEqual(
        [first, again].map(({ headers }) => headers['idempotent-replayed']),
        [undefined, 'true'],
      )
      assert.deepEqual(await addedSince(before), effect, 'a repetition adds nothing')
    }
    if (operation.plain === undefined) return // it takes no body
    const other = await send(change(operation, body))
    assert.equal(other.status, 422)
    assert.match(other.text, /idempotency-key-reused|This Idempotency-Key was used with another request/)
    assert.deepEqual(await addedSince(before), effect, 'a refusal adds nothing')
  })

  test(`${operation.id} is done once when it is sent twenty times at once`, async () => {
    const alone = await prepare(operation, 'alone')
    const before = await countRows()
    assert.ok((await alone.send(alone.body)).status < 300)
    const effect = await addedSince(before)

    const { body, send } = await prepare(operation, 'at-once')
    const start = await countRows()
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(body)))
    const done = answers.filter(({ status }) => status < 300)
    assert.ok(done.length > 0, answers[0]!.text)
    assert.deepEqual(
      answers.filter(answer => !done.includes(answer) && answer.status !== 409).map(({ text }) => text),
      [],
    )
    const [once] = shownOnce[operation.id] ?? []
    if (once !== undefined)
      assert.equal(done.filter(answer => once in answer.body).length, 1, `one response contains ${once}`)
    const bodyOf = (answer: Answer): unknown => (once === undefined ? answer.body : repeatable(operation, answer.body))
    for (const answer of done) assert.deepEqual(bodyOf(answer), bodyOf(done[0]!))
    assert.deepEqual(await addedSince(start), effect, 'as one request alone')
    // A client that was told to wait gets the response when it is there.
    assert.deepEqual((await send(body)).body, bodyOf(done[0]!))
  })

  test(`${operation.id} is done for each caller who uses the same key`, async () => {
    const before = await countRows()
    for (let caller = 0; caller < 2; caller++) {
      const { body, send } = await prepare(operation, 'of-many')
      assert.ok((await send(body)).status < 300)
    }
    const { idempotency_keys } = await addedSince(before)
    assert.equal(idempotency_keys, 2)
  })
}
