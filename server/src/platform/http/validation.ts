import { createRequire } from 'node:module'
import type * as Compiler from '@fastify/fast-json-stringify-compiler'
import type { SerializerFactory } from '@fastify/fast-json-stringify-compiler'
import type { ErrorObject, ValidateFunction } from 'ajv'
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Problem } from '../problems.ts'
import type { FieldError } from '../problems.ts'
import { LINE, LINES, PATH, STORABLE } from '../texts.ts'
import { coercingValidator, exactValidator } from '../validator.ts'

type Part = 'body' | 'querystring' | 'params' | 'headers'

/**
 * Validates one part of a route's requests by its schema, which is compiled at the first request, not at the start. All
 * faults of a request become one problem.
 */
export const compileValidator: FastifySchemaCompiler<object> = ({ schema, httpPart, method }) => {
  const part = httpPart as Part
  const isOptional = part === 'body' && requiresNothing(method, schema)
  const names = Object.keys((schema as { properties?: object }).properties ?? {})
  const lowerIds = lowerIdsOf(schema as SchemaWithIds)
  let validate: ValidateFunction | undefined
  return (sent: unknown) => {
    // Fastify passes null if no body was sent.
    const data = sent === null && isOptional ? {} : sent
    validate ??= (part === 'body' ? exactValidator : coercingValidator).compile(schema)
    const faults = faultsBy(validate, data, part)
    if (faults.length === 0) return { value: inOrder(lowerIds(data), names) }
    return { error: refusal(part, data === null && part === 'body' ? [missingBody] : faults) }
  }
}

interface BodySchema {
  type?: string
  anyOf?: readonly BodySchema[]
  required?: readonly string[]
  minProperties?: number
  'x-one-of'?: readonly string[]
}

/**
 * Whether a request may leave out its body: the schema accepts null, or nothing in it is required. With PUT it may not in that
 * case, because that would reset every field.
 */
export const isBodyOptional = (method: string, schema: object): boolean =>
  (schema as BodySchema).anyOf?.some(({ type }) => type === 'null') === true || requiresNothing(method, schema)

function requiresNothing(method: string, schema: object): boolean {
  const { type, required = [], minProperties = 0, 'x-one-of': oneOf } = schema as BodySchema
  return method === 'POST' && type === 'object' && required.length === 0 && minProperties === 0 && oneOf === undefined
}

const faultsBy = (validate: ValidateFunction, data: unknown, part: Part): FieldError[] =>
  validate(data) ? malformedTexts(data, '') : (validate.errors ?? []).map(error => fieldErrorOf(error, part))

const missingBody: FieldError = { pointer: '', detail: 'is required: send a JSON object' }

/** The faults of a value that is a part of a body or a line of a file, worded like those of a body; empty if it matches the schema. */
export function listFaults(schema: TSchema): (data: unknown) => FieldError[] {
  let validate: ValidateFunction | undefined
  return data => distinct(faultsBy((validate ??= exactValidator.compile(schema)), data, 'body'))
}

const require = createRequire(import.meta.url)

/** Serializes responses by a route's schema, like Fastify, but loads the library and compiles at the first response. */
const buildSerializer: SerializerFactory = (schemas, options) => {
  let compile: ReturnType<SerializerFactory> | undefined
  return route => {
    let serialize: ((data: unknown) => string) | undefined
    return data => {
      compile ??= (require('@fastify/fast-json-stringify-compiler') as typeof Compiler).SerializerSelector()(
        schemas,
        options,
      )
      serialize ??= compile(route)
      return serialize(data)
    }
  }
}

/** Replaces Fastify's own compilers, which it then does not load; the types are theirs. */
export const schemaController = {
  compilersFactory: { buildValidator: () => compileValidator as never, buildSerializer },
}

interface SchemaWithIds {
  anyOf?: SchemaWithIds[]
  oneOf?: SchemaWithIds[]
  allOf?: SchemaWithIds[]
  format?: string
  properties?: Record<string, SchemaWithIds>
  items?: SchemaWithIds
}

const unchanged = (data: unknown): unknown => data

/**
 * Writes the ids of valid data in lower case, as the database returns them: RFC 9562, section 4, allows both. Code that
 * compares an id with that of the caller must not take one in upper case for another.
 */
function lowerIdsOf({ anyOf = [], oneOf = [], allOf = [], ...schema }: SchemaWithIds): (data: unknown) => unknown {
  const parts = [...anyOf, ...oneOf, ...allOf].map(lowerIdsOf).filter(lower => lower !== unchanged)
  if (parts.length > 0) {
    const rest = lowerIdsOf(schema)
    return data => parts.reduce((lowered, lower) => lower(lowered), rest(data))
  }
  const { format, properties = {}, items } = schema
  if (format === 'uuid') return data => (typeof data === 'string' ? data.toLowerCase() : data)
  if (items !== undefined) {
    const lower = lowerIdsOf(items)
    return lower === unchanged ? unchanged : data => (Array.isArray(data) ? data.map(lower) : data)
  }
  const members = Object.entries(properties)
    .map(([name, schema]) => [name, lowerIdsOf(schema)] as const)
    .filter(([, lower]) => lower !== unchanged)
  if (members.length === 0) return unchanged
  return data => {
    if (typeof data !== 'object' || data === null) return data
    const lowered: Record<string, unknown> = { ...data }
    for (const [name, lower] of members) if (name in lowered) lowered[name] = lower(lowered[name])
    return lowered
  }
}

/**
 * The same object with its members in the order of the schema, so that the order in the request does not change the
 * statement that is prepared or the hash of the request.
 */
function inOrder(data: unknown, names: readonly string[]): unknown {
  if (typeof data !== 'object' || data === null || Array.isArray(data) || names.length < 2) return data
  const given = data as Record<string, unknown>
  const ordered = Object.fromEntries(names.filter(name => Object.hasOwn(given, name)).map(name => [name, given[name]]))
  return Object.keys(ordered).length === Object.keys(given).length ? ordered : { ...ordered, ...given }
}

/** A malformed id in the path is answered like an unknown one. */
const refusal = (part: Part, errors: FieldError[]): Problem =>
  part === 'params' ? new Problem('not-found') : new Problem('invalid-fields', { errors: distinct(errors) })

function fieldErrorOf({ instancePath, keyword, params, message = 'is invalid' }: ErrorObject, part: Part): FieldError {
  const root = part === 'body' ? '' : '?'
  const at = (name?: string) => {
    const path = name === undefined ? instancePath : `${instancePath}/${escapePointer(name)}`
    return root === '' ? path : `${root}${path.slice(1)}`
  }
  switch (keyword) {
    case 'required':
      return { pointer: at(params['missingProperty'] as string), detail: 'is required' }
    case 'additionalProperties':
      return { pointer: at(params['additionalProperty'] as string), detail: 'is not known here' }
    case 'x-one-of':
      return { pointer: at(params['property'] as string), detail: message }
    case 'enum':
      return { pointer: at(), detail: `must be one of ${(params['allowedValues'] as string[]).join(', ')}` }
    case 'pattern':
      return { pointer: at(), detail: patternWords[params['pattern'] as string] ?? message }
    case 'format':
      return { pointer: at(), detail: params['format'] === 'line' ? patternWords[LINE]! : message }
    default:
      return { pointer: at(), detail: message }
  }
}

/** What is wrong with a text, where its pattern says it to programs alone. */
const patternWords: Readonly<Record<string, string>> = {
  [LINE]: 'must be one line with visible characters, without control characters or changes of the text direction',
  [PATH]: 'must be a path in one line, without the segment `..`, control characters or changes of the text direction',
  [LINES]: 'must contain no control characters except tabs and line breaks',
  [STORABLE]: 'must contain no NUL character',
}

/** How many faults a response lists: a large body can have thousands. */
const MAX_FAULTS = 100
const MAX_POINTER = 1000

const distinct = (errors: FieldError[]): FieldError[] => {
  const shown = errors
    .slice(0, MAX_FAULTS)
    .map(({ pointer, detail }) => ({ pointer: pointer.slice(0, MAX_POINTER).toWellFormed(), detail }))
  return [...new Map(shown.map(error => [`${error.pointer} ${error.detail}`, error])).values()]
}

const escapePointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** PostgreSQL cannot store NUL, and a lone surrogate is not a character: both are refused before any statement runs. */
function malformedTexts(data: unknown, pointer: string): FieldError[] {
  if (typeof data === 'string') {
    return data.includes('\0') || !data.isWellFormed()
      ? [{ pointer, detail: 'must be well-formed Unicode without NUL' }]
      : []
  }
  if (typeof data !== 'object' || data === null) return []
  return Object.entries(data).flatMap(([name, value]) => malformedTexts(value, `${pointer}/${escapePointer(name)}`))
}

/** A route that declares no query parameters refuses all of them. */
export function refuseUnknownParameters(app: FastifyInstance): void {
  app.addHook('onRoute', route => {
    if (route.schema?.operationId !== undefined)
      route.schema.querystring ??= { type: 'object', properties: {}, additionalProperties: false }
  })
}
