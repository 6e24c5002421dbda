import assert from 'node:assert/strict'
import { supportPermissionsOf } from '../../src/platform/gate/permissions.ts'
import { isOperators, kindsOf, listAllOperations, listOperations } from './operations.ts'
import { buildRequest, randomLike } from './requests.ts'
import type { Operation, Place } from './operations.ts'
import { createVictim } from './victim.ts'
import type { Victim } from './victim.ts'
import { watchRows } from './watched-rows.ts'
import { createCallers, createSupport } from './senders.ts'
import type { Send } from './senders.ts'
import { createWorlds } from './world.ts'
import type { World } from './world.ts'
import { randomWord } from './values.ts'
import type { Answer, TestApp } from '../test-app.ts'

/**
 * Where the response to a foreign value may differ from that to a random one, each with the reason. An exception that
 * no longer occurs fails the test, so the list stays correct.
 */
export const exceptions: Readonly<Record<string, string>> = {
  'signUp body email': 'addresses are unique in the whole service, and without email the response says if one is taken',
  'v5Register body email':
    'addresses are unique in the whole service, and without email the response says if one is taken',
  'register body email':
    'addresses are unique in the whole service, and without email the response says if one is taken',
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

/** Operations whose responses about the caller contain only counts and flags, and nothing about a particular user. */
const showsNoNames = ['getSecondFactors', 'getLimits', 'getOrganizationStats']

/** Operations whose rows belong to no organization, and that every signed-in user may call. */
const ofEveryone = ['listLicensePlans', 'getLicensePlan']

export interface Attack {
  operations: readonly Operation[]
  /** The victim's own request reaches its rows, so that there is something to steal. */
  reach(operation: Operation): Promise<void>
  /**
   * The owner of another organization puts foreign values into each place of the operation; so does an operator with
   * support access to that other organization, if the operation is within its reach. @returns the number of attacks
   */
  attack(operation: Operation): Promise<number>
  /** Reads a list of the attacker's own in every order and with every filter. @returns the number of pages */
  readLists(operation: Operation): Promise<number>
}

export const nameOfPlace = ({ id }: Operation, { where, name }: Place): string => `${id} ${where} ${name}`

/** Creates a victim and an attacker. */
export async function createAttack(app: TestApp): Promise<Attack> {
  const operations = (await listAllOperations(app.app)).filter(({ id }) => !ofEveryone.includes(id))
  const victim = await createVictim(app, await listOperations(app.app))
  const worlds = await createWorlds(app)
  const { owner, values, rowsOf, marks } = victim
  const { permissions, supportPermissions } = app.services.declared
  const reached: readonly string[] = supportPermissionsOf({ permissions, supportPermissions }, 'member')
  const operator = await app.signUp()
  await app.admin.query('update users set superuser = true where id = $1', [operator.user_id])
  // Two entries in the operators' log, so that there is a cursor to steal.
  for (let entry = 0; entry < 2; entry++) {
    const { status, text } = await operator.call('POST', `/api/v1/admin/users/${owner.user_id}/unlock`)
    assert.ok(status < 300, text)
  }

  const readRows = await watchRows(app.admin, rowsOf)
  /** After the last attack. */
  let rows: string[] | undefined
  /** Whose requests to operators' operations are all refused. */
  const operatorless = await worlds({}, 'all')

  const pathOfVictim = ({ path, places }: Operation): string =>
    places.reduce(
      (filled, place) => (place.where === 'path' ? filled.replace(`{${place.name}}`, values[place.kind]!) : filled),
      path,
    )

  /** The value that the victim itself would use there. */
  async function valueOfVictim(operation: Operation, place: Place): Promise<string> {
    const known = values[place.kind]
    if (known !== undefined) return known
    const path = pathOfVictim(operation)
    const reader = isOperators(operation) ? operator : owner
    if (place.kind === 'cursor') {
      // A program reads its list with the key of the license.
      const body = operation.method === 'POST' ? { key: victim.license_key } : undefined
      const page = await reader.call(operation.method, `${path}?limit=1`, body)
      const cursor = nextCursorOf(page)
      assert.ok(cursor, `${operation.id}: the victim needs two rows here, so that there is a cursor to steal`)
      return cursor
    }
    assert.equal(place.kind, 'tag', `${nameOfPlace(operation, place)}: the victim has no ${place.kind}`)
    const read = await reader.call('GET', path)
    return read.headers['etag'] ?? `"${path.split('/').at(-1)}.1"`
  }

  return {
    operations,
    reach: async operation => {
      const path = pathOfVictim(operation)
      const answer = await owner.call('GET', path)
      assert.equal(answer.status, 200, `${operation.id}: ${answer.text}`)
      // RFC 9562, section 4: the case of an id does not matter.
      const upper = path.replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, id => id.toUpperCase())
      assert.equal((await owner.call('GET', upper)).status, 200, `${operation.id}: ${upper}`)
      assert.notEqual(
        marks.some(mark => answer.text.includes(mark)),
        showsNoNames.includes(operation.id),
        `${operation.id} shows the victim nothing of its own, or is on the list of those that do not and does`,
      )
    },
    attack: async operation => {
      const before = rows ?? (await readRows())
      const foreign = new Map<Place, string>()
      for (const place of operation.places) foreign.set(place, await valueOfVictim(operation, place))
      // A caller who is no operator is refused whatever the values are: all foreign ones at once show it.
      const variants = variantsOf(operation, foreign).slice(isOperators(operation) ? -1 : 0)
      const callers = createCallers(operation, () =>
        isOperators(operation) ? operatorless : worlds({}, kindsOf(operation)),
      )
      for (const variant of variants) await sendVariant(callers, operation, variant, victim)
      // The same policies decide under support access: it suffices that everything foreign at once gets it nothing.
      if (reached.includes(operation.access))
        await sendVariant(createSupport(operation, worlds, app.admin), operation, variants.at(-1)!, victim)
      const after = await readRows()
      rows = after
      assert.deepEqual(
        withoutExpected(after, before),
        before.filter(line => !isCounter(line)),
        `${operation.id} changed the victim's rows`,
      )
      return variants.length
    },
    readLists: async operation => {
      const attacker = await worlds({}, kindsOf(operation))
      return readLists(operation, attacker, victim)
    },
  }
}

interface Variant {
  name: string
  foreign: ReadonlyMap<Place, string>
}

/** Each place alone, all places of the path, and all places at once. */
function variantsOf(operation: Operation, values: ReadonlyMap<Place, string>): Variant[] {
  const of = (places: readonly Place[]) => new Map(places.map(place => [place, values.get(place)!]))
  const variants = operation.places.map((place): Variant => ({
    name: nameOfPlace(operation, place),
    foreign: of([place]),
  }))
  const path = operation.places.filter(({ where }) => where === 'path')
  const excepted = (place: Place) => nameOfPlace(operation, place) in exceptions
  if (path.length > 0) {
    for (const place of operation.places.filter(({ where }) => where !== 'path'))
      variants.push({
        name: `${operation.id} path and ${place.where} ${place.name}`,
        foreign: of([...path, place]),
      })
    if (path.length > 1) variants.push({ name: `${operation.id} whole path`, foreign: of(path) })
  }
  const all = operation.places.filter(place => path.length > 0 || !excepted(place))
  if (all.length > 1) variants.push({ name: `${operation.id} everywhere`, foreign: of(all) })
  return variants
}

async function sendVariant(
  call: Send,
  operation: Operation,
  { name, foreign }: Variant,
  { owner, marks }: Victim,
): Promise<void> {
  const random = new Map([...foreign].map(([place, value]) => [place, randomLike(place, value)]))
  const trace = `attack-${randomWord()}`
  const send = async (given: ReadonlyMap<Place, string>, headers: Record<string, string>) => {
    const [world, answer] = await call(world => buildRequest(operation, world, given), headers)
    return { answer, compared: comparable(answer, world, given) }
  }
  const theirs = await send(foreign, { 'x-request-id': trace, 'x-tenant-id': owner.organization_id })
  const nobodys = await send(random, { 'x-request-id': trace })
  const places = [...foreign.keys()]
  if (name in exceptions) {
    assert.notDeepEqual(theirs.compared, nobodys.compared, `${name} is no longer an exception: remove it from the list`)
    return
  }
  assert.deepEqual(theirs.compared, nobodys.compared, name)
  const found = marks.filter(mark => ![...foreign.values()].includes(mark) && theirs.answer.text.includes(mark))
  assert.deepEqual(found, [], `${name} shows data of the victim: ${theirs.answer.text}`)
  // The attacker is no operator, and learns nothing else.
  if (isOperators(operation)) {
    assert.match(theirs.answer.text, /"code":"permission-missing"/, name)
    return
  }
  if (places.some(({ where }) => where === 'path'))
    assert.equal(theirs.answer.status, 404, `${name}: ${theirs.answer.text}`)
  if (places.some(({ kind }) => kind === 'tag') && operation.method !== 'GET')
    assert.ok(
      [404, 412].includes(theirs.answer.status) || operation.id === 'revokeOwnSession',
      `${name}: ${theirs.answer.text}`,
    )
  if (places.length === 1 && places[0]!.kind === 'cursor')
    assert.match(theirs.answer.text, /"code":"(invalid-cursor|VALIDATION_ERROR)"/, name)
}

/**
 * The response without values that differ between any two responses. A success concerns only the attacker's own world:
 * it is compared with that world's values replaced by names.
 */
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
    .replaceAll(/\b([a-z]+|Own|Key of|device of)[- ][0-9a-f]{12}\b/g, '<$1>')
    .replaceAll(/\b([A-Z]+-)?[0-9A-F]{12}\b/g, '<code>')
    .replaceAll(/[\w-]{60,}/g, '<opaque>')
}

async function readLists(operation: Operation, attacker: World, { values, marks }: Victim): Promise<number> {
  const request = buildRequest(operation, attacker, new Map())
  const base = request.path.split('?')[0]!
  const filters: [string, string][] = Object.entries(operation.plainQuery).flatMap(([name, choices]) =>
    choices.map((value): [string, string] => [name, value]),
  )
  for (const place of operation.places.filter(({ where, kind }) => where === 'query' && kind !== 'cursor'))
    filters.push([place.name, values[place.kind]!])
  let answers = 0
  for (const filter of filters) {
    let cursor: string | undefined
    do {
      const query = new URLSearchParams({ limit: '2', include_total: 'true' })
      query.set(...filter)
      if (cursor !== undefined) query.set('cursor', cursor)
      const page = await attacker.call(operation.method, `${base}?${query}`, request.body)
      assert.equal(page.status, 200, page.text)
      assert.deepEqual(
        marks.filter(mark => page.text.includes(mark)),
        [],
        `${operation.id} ${query}`,
      )
      assert.ok((page.body.total ?? 0) < 20, `${operation.id} ${query} counts more than its own: ${page.text}`)
      cursor = nextCursorOf(page)
      answers++
    } while (cursor !== undefined)
  }
  return answers
}

/** The cursor of the next page, from the body or, in another wire format, from the `Link` field. */
const nextCursorOf = ({ body, headers }: Answer): string | undefined =>
  body.next_cursor ?? /[?&]cursor=([^&>]+)/.exec(headers['link'] ?? '')?.[1]

/** Failed guesses at the victim's password are counted for every caller. */
const isCounter = (line: string): boolean => line.startsWith('throttles {"key": "account ')

/** A failed sign-in at the victim's address is recorded as the victim's event, which is its purpose. */
function withoutExpected(after: readonly string[], before: readonly string[]): string[] {
  const known = new Set(before)
  const isEvent = (line: string) => line.startsWith('security_events ') && line.includes('"type": "login-failed"')
  return after.filter(line => !isCounter(line) && (known.has(line) || !isEvent(line)))
}
