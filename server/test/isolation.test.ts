import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildRequest, listOperations, randomLike } from './isolation-requests.ts'
import type { Operation, Place } from './isolation-requests.ts'
import { createWorlds, dumpRows, giveBelongings, randomWord } from './isolation-world.ts'
import type { World } from './isolation-world.ts'
import { createTestApp } from './test-app.ts'
import type { Answer } from './test-app.ts'

// Every operation of the OpenAPI document, every place in it where an id, cursor, tag, key, address or name can stand:
// another organization's owner puts the victim's real one there, and once more a random one. Both answers must be the
// same to the byte, hold nothing of the victim's, and change nothing of it. How each part was seen red: docs/testing.md.

/**
 * Where a foreign value may be answered unlike a random one, each with the reason. An exception that no longer shows
 * fails, so the list stays true.
 */
const exceptions: Readonly<Record<string, string>> = {
  'addMember body user_id': 'an owner or administrator adds an existing person by id: by design, limited, logged',
  'addMember body email': 'the same by address: whoever may add people learns that the account exists',
  'signUp body email': 'addresses are unique in the whole service, and without mail a taken one is said to be so',
  'register body email': 'addresses are unique in the whole service, and without mail a taken one is said to be so',
  'signUp body username': 'usernames are unique in the whole service',
  'register body username': 'usernames are unique in the whole service',
  'updateOwnProfile body username': 'usernames are unique in the whole service',
  'replaceOwnProfile body username': 'usernames are unique in the whole service',
  'updateOwnProfileAlias body username': 'usernames are unique in the whole service',
  'replaceOwnProfileAlias body username': 'usernames are unique in the whole service',
  'signUp body organization_slug': "organizations' slugs are unique in the whole service",
  'createOrganization body slug': "organizations' slugs are unique in the whole service",
  'updateOrganization body slug': "organizations' slugs are unique in the whole service",
  'replaceOrganization body slug': "organizations' slugs are unique in the whole service",
}

const app = await createTestApp()
const operations = listOperations(app.app)
const byId = (id: string): Operation => operations.find(operation => operation.id === id)!

// The victim, by its own requests.
const word = `globex${randomWord()}`
const owner = await app.signUp(`Victim ${word}`)
await app.verify(owner)
const member = await app.addMember(owner, 'member')
await owner.call('PATCH', '/api/v1/users/me', { username: word, full_name: `Owner ${word}` })
await app.logIn(owner, owner.organization_id)
const second = await owner.call('POST', '/api/v1/organizations', { name: `Second ${word}`, slug: `second-${word}` })
await owner.call('PATCH', `/api/v1/organizations/${owner.organization_id}`, { slug: word })
const request_id = `request-${word}`
const key = `key-${word}`
const project = await owner.call(
  'POST',
  '/api/v1/projects',
  { name: `Secret ${word}`, slug: word },
  { 'x-request-id': request_id, 'idempotency-key': key },
)
await owner.call('POST', '/api/v1/projects', { name: `Other ${word}` })
const sessions = await owner.call('GET', '/api/v1/users/sessions')
const session_id: string = sessions.body.items.find((session: { current: boolean }) => !session.current).id

const { user_id, organization_id } = owner
const own = await giveBelongings(app.admin, { user_id, organization_id, word })
// Two of each, so that there is a cursor to steal.
await giveBelongings(app.admin, { user_id, organization_id, word: `second-${word}` })

const victimIds: Record<string, string> = {
  ...own,
  organization: owner.organization_id,
  user: member.user_id,
  project: project.body.id,
  session: session_id,
  email: owner.email,
  username: word,
  slug: word,
  request: request_id,
  text: word,
  key,
}
const owned = await app.admin.query<{ id: string }>('select id from sessions where user_id = any ($1)', [
  [owner.user_id, member.user_id],
])
const rowsOf = {
  organization_ids: [owner.organization_id, second.body.id as string],
  ids: [
    owner.organization_id,
    second.body.id as string,
    owner.user_id,
    member.user_id,
    ...owned.rows.map(({ id }) => id),
  ],
}
/** Whatever must never stand in an answer to somebody else. */
const marks = [word, owner.email, member.email, project.body.id as string, ...Object.values(own), ...rowsOf.ids]

/** What the victim itself would put there. */
async function valueOfVictim(operation: Operation, place: Place): Promise<string> {
  const known = victimIds[place.kind]
  if (known !== undefined) return known
  const path = victimPath(operation)
  if (place.kind === 'cursor') {
    const page = await owner.call('GET', `${path}?limit=1`)
    assert.ok(
      page.body.next_cursor,
      `${operation.id}: the victim needs two rows here, so that there is a cursor to steal`,
    )
    return page.body.next_cursor as string
  }
  const read = await owner.call('GET', path)
  return read.headers['etag'] ?? `"${path.split('/').at(-1)}.1"`
}

const victimPath = ({ path, places }: Operation): string =>
  places.reduce(
    (filled, place) => (place.where === 'path' ? filled.replace(`{${place.name}}`, victimIds[place.kind]!) : filled),
    path,
  )

const worlds = await createWorlds(app)
const nameOf = (operation: Operation, place: Place): string => `${operation.id} ${place.where} ${place.name}`

interface Attack {
  name: string
  foreign: ReadonlyMap<Place, string>
}

/** Each place alone, all of the path, and all places at once. */
async function attacksOn(operation: Operation): Promise<Attack[]> {
  const values = new Map<Place, string>()
  for (const place of operation.places) values.set(place, await valueOfVictim(operation, place))
  const attacks = operation.places.map((place): Attack => ({
    name: nameOf(operation, place),
    foreign: new Map([[place, values.get(place)!]]),
  }))
  const path = operation.places.filter(({ where }) => where === 'path')
  const excepted = (place: Place) => nameOf(operation, place) in exceptions
  if (path.length > 0) {
    for (const place of operation.places.filter(({ where }) => where !== 'path')) {
      attacks.push({
        name: `${operation.id} path and ${place.where} ${place.name}`,
        foreign: new Map([...path, place].map(each => [each, values.get(each)!])),
      })
    }
    if (path.length > 1)
      attacks.push({
        name: `${operation.id} whole path`,
        foreign: new Map(path.map(place => [place, values.get(place)!])),
      })
  }
  const all = operation.places.filter(place => path.length > 0 || !excepted(place))
  if (all.length > 1)
    attacks.push({
      name: `${operation.id} everywhere`,
      foreign: new Map(all.map(place => [place, values.get(place)!])),
    })
  return attacks
}

/** The answer without what differs between any two answers. A success tells only of the attacker's own world: it is compared with that world's values named. */
function comparable({ status, headers, text }: Answer, world: World, given: ReadonlyMap<Place, string>): unknown {
  const { date: _date, ...rest } = headers
  if (status >= 400) return { status, headers: rest, text }
  delete rest['content-length']
  let all = JSON.stringify({ status, headers: rest, text })
  for (const value of [...given.values()].map(value => JSON.stringify(value).slice(1, -1)))
    all = all.replaceAll(value, '<given>')
  for (const [name, value] of Object.entries(world))
    if (typeof value === 'string') all = all.replaceAll(value, `<${name}>`)
  return all
    .replaceAll(/[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}/g, '<token>')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
    .replaceAll(/personal-[0-9a-f]{20}/g, '<slug>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replaceAll(/\b(caller|member|founder|outsider|new|Own|own|Key of|device of)[- ][0-9a-f]{12}/g, '<$1>')
    .replaceAll(/[\w-]{60,}/g, '<opaque>')
}

async function send(
  world: World,
  operation: Operation,
  given: ReadonlyMap<Place, string>,
  headers: Record<string, string>,
): Promise<{ answer: Answer; compared: unknown }> {
  const request = buildRequest(operation, world, given)
  const answer = await world.call(request.method, request.path, request.body, { ...headers, ...request.headers })
  return { answer, compared: comparable(answer, world, given) }
}

/** Operations that show of their caller only how many and whether, with nothing in it that is one person's. */
const showsNoNames = ['getSecondFactors']

test("the victim's own requests reach its rows, so there is something to steal", async () => {
  for (const operation of operations.filter(({ method, access }) => method === 'GET' && access !== 'public')) {
    const answer = await owner.call('GET', victimPath(operation))
    assert.equal(answer.status, 200, `${operation.id}: ${answer.text}`)
    assert.notEqual(
      marks.some(mark => answer.text.includes(mark)),
      showsNoNames.includes(operation.id),
      `${operation.id} shows the victim nothing of its own, or is on the list of those that do not and does`,
    )
  }
})

let attacked = 0
for (const operation of operations) {
  test(`${operation.id} answers a foreign value like a random one and changes nothing`, async () => {
    const before = await dumpRows(app.admin, rowsOf)
    for (const { name, foreign } of await attacksOn(operation)) {
      attacked++
      const random = new Map([...foreign].map(([place, value]) => [place, randomLike(place, value)]))
      const trace = `attack-${randomWord()}`
      const theirs = await send(await worlds(), operation, foreign, {
        'x-request-id': trace,
        'x-tenant-id': owner.organization_id,
      })
      const nobodys = await send(await worlds(), operation, random, { 'x-request-id': trace })
      const reason = exceptions[name]
      if (reason === undefined) {
        assert.deepEqual(theirs.compared, nobodys.compared, name)
        const found = marks.filter(mark => ![...foreign.values()].includes(mark) && theirs.answer.text.includes(mark))
        assert.deepEqual(found, [], `${name} shows something of the victim's: ${theirs.answer.text}`)
        if ([...foreign.keys()].some(({ where }) => where === 'path'))
          assert.equal(theirs.answer.status, 404, `${name}: ${theirs.answer.text}`)
        if ([...foreign.keys()].some(({ kind }) => kind === 'tag') && operation.method !== 'GET')
          assert.ok(
            [404, 412].includes(theirs.answer.status) || operation.id === 'revokeOwnSession',
            `${name}: ${theirs.answer.text}`,
          )
        if (foreign.size === 1 && [...foreign.keys()][0]!.kind === 'cursor')
          assert.equal(theirs.answer.body.code, 'invalid-cursor', name)
      } else
        assert.notDeepEqual(theirs.compared, nobodys.compared, `${name} is no exception any more: take it off the list`)
    }
    assert.deepEqual(
      withoutExpected(await dumpRows(app.admin, rowsOf), before),
      before.filter(line => !isCounter(line)),
      `${operation.id} changed the victim's rows`,
    )
  })
}

/** How many guesses at the victim's password have failed is counted, whoever makes them. */
const isCounter = (line: string): boolean => line.startsWith('throttles {"key": "account ')

/** A failed sign-in at the victim's address is written down as the victim's event: that is what the event is for. */
function withoutExpected(after: readonly string[], before: readonly string[]): string[] {
  const known = new Set(before)
  const isEvent = (line: string) => line.startsWith('security_events ') && line.includes('"type": "login-failed"')
  return after.filter(line => !isCounter(line) && (known.has(line) || !isEvent(line)))
}

test('every exception names a place that there is', () => {
  const places = new Set(operations.flatMap(operation => operation.places.map(place => nameOf(operation, place))))
  assert.deepEqual(
    Object.keys(exceptions).filter(name => !places.has(name)),
    [],
  )
})

test("lists and searches show nothing of another organization's, in any order, under any filter", async () => {
  const attacker = await worlds()
  let answers = 0
  for (const operation of operations.filter(({ places }) => places.some(({ kind }) => kind === 'cursor'))) {
    const request = buildRequest(operation, attacker, new Map())
    const base = request.path.split('?')[0]!
    const filters: [string, string][] = Object.entries(operation.plainQuery).flatMap(([name, values]) =>
      values.map((value): [string, string] => [name, value]),
    )
    for (const place of operation.places.filter(({ where, kind }) => where === 'query' && kind !== 'cursor'))
      filters.push([place.name, victimIds[place.kind]!])
    for (const filter of filters) {
      let cursor: string | undefined
      do {
        const query = new URLSearchParams({ limit: '2', include_total: 'true' })
        query.set(...filter)
        if (cursor !== undefined) query.set('cursor', cursor)
        const page = await attacker.call('GET', `${base}?${query}`)
        assert.equal(page.status, 200, page.text)
        assert.deepEqual(
          marks.filter(mark => page.text.includes(mark)),
          [],
          `${operation.id} ${query}`,
        )
        assert.ok((page.body.total ?? 0) < 20, `${operation.id} ${query} counts more than its own: ${page.text}`)
        cursor = page.body.next_cursor ?? undefined
        answers++
      } while (cursor !== undefined)
    }
  }
  assert.ok(answers > 30, `only ${answers} pages were read`)
})

test('the attack was not idle', () => {
  assert.ok(attacked > 60, `only ${attacked} attacks were made`)
  assert.ok(byId('getProject').places.length > 0)
})
