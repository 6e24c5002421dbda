import { randomBytes, randomUUIDv7 } from 'node:crypto'
import { features } from '../src/features.ts'
import { exampleOfSchema } from '../src/platform/openapi/examples.ts'
import type { ProblemCode } from '../src/platform/problems.ts'
import type { App } from '../src/platform/http/route.ts'
import type { World } from './isolation-world.ts'
import { randomWord, WORLD_PASSWORD } from './isolation-words.ts'

/**
 * What a place in a request refers to; every kind can belong to another organization. It is a resource with an id, by
 * its word (`project`, from `IdOf('project')` in the schema), or one of `words`.
 */
export type Kind = string

/** Kinds that are not named by an id. */
const words = ['email', 'username', 'slug', 'code', 'request', 'text', 'cursor', 'tag', 'key']

/** Resources that every world has; all others are created by the operation that creates them. */
const builtIn = [
  'organization',
  'user',
  'project',
  'session',
  'invitation',
  'own invitation',
  'device',
  'passkey',
  'identity',
]

/** A place in a request that can hold a foreign value. */
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
  /** The body's fields that refer to nothing, with a value each; undefined if the operation takes no body. */
  plain: Record<string, unknown> | undefined
  /** Query parameters that refer to nothing, each with its possible values. */
  plainQuery: Record<string, readonly string[]>
  /** Fields of the body that take any text. */
  texts: ReadonlySet<string>
  /** Fields of the body of which a request has exactly one. */
  alternatives: readonly string[]
  /** The schemas of the body's fields and the query's parameters, by their names. */
  schemas: Readonly<Record<string, FieldSchema>>
}

/** The schema of one field or parameter. */
export interface FieldSchema {
  required: boolean
  nullable: boolean
  /** Its allowed words, if it takes no others. */
  words: readonly unknown[] | undefined
}

/** A resource with an operation that creates it; a world or the victim gets one when it is needed. */
export interface Resource {
  kind: Kind
  create: Operation
}

export interface Request {
  method: string
  path: string
  body: Record<string, unknown> | undefined
  headers: Record<string, string>
}

/**
 * Fields and parameters that can refer to a foreign resource, where neither the schema (`IdOf`) nor the path says which
 * kind. Every other id must say it.
 */
const fields: Readonly<Record<string, Kind>> = {
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

/** A browser's response to any challenge that satisfies the schema; only the challenge decides whose it is. */
const passkeyResponse = {
  id: 'AA',
  rawId: 'AA',
  type: 'public-key',
  clientExtensionResults: {},
  response: { clientDataJSON: 'e30', attestationObject: 'oA', authenticatorData: 'AA', signature: 'AA' },
}

/** Fields and parameters that refer to nothing and need another value than the example of their schema. */
const plainValues: Readonly<Record<string, unknown>> = {
  'body role': 'viewer',
  'body permissions': ['projects:read'],
  'query explain': ['projects:read', 'organization:delete'],
  'body password': WORLD_PASSWORD,
  'body current_password': WORLD_PASSWORD,
  'body new_password': 'Another-horse-8',
  'body end_other_sessions': false,
  'body refresh_token': (world: World) => world.refresh_token, // the caller's own: another one would sign in that user
  'body refreshToken': (world: World) => world.refresh_token,
  'body token': 'x'.repeat(64), // from a link; what it leads to is decided before the caller matters
  'body device_token': (world: World) => world.device_token,
  'body challenge_token': 'x'.repeat(64),
  'body mfa_token': 'x'.repeat(64),
  'body response': passkeyResponse,
  'body passkey': { challenge_token: 'x'.repeat(64), response: passkeyResponse },
  'body proof': (world: World) => world.nextProof(),
  'body code': '123456',
  'body recovery_code': 'none',
  'body trust_device': true,
  'path provider': 'github',
  'body code_verifier': 'v'.repeat(43),
  'body redirect_to': 'https://app.example.com/',
  'query redirect_to': ['https://app.example.com/'],
  'query code_challenge': ['c'.repeat(43)],
  'query state': ['s'.repeat(64)],
  'query code': ['code'],
  'query error': ['access_denied'],
  'query iss': ['https://accounts.google.com'],
  'query action': ['insert', 'update', 'delete'],
  'query entity_type': ['organizations', 'memberships', 'projects'],
  'query from': ['2026-01-01T00:00:00Z'],
  'query to': ['2126-01-01T00:00:00Z'],
}

/**
 * Operations that need a proof that no fixed request can contain, with the problem that the caller's own request gets
 * instead: a caller who passes the gate gets that far, and no further.
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
  v5VerifySecondFactor: 'invalid-token',
  v5LogIn: 'mfa-required', // the caller has a second factor, and the device that skips it is in a cookie
  undoChange: 'invalid-token',
  describeChange: 'invalid-token',
  challengeUndo: 'invalid-token',
  listUndoableChanges: 'invalid-token',
  addPasskey: 'invalid-token',
  logInByPasskey: 'invalid-token',
  challengeSecondFactor: 'invalid-token',
  confirmTotp: 'not-found', // no enrollment was started
  removeTotp: 'not-found',
  restoreMember: 'already-member', // the member was not removed
  restorePerson: 'already-member',
}

/** Fields of which the tests give exactly one, although an operation takes both. */
const alternativesOf: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [
    'updateMember',
    'replaceMember',
    'updatePerson',
    'replacePerson',
    'createInvitation',
    'addMember',
    'invitePerson',
  ].map(id => [id, ['role', 'role_id']]),
)

interface Schema {
  $ref?: string
  anyOf?: Schema[]
  oneOf?: Schema[]
  type?: string | string[]
  format?: string
  pattern?: string
  maxLength?: number
  maximum?: number
  enum?: unknown[]
  examples?: unknown[]
  properties?: Record<string, Schema>
  required?: string[]
  'x-names'?: string
}

interface Parameter {
  $ref?: string
  in: Place['where']
  name: string
  required?: boolean
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
  servers: { url: string }[]
  paths: Record<string, Record<string, Described>>
  components: { schemas: Record<string, Schema>; parameters?: Record<string, Parameter> }
}

/** Every operation of the document, with every place in it. Throws if nothing says what an id refers to. */
export async function listOperations(app: App): Promise<Operation[]> {
  const operations = listDescribed((await app.openApi()) as Document)
  if (operations.length < 30) throw new Error(`the document has only ${operations.length} operations`)
  return operations
}

/** The same, and the operations of every wire format. They need the resources that the others create. */
export async function listAllOperations(app: App): Promise<Operation[]> {
  const formats = features.flatMap(({ format }) => format ?? [])
  const others = await Promise.all(formats.map(format => app.openApi(format)))
  return [await listOperations(app), ...others.map(document => listDescribed(document as Document))].flat()
}

const listDescribed = (document: Document): Operation[] =>
  Object.entries(document.paths).flatMap(([path, methods]) => {
    const whole = document.servers[0]!.url.replace(/\/$/, '') + path
    return Object.entries(methods).map(([method, described]) =>
      describe(document, method.toUpperCase(), whole, described),
    )
  })

/** What a caller must have so that the operation succeeds. */
export const kindsOf = ({ places }: Operation): Kind[] => places.map(({ kind }) => kind)

/** Every resource that operations create and read by its id, except those in each world; referenced ones come first. */
export function listResources(operations: readonly Operation[]): Resource[] {
  const found = operations.flatMap((create): Resource[] => {
    if (create.method !== 'POST' || create.access === 'public' || create.access === 'session') return []
    const single = operations.find(
      ({ method, path }) =>
        method === 'GET' && path.startsWith(`${create.path}/{`) && !path.slice(create.path.length + 1).includes('/'),
    )
    const kind = single?.places.findLast(({ where }) => where === 'path')?.kind
    return kind === undefined || builtIn.includes(kind) ? [] : [{ kind, create }]
  })
  const ordered = new Set<Resource>()
  const add = (resource: Resource, above: readonly Resource[] = []) => {
    if (ordered.has(resource) || above.includes(resource)) return
    for (const other of found)
      if (resource.create.places.some(({ kind }) => kind === other.kind)) add(other, [...above, resource])
    ordered.add(resource)
  }
  for (const resource of found) add(resource)
  return [...ordered]
}

function describe(document: Document, method: string, path: string, described: Described): Operation {
  const texts = new Set<string>()
  const schemas: Record<string, FieldSchema> = {}
  const operation: Operation = {
    id: described.operationId,
    method,
    path,
    access: described['x-permission'] ?? (needsToken(described) ? 'session' : 'public'),
    places: [],
    plain: undefined,
    plainQuery: {},
    alternatives: [],
    texts,
    schemas,
  }
  const add = (where: Place['where'], name: string, given: Schema, required: boolean) => {
    const field = `${where} ${name}`
    const schema = resolve(document, given)
    if (where === 'body' || where === 'query')
      schemas[name] = { required, nullable: isNullable(schema), words: schema.enum }
    const plain = plainValues[field]
    const kind =
      kindOf(field, schema) ?? (where === 'path' && plain === undefined ? collectionOf(path, name) : undefined)
    if (kind !== undefined) operation.places.push({ where, name, kind })
    else if (plain === undefined && (where === 'path' || where === 'header' || holdsId(schema)))
      throw new Error(
        `${operation.id} takes ${field}, and nothing says what it refers to: give it the schema IdOf('…'), or, if it is not an id, declare it in isolation-requests.ts`,
      )
    else if (where === 'path') operation.path = operation.path.replace(`{${name}}`, plain as string)
    else if (where === 'query') operation.plainQuery[name] = (plain as string[] | undefined) ?? choicesOf(schema)
    else {
      ;(operation.plain ??= {})[name] = plain ?? exampleOf(name, schema)
      if (
        plain === undefined &&
        typesOf(schema).includes('string') &&
        (schema.format ?? 'line') === 'line' &&
        !('enum' in schema)
      )
        texts.add(name)
    }
  }
  for (const parameter of described.parameters ?? []) {
    const { in: where, name, schema, required } = document.components.parameters?.[lastOf(parameter.$ref)] ?? parameter
    add(where, name, schema, required === true)
  }
  // A body that may also be CSV says the same as its JSON.
  const given = described.requestBody?.content['application/json']
  if (described.requestBody !== undefined && given === undefined)
    throw new Error(`${operation.id} takes a body that is not JSON, which the isolation attack does not know`)
  if (given !== undefined) {
    operation.plain = {}
    const { properties, required = [], alternatives } = objectOf(document, given.schema, operation.id)
    operation.alternatives = alternativesOf[operation.id] ?? alternatives
    for (const [name, schema] of Object.entries(properties)) add('body', name, schema, required.includes(name))
  }
  if (method === 'GET' && described.responses['200']?.headers?.['ETag'] !== undefined)
    operation.places.push({ where: 'header', name: 'If-None-Match', kind: 'tag' })
  return operation
}

/** No requirement, or an empty one among several (OpenAPI 3.1, section 4.8.30), lets anyone in. */
const needsToken = ({ security = [] }: Described): boolean =>
  security.length > 0 && security.every(way => Object.keys(way).length > 0)

const lastOf = (reference: string | undefined): string => reference?.split('/').at(-1) ?? ''

/** The schema with every reference replaced by its target. */
function resolve<Node>(document: Document, node: Node): Node {
  if (Array.isArray(node)) return node.map(item => resolve(document, item)) as Node
  if (typeof node !== 'object' || node === null) return node
  const { $ref } = node as Schema
  if ($ref !== undefined) return resolve(document, document.components.schemas[lastOf($ref)]) as Node
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolve(document, value)])) as Node
}

const typesOf = ({ type = [] }: Schema): string[] => (typeof type === 'string' ? [type] : type)

const isNullable = (schema: Schema): boolean =>
  typesOf(schema).includes('null') || schema.anyOf?.some(({ type }) => type === 'null') === true

/** What the schema says that it refers to, also if it may be null; otherwise what is known of a field of that name. */
const kindOf = (field: string, schema: Schema): Kind | undefined =>
  schema['x-names'] ?? schema.anyOf?.find(one => one['x-names'] !== undefined)?.['x-names'] ?? fields[field]

/** What a parameter in a path refers to, by the segment before it. */
function collectionOf(path: string, name: string): Kind | undefined {
  const segments = path.split('/')
  return segments[segments.indexOf(`{${name}}`) - 1]?.replace(/ies$/, 'y').replace(/s$/, '')
}

/** Whether the schema accepts an id anywhere. */
const holdsId = (schema: Schema): boolean => /"format":"uuid"|"x-names":/.test(JSON.stringify(schema))

/** A value that the field accepts. */
function exampleOf(name: string, schema: Schema): unknown {
  const type = typesOf(schema).find(one => one !== 'null')
  const property = type === undefined ? schema : { ...schema, type }
  return (exampleOfSchema({ type: 'object', properties: { [name]: property } }) as Record<string, unknown>)[name]
}

/** The values that are tried for a query parameter. */
function choicesOf(schema: Schema): string[] {
  const types = typesOf(schema)
  if (schema.enum !== undefined) return schema.enum.map(String)
  if (types.includes('boolean')) return ['true', 'false']
  if (types.includes('integer') || types.includes('number')) return [String(schema.maximum ?? exampleOf('', schema))]
  return (schema.examples ?? [exampleOf('', schema)]).map(String)
}

interface ObjectSchema extends Schema {
  properties: Record<string, Schema>
  /** Those of which it has exactly one, if it is described by variants. */
  alternatives: readonly string[]
}

function objectOf(document: Document, schema: Schema, id: string): ObjectSchema {
  const named = schema.$ref === undefined ? schema : document.components.schemas[lastOf(schema.$ref)]
  const object = named?.anyOf?.find(({ type }) => type !== 'null') ?? named
  if (object?.$ref !== undefined) return objectOf(document, object, id)
  if (object?.oneOf !== undefined) return uniteVariants(object.oneOf as ObjectSchema[])
  if (object?.properties === undefined)
    throw new Error(`${id} takes a body without properties, which the isolation attack does not know`)
  return { ...object, properties: object.properties, alternatives: [] }
}

/** One object with the properties of all variants. What not every variant has is one of the alternatives. */
function uniteVariants(variants: readonly ObjectSchema[]): ObjectSchema {
  const properties = Object.assign({}, ...variants.map(variant => variant.properties)) as ObjectSchema['properties']
  const isShared = (name: string) => variants.every(variant => name in variant.properties)
  const required = (variants[0]?.required ?? []).filter(isShared)
  return { properties, required, alternatives: Object.keys(properties).filter(name => !isShared(name)) }
}

/**
 * The request that creates a resource: its places are looked up, everything else comes from the schemas' examples. If a
 * word is given, every text contains it, so that the row can be found wherever it appears.
 */
export function buildCreation(
  { kind, create }: Resource,
  own: Readonly<Record<Kind, string>>,
  word?: string,
): { path: string; body: Record<string, unknown> } {
  let { path } = create
  const body: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(create.plain ?? {}))
    body[name] = word !== undefined && create.texts.has(name) ? `${String(value)} ${word}` : value
  for (const place of create.places) {
    if (place.where !== 'path' && place.where !== 'body') continue
    if (isOptionalParent(create, place, kind)) continue
    const value = own[place.kind] ?? newWord(place.kind, `${kind}-${word ?? randomWord()}`)
    if (value === undefined)
      throw new Error(`${create.id} takes a ${place.kind} (${place.name}), and the isolation attack has none`)
    if (place.where === 'path') path = path.replace(`{${place.name}}`, value)
    else body[place.name] = value
  }
  return { path, body }
}

/** Places in a path and a body must be given; a filter or a header only if the request is about it. */
const isNeeded = ({ where }: Place): boolean => where === 'path' || where === 'body'

/** A body may name another resource of the same kind, such as the one above it; the resource itself would be a cycle. */
const isOptionalParent = ({ schemas }: Operation, { where, name, kind }: Place, own: Kind | undefined): boolean =>
  where === 'body' && kind === own && schemas[name]?.required === false && schemas[name].nullable

/** A request of that caller in which the `given` places hold these values and all others the caller's own. */
export function buildRequest(operation: Operation, world: World, given: ReadonlyMap<Place, string>): Request {
  const { id, method, path, places, plain, plainQuery, alternatives } = operation
  const own = places.findLast(({ where }) => where === 'path')?.kind
  const chosen =
    alternatives.find(name => [...given.keys()].some(place => place.where === 'body' && place.name === name)) ??
    alternatives[0]
  const headers: Record<string, string> = {}
  const query = new URLSearchParams()
  const body: Record<string, unknown> = {}
  let filled = path
  if ('limit' in plainQuery) query.set('limit', '100')
  const isLeftOut = (name: string) => alternatives.includes(name) && name !== chosen
  for (const [name, value] of Object.entries(plain ?? {}))
    if (!isLeftOut(name)) body[name] = typeof value === 'function' ? (value as (world: World) => unknown)(world) : value
  for (const place of places) {
    if (!given.has(place) && (!isNeeded(place) || isOptionalParent(operation, place, own))) continue
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

/** An address or a name that is not used yet. */
function newWord(kind: Kind, word: string): string | undefined {
  if (kind === 'email') return `${word}@example.com`
  if (kind === 'code') return word.replace(/^[a-z]+-/, '').toUpperCase()
  return kind === 'slug' || kind === 'username' ? word : undefined
}

/** What the caller would send, so that the operation succeeds. */
function ownValue(id: string, { kind }: Place, world: World): string {
  switch (kind) {
    case 'user':
      return world.member_id
    case 'email':
      return id === 'logIn' || id === 'v5LogIn' ? world.email : `new-${randomWord()}@example.com`
    case 'username':
      return id === 'logIn' ? world.username : `new-${randomWord()}`
    case 'slug':
      return `new-${randomWord()}`
    case 'code':
      return `NEW-${randomWord()}`.toUpperCase()
    default: {
      const own = world.own[kind]
      if (own === undefined) throw new Error(`${id} needs a ${kind}, and its caller has none`)
      return own
    }
  }
}

/** A value that does not exist, in the form of the foreign value `like`. */
export function randomLike({ kind }: Place, like: string): string {
  if (!words.includes(kind)) return randomUUIDv7()
  switch (kind) {
    case 'email':
      return `nobody-${randomWord()}@example.com`
    case 'code':
      return `ABSENT-${randomWord()}`.toUpperCase()
    case 'tag':
      return like.replace(/^"[^.]+/, () => `"${randomUUIDv7()}`)
    case 'cursor':
      return randomBytes(Buffer.from(like, 'base64url').length).toString('base64url')
    default:
      return `absent-${randomWord()}`
  }
}
