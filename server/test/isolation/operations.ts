// Reads from the OpenAPI documents which operations exist and where a request to each can hold a foreign value.

import { features } from '../../src/features.ts'
import { exampleOfSchema } from '../../src/platform/openapi/examples.ts'
import type { App } from '../../src/platform/http/route.ts'
import { alternativesOf, builtIn, fields, plainValues } from './values.ts'
import type { Kind } from './values.ts'

/** A place in a request that can hold a foreign value. */
export interface Place {
  where: 'path' | 'query' | 'body' | 'header'
  name: string
  kind: Kind
  /** The field takes a list of such values. */
  isList?: true
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
interface FieldSchema {
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
  items?: Schema
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

/** Whether it is an operation of operators: it belongs to no organization, and only a superuser may call it. */
export const isOperators = ({ access }: Pick<Operation, 'access'>): boolean => access.startsWith('admin:')

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
    // `from` and `to` are times, or days.
    const plain = schema.format === 'date' ? ['2026-11-21'] : plainValues[field]
    const kind =
      kindOf(field, schema) ?? (where === 'path' && plain === undefined ? collectionOf(path, name) : undefined)
    const listed = where === 'body' && schema.items !== undefined ? schema.items['x-names'] : undefined
    if (kind !== undefined) operation.places.push({ where, name, kind })
    else if (listed !== undefined) operation.places.push({ where, name, kind: listed, isList: true })
    else if (plain === undefined && (where === 'path' || where === 'header' || holdsId(schema)))
      throw new Error(
        `${operation.id} takes ${field}, and nothing says what it refers to: give it the schema IdOf('…'), or, if it is not an id, declare it in isolation/values.ts`,
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
