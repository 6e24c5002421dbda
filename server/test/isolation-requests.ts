import { randomBytes, randomUUIDv7 } from 'node:crypto'
import type { ProblemCode } from '../src/platform/problems.ts'
import type { App } from '../src/platform/http/route.ts'
import type { World } from './isolation-world.ts'
import { randomWord, WORLD_PASSWORD } from './isolation-world.ts'

/** What a place in a request names; every kind can be somebody else's. */
export type Kind =
  | 'organization'
  | 'user'
  | 'project'
  | 'session'
  | 'invitation'
  | 'device'
  | 'passkey'
  | 'identity'
  | 'email'
  | 'username'
  | 'slug'
  | 'request'
  | 'text'
  | 'cursor'
  | 'tag'
  | 'key'

/** A place in a request where something of somebody else's can stand. */
export interface Place {
  where: 'path' | 'query' | 'body' | 'header'
  name: string
  kind: Kind
}

export interface Operation {
  id: string
  method: string
  /** The template, such as /api/v1/projects/{id}. */
  path: string
  /** Who may call it: 'public', 'session' (any live one) or a permission. */
  access: string
  places: Place[]
  /** The body's fields that name nobody, with a value each; undefined when the operation takes no body. */
  plain: Record<string, unknown> | undefined
  /** Query parameters that name nothing, each with the values that it takes. */
  plainQuery: Record<string, readonly string[]>
}

export interface Request {
  method: string
  path: string
  body: Record<string, unknown> | undefined
  headers: Record<string, string>
}

/** What a path's parameter names, by the segment before it; any other name stands in `fields`. */
const collections: Readonly<Record<string, Kind>> = {
  organizations: 'organization',
  projects: 'project',
  sessions: 'session',
  invitations: 'invitation',
  devices: 'device',
  passkeys: 'passkey',
  identities: 'identity',
}

/** Every field and parameter that can name something of somebody else's. Whoever adds one says here what it names. */
const fields: Readonly<Record<string, Kind>> = {
  'path user_id': 'user',
  'path invitation_id': 'invitation',
  'query cursor': 'cursor',
  'query actor': 'user',
  'query entity_id': 'project',
  'query request_id': 'request',
  'query text': 'text',
  'body organization_id': 'organization',
  'body organization_slug': 'slug',
  'body slug': 'slug',
  'body user_id': 'user',
  'body email': 'email',
  'body new_email': 'email',
  'body username': 'username',
  'header If-Match': 'tag',
  'header If-None-Match': 'tag',
  'header Idempotency-Key': 'key',
}

/** What a browser says to any challenge, as far as a schema can see; whose it is is decided by the challenge alone. */
const passkeyResponse = {
  id: 'AA',
  rawId: 'AA',
  type: 'public-key',
  clientExtensionResults: {},
  response: { clientDataJSON: 'e30', attestationObject: 'oA', authenticatorData: 'AA', signature: 'AA' },
}

/** Every field and parameter that names nothing of anybody's, with a value that every operation takes. */
const plainValues: Readonly<Record<string, unknown>> = {
  'body name': 'A name',
  'body organization_name': 'A name',
  'body full_name': 'A name',
  'body given_name': 'A name',
  'body locale': 'de',
  'body family_name': 'A name',
  'body description': 'What it is for',
  'body title': 'A title',
  'body company': 'A company',
  'body status': 'archived',
  'body role': 'viewer',
  'body password': WORLD_PASSWORD,
  'body current_password': WORLD_PASSWORD,
  'body new_password': 'Another-horse-8',
  'body end_other_sessions': false,
  'body refresh_token': (world: World) => world.refresh_token, // the caller's own: another's would be that person's sign-in
  'body token': 'x'.repeat(64), // a link's; what it leads to is decided before anybody looks who asks
  'body device_token': (world: World) => world.device_token,
  'body challenge_token': 'x'.repeat(64),
  'body mfa_token': 'x'.repeat(64),
  'body response': passkeyResponse,
  'body passkey': { challenge_token: 'x'.repeat(64), response: passkeyResponse },
  'body code': '123456',
  'body recovery_code': 'none',
  'body trust_device': true,
  'body second_factor_required': false,
  'path provider': 'github',
  'body code_verifier': 'v'.repeat(43),
  'body redirect_to': 'https://app.example.com/',
  'query redirect_to': ['https://app.example.com/'],
  'query code_challenge': ['c'.repeat(43)],
  'query state': ['s'.repeat(64)],
  'query code': ['code'],
  'query error': ['access_denied'],
  'query iss': ['https://accounts.google.com'],
  'query limit': ['100'],
  'query include_total': ['true', 'false'],
  'query sort': 'enum',
  'query status': 'enum',
  'query role': 'enum',
  'query action': ['insert', 'update', 'delete'],
  'query entity_type': ['organizations', 'memberships', 'projects'],
  'query from': ['2026-01-01T00:00:00Z'],
  'query to': ['2126-01-01T00:00:00Z'],
}

/**
 * Operations that ask for a proof which no fixed request can carry, with the problem that the caller's own request gets
 * instead: what passes the gate comes that far, and nobody comes further.
 */
export const unproved: Readonly<Record<string, ProblemCode>> = {
  acceptInvitation: 'invalid-token',
  endSocialSignIn: 'invalid-token',
  exchangeSocialCode: 'invalid-token',
  verifyEmail: 'invalid-token',
  completePasswordReset: 'invalid-token',
  unlock: 'invalid-token',
  restoreAccount: 'invalid-token',
  verifySecondFactor: 'invalid-token',
  addPasskey: 'invalid-token',
  logInByPasskey: 'invalid-token',
  challengeSecondFactor: 'invalid-token',
  confirmTotp: 'not-found', // nothing was begun
  removeTotp: 'not-found',
}

/** Fields of which an operation takes exactly one. */
const alternatives: Readonly<Record<string, readonly string[]>> = {
  addMember: ['user_id', 'email'],
  logIn: ['email', 'username'],
  stepUp: ['password', 'code', 'recovery_code', 'passkey'],
  verifySecondFactor: ['code', 'recovery_code', 'passkey'],
}

interface Schema {
  $ref?: string
  anyOf?: Schema[]
  type?: string
  enum?: string[]
  properties?: Record<string, Schema>
}

interface Parameter {
  $ref?: string
  in: Place['where']
  name: string
  schema: Schema
}

interface Described {
  operationId: string
  security?: object[]
  'x-permission'?: string
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { headers?: Record<string, unknown> }>
}

interface Document {
  paths: Record<string, Record<string, Described>>
  components: { schemas: Record<string, Schema>; parameters?: Record<string, Parameter> }
}

/** Every operation of the document, with every place in it. Throws at a field or parameter that nobody has taught it. */
export function listOperations(app: App): Operation[] {
  const document = app.swagger() as unknown as Document
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => describe(document, method.toUpperCase(), path, described)),
  )
  if (operations.length < 30) throw new Error(`the document has only ${operations.length} operations`)
  return operations
}

function describe(document: Document, method: string, path: string, described: Described): Operation {
  const operation: Operation = {
    id: described.operationId,
    method,
    path,
    access: described['x-permission'] ?? (needsToken(described) ? 'session' : 'public'),
    places: [],
    plain: undefined,
    plainQuery: {},
  }
  const add = (where: Place['where'], name: string, schema: Schema) => {
    const field = `${where} ${name}`
    const kind =
      fields[field] ??
      (where === 'path' ? collections[path.split('/').at(path.split('/').indexOf(`{${name}}`) - 1) ?? ''] : undefined)
    const plain = plainValues[field]
    if (kind !== undefined) operation.places.push({ where, name, kind })
    else if (plain === undefined)
      throw new Error(
        `${operation.id} takes ${field}, which the isolation attack does not know: say in isolation-requests.ts what it names, or that it names nothing`,
      )
    else if (where === 'path') operation.path = operation.path.replace(`{${name}}`, plain as string)
    else if (where === 'body') (operation.plain ??= {})[name] = plain
    else operation.plainQuery[name] = plain === 'enum' ? (schema.enum ?? []) : (plain as string[])
  }
  for (const parameter of described.parameters ?? []) {
    const { in: where, name, schema } = document.components.parameters?.[lastOf(parameter.$ref)] ?? parameter
    add(where, name, schema)
  }
  const given = Object.values(described.requestBody?.content ?? {})
  if (given.length > 1)
    throw new Error(`${operation.id} takes several types of body, which the isolation attack does not know`)
  if (given[0] !== undefined) {
    operation.plain = {}
    for (const [name, schema] of Object.entries(propertiesOf(document, given[0].schema, operation.id)))
      add('body', name, schema)
  }
  if (method === 'GET' && described.responses['200']?.headers?.['ETag'] !== undefined)
    operation.places.push({ where: 'header', name: 'If-None-Match', kind: 'tag' })
  return operation
}

/** No requirement, or an empty one among several (OpenAPI 3.1, section 4.8.30), lets anybody in. */
const needsToken = ({ security = [] }: Described): boolean =>
  security.length > 0 && security.every(way => Object.keys(way).length > 0)

const lastOf = (reference: string | undefined): string => reference?.split('/').at(-1) ?? ''

function propertiesOf(document: Document, schema: Schema, id: string): Record<string, Schema> {
  const named = schema.$ref === undefined ? schema : document.components.schemas[lastOf(schema.$ref)]
  const object = named?.anyOf?.find(({ type }) => type !== 'null') ?? named
  if (object?.$ref !== undefined) return propertiesOf(document, object, id)
  if (object?.properties === undefined)
    throw new Error(`${id} takes a body without properties, which the isolation attack does not know`)
  return object.properties
}

/** What stands in a path and a body must be given; a filter or a header only when it is what the request is about. */
const isNeeded = ({ where }: Place): boolean => where === 'path' || where === 'body'

/** A request of that caller in which the `given` places hold these values and all others the caller's own. */
export function buildRequest(
  { id, method, path, places, plain, plainQuery }: Operation,
  world: World,
  given: ReadonlyMap<Place, string>,
): Request {
  const chosen =
    alternatives[id]?.find(name => [...given.keys()].some(place => place.where === 'body' && place.name === name)) ??
    alternatives[id]?.[0]
  const headers: Record<string, string> = {}
  const query = new URLSearchParams()
  const body: Record<string, unknown> = {}
  let filled = path
  if ('limit' in plainQuery) query.set('limit', '100')
  const isLeftOut = (name: string) => alternatives[id]?.includes(name) === true && name !== chosen
  for (const [name, value] of Object.entries(plain ?? {}))
    if (!isLeftOut(name)) body[name] = typeof value === 'function' ? (value as (world: World) => unknown)(world) : value
  for (const place of places) {
    if (!given.has(place) && !isNeeded(place)) continue
    if (place.where === 'body' && isLeftOut(place.name)) continue
    const value = given.get(place) ?? ownValue(id, place, world)
    if (place.where === 'path') filled = filled.replace(`{${place.name}}`, encodeURIComponent(value))
    else if (place.where === 'query') query.set(place.name, value)
    else if (place.where === 'body') body[place.name] = value
    else headers[place.name.toLowerCase()] = value
    if (place.kind === 'cursor') query.set('limit', '1')
  }
  return {
    method,
    path: filled + (query.size > 0 ? `?${query}` : ''),
    body: plain === undefined ? undefined : body,
    headers,
  }
}

/** What the caller would send themselves, so that the operation succeeds. */
function ownValue(id: string, place: Place, world: World): string {
  switch (place.kind) {
    case 'organization':
      return world.organization_id
    case 'user':
      return id === 'addMember' ? world.outsider.user_id : world.member_id
    case 'project':
      return world.project_id
    case 'session':
      return world.other_session_id
    case 'invitation':
    case 'device':
    case 'passkey':
    case 'identity':
      return world.own[place.kind]
    case 'email':
      return id === 'logIn' ? world.email : `new-${randomWord()}@example.com`
    case 'username':
      return id === 'logIn' ? world.username : `new-${randomWord()}`
    case 'slug':
      return `new-${randomWord()}`
    default:
      throw new Error(`a ${place.kind} is never needed`)
  }
}

/** What nobody has. `like` is the foreign value whose form it takes. */
export function randomLike({ kind }: Place, like: string): string {
  switch (kind) {
    case 'organization':
    case 'user':
    case 'project':
    case 'session':
    case 'invitation':
    case 'device':
    case 'passkey':
    case 'identity':
      return randomUUIDv7()
    case 'email':
      return `nobody-${randomWord()}@example.com`
    case 'tag':
      return like.replace(/^"[^.]+/, () => `"${randomUUIDv7()}`)
    case 'cursor':
      return randomBytes(Buffer.from(like, 'base64url').length).toString('base64url')
    default:
      return `nobody-${randomWord()}`
  }
}
