import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Database } from '../src/platform/database/database.ts'
import { countTexts, MAX_PREPARED } from '../src/platform/connections/trip-query.ts'
import { kindsOf, listOperations } from './isolation/operations.ts'
import { buildRequest } from './isolation/requests.ts'
import type { Operation } from './isolation/operations.ts'
import { callerOf, createWorlds } from './isolation/world.ts'
import type { World } from './isolation/world.ts'
import { RUNS } from './concurrency/sample.ts'
import { createTestApp } from './test-app.ts'

// Each distinct SQL text stays prepared on its connection. So a client must not be able to choose how many there are:
// not by the order of fields, and not by sending many of them.

/** One choice of what a request contains: names, each with whether it is null or which of its allowed words it is. */
interface Choice {
  body: readonly string[]
  query: readonly string[]
  /** The value of a field that accepts several. */
  turn: number
  tagged: boolean
}

const arbitraryOf = (operation: Operation): fc.Arbitrary<Choice> => {
  const { places, plain, plainQuery, schemas } = operation
  const inBody = [
    ...Object.keys(plain ?? {}),
    ...places.filter(({ where }) => where === 'body').map(({ name }) => name),
  ]
  const inQuery = [
    ...Object.keys(plainQuery),
    ...places.filter(({ where, kind }) => where === 'query' && kind !== 'cursor').map(({ name }) => name),
  ]
  const subsetOf = (names: readonly string[]) =>
    fc
      .subarray([...names])
      .map(chosen => names.filter(name => schemas[name]?.required === true || chosen.includes(name)))
  return fc.record({
    body: subsetOf(inBody),
    query: subsetOf(inQuery),
    turn: fc.nat({ max: 3 }),
    tagged: fc.boolean(),
  })
}

const shuffled = ({ body, query, ...choice }: Choice): fc.Arbitrary<Choice> =>
  fc
    .tuple(
      fc.shuffledSubarray([...body], { minLength: body.length }),
      fc.shuffledSubarray([...query], { minLength: query.length }),
    )
    .map(([otherBody, otherQuery]) => ({ ...choice, body: otherBody, query: otherQuery }))

const app = await createTestApp()
const worlds = await createWorlds(app)
const operations = await listOperations(app.app)

/** The worlds in which operations have only read. */
const unchanged = new Map<Operation, World>()

/** Sends this choice, in that order, in a world where nothing has happened. @returns the status */
async function send(operation: Operation, { body, query, turn, tagged }: Choice): Promise<number> {
  const world = unchanged.get(operation) ?? (await worlds(callerOf(operation), kindsOf(operation)))
  if (operation.method === 'GET') unchanged.set(operation, world)
  const own = buildRequest(operation, world, new Map())
  const values = { ...own.body }
  for (const [name, { nullable, words }] of Object.entries(operation.schemas)) {
    if (!(name in values)) continue
    if (nullable && turn === 0) values[name] = null
    else if (words !== undefined)
      values[name] = words.filter(word => word !== null)[turn % words.length] ?? values[name]
  }
  const parameters = new URLSearchParams()
  for (const name of query) {
    const choices = operation.plainQuery[name]
    const kind = operation.places.find(place => place.where === 'query' && place.name === name)?.kind ?? ''
    parameters.append(name, choices?.[turn % choices.length] ?? world.own[kind] ?? 'anything')
  }
  const url = `${own.path.split('?')[0]}${parameters.size > 0 ? `?${parameters}` : ''}`
  const sent = Object.fromEntries(body.filter(name => name in values).map(name => [name, values[name]]))
  const headers = tagged ? { 'if-match': `"${url.split('/').at(-1)}.1"` } : {}
  const answer = await world.call(operation.method, url, own.body === undefined ? undefined : sent, {
    ...own.headers,
    ...headers,
  })
  return answer.status
}

/** The number of choices to try for each operation. */
const CHOICES = RUNS > 1 ? 3 * RUNS : 2

// Red when: inOrder in platform/http/validation.ts returns its argument.
test('the order of fields in a request does not change the statement, on any route', async t => {
  const choices = operations.map(operation => fc.sample(arbitraryOf(operation), { seed: 20261128, numRuns: CHOICES }))
  const statuses: number[] = []
  for (const [index, operation] of operations.entries())
    for (const choice of choices[index]!) statuses.push(await send(operation, choice))
  const first = countTexts()
  const grown: string[] = []
  for (const [index, operation] of operations.entries()) {
    const before = countTexts()
    for (const [turn, choice] of choices[index]!.entries()) {
      const [other] = fc.sample(shuffled(choice), { seed: 41 + turn, numRuns: 1 })
      statuses.push(await send(operation, other!))
    }
    if (countTexts() > before) grown.push(`${operation.id}: ${countTexts() - before}`)
  }
  t.diagnostic(`${statuses.length} requests on ${operations.length} operations made ${first} texts`)
  assert.deepEqual(grown, [], 'the same fields in another order made other statements')
  const done = statuses.filter(status => status < 400).length
  assert.ok(done > statuses.length / 2, `only ${done} of ${statuses.length} requests were served`)
})

/** The number of prepared statements on each server connection of both logins, counted on all of them at once. */
async function countPrepared({ tenant, system }: Database): Promise<number[]> {
  const pools = [tenant.pool, system.pool]
  const clients = await Promise.all(
    pools.flatMap(pool => Array.from({ length: pool.options.max }, () => pool.connect())),
  )
  try {
    const counts = clients.map(async client => {
      const { rows } = await client.query<{ count: number }>(
        'select count(*)::int as count from pg_prepared_statements',
      )
      return rows[0]!.count
    })
    return await Promise.all(counts)
  } finally {
    for (const client of clients) client.release()
  }
}

// Red when: TripQuery in platform/connections/trip-query.ts closes no statement.
test('however many statements there are, a connection keeps a limited number prepared', async t => {
  // One connection for each login, which then has to carry all.
  const narrow = await createTestApp({ DATABASE_POOL_SIZE: '2' })
  const owner = await narrow.signUp('Acme')
  const before = countTexts()
  // Each set of filters is a different statement.
  const filters: Readonly<Record<string, string>> = {
    actor: owner.user_id,
    action: 'insert',
    entity_type: 'projects',
    entity_id: owner.organization_id,
    request_id: 'none',
    from: '2026-01-01T00:00:00Z',
    to: '2126-01-01T00:00:00Z',
    text: 'none',
    include_total: 'true',
  }
  const names = Object.keys(filters)
  for (let set = 0; set < 2 ** names.length; set++) {
    const query = new URLSearchParams(
      names.filter((_name, bit) => set & (1 << bit)).map(name => [name, filters[name]!]),
    )
    const answer = await owner.call('GET', `/api/v1/audit-logs?${query}`)
    assert.equal(answer.status, 200, answer.text)
    if (set % 100 === 0) assert.ok(Math.max(...(await countPrepared(narrow.database))) <= MAX_PREPARED + 5)
  }
  const made = countTexts() - before
  assert.ok(made > MAX_PREPARED, `only ${made} texts were made, so the test shows nothing`)
  const prepared = await countPrepared(narrow.database)
  t.diagnostic(`${made} texts; prepared on each connection: ${prepared.join(', ')}`)
  assert.ok(Math.max(...prepared) <= MAX_PREPARED + 5, prepared.join(', '))
  // A closed statement is prepared again when it is needed.
  assert.equal((await owner.call('GET', '/api/v1/audit-logs')).body.items.length > 0, true)
})
