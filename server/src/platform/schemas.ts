import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { LINE, LINES } from './texts.ts'

/** Schemas that several features share. A schema defines validation, type, serializer and OpenAPI at once. */

export const Id = Type.String({
  format: 'uuid',
  maxLength: 36,
  description: 'A UUID: version 5 for a personal organization, otherwise version 7.',
  examples: ['0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e'],
})
/** The id of a kind of resource: `IdOf('project')`. The isolation tests read from it which id to send. */
export const IdOf = (thing: string) => Type.String({ ...Id, 'x-names': thing })

export const Time = Type.String({
  format: 'date-time',
  maxLength: 35,
  description: 'RFC 3339, in UTC.',
  examples: ['2026-11-21T09:30:00.000000Z'],
})

/** A text in one line with a visible character. */
export const LineOf = (maxLength: number, options: { description: string; examples: readonly string[] }) =>
  Type.String({ minLength: 1, maxLength, format: 'line', pattern: LINE, ...options })

/** The maximum length of names, in characters. */
export const NAME_LENGTH = 200
/** Texts that are shown in one line: names of users, organizations, projects, devices and others. */
export const Name = LineOf(NAME_LENGTH, {
  description: 'One line with a visible character: no control characters, line separators or bidirectional overrides.',
  examples: ['Acme Corp'],
})
/** Texts of several lines, such as descriptions. */
export const Text = Type.String({
  maxLength: 4000,
  pattern: LINES,
  description: 'May have several lines: no control characters except tabs and line ends.',
  examples: ['What it is for.'],
})
export const Slug = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[a-z0-9]+(-[a-z0-9]+)*$',
  examples: ['acme-corp'],
})
/** A secret that we issued and a client sends back. */
export const Token = Type.String({ minLength: 1, maxLength: 4096 })
export const Email = Type.String({ format: 'email', maxLength: 254, examples: ['john@example.com'] })
export const Username = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$',
  examples: ['johndoe'],
})

/**
 * The value or null, expressed in `type`. With `anyOf`, every value would be validated when it is sent, which costs
 * more than the rest of a list, and one that is no longer valid would fail the response. The document nevertheless
 * shows an object with a title as `anyOf`, so that it keeps its name.
 */
export const Nullable = <T extends TSchema>(schema: T) => {
  const { type, enum: words } = schema as { type?: unknown; enum?: readonly unknown[] }
  return Type.Unsafe<Static<T> | null>(
    typeof type === 'string'
      ? { ...schema, type: [type, 'null'], ...(words && { enum: [...words, null] }) }
      : Type.Union([schema, Type.Null()]),
  )
}

/** One of some words. */
export const OneOf = <const Words extends readonly string[]>(
  words: Words,
  options: { description?: string; default?: Words[number] } = {},
) => Type.Unsafe<Words[number]>(Type.String({ enum: [...words], ...options }))

/**
 * A permission that a feature declares. The OpenAPI document enumerates them (openapi/permission-schema.ts); a response
 * is not checked against the list.
 */
export const PermissionName = Type.String({ title: 'Permission', maxLength: 100, examples: ['organization:read'] })

/** An object that refuses unknown properties. */
export const Strict = <P extends Record<string, TSchema>>(
  properties: P,
  options: {
    title?: string
    minProperties?: number
    description?: string
    examples?: readonly object[]
    /** Properties of which a value has exactly one; each is declared as optional. The document shows them as `oneOf`. */
    'x-one-of'?: readonly (keyof P & string)[]
  } = {},
) => Type.Object(properties, { additionalProperties: false, ...options })

export const timestamps = { created_at: Time, updated_at: Time }

/** Fits the longest name that a list is sorted by: 200 characters of six bytes in JSON, an id and a MAC, in base64. */
const CURSOR_LENGTH = 2000

/** The most items on a page of any list. */
export const MAX_PAGE = 100

/** `limit`, `cursor` and `include_total`, and the filters of the list. */
export const PageQueryOf = <P extends Record<string, TSchema>>(filters: P) =>
  Strict({
    limit: Type.Integer({ minimum: 1, maximum: MAX_PAGE, default: 20, description: 'The number of items on a page.' }),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: CURSOR_LENGTH, description: '`next_cursor` of the previous page.' }),
    ),
    include_total: Type.Optional(Type.Boolean({ description: 'Whether to count all items.' })),
    ...filters,
  })

export const PageSchema = <T extends TSchema>(item: T) =>
  Type.Object({
    items: Type.Array(item, { maxItems: 100 }),
    next_cursor: Nullable(Type.String({ maxLength: CURSOR_LENGTH, description: 'Null on the last page.' })),
    total: Type.Optional(Type.Integer({ minimum: 0, maximum: 2147483647 })),
  })

export const IdParams = Strict({ id: Id })

/** The response if the caller must not learn more: whether an email is sent, and which one, is decided later. */
export const Accepted = Type.Object(
  { status: Type.Literal('accepted') },
  { title: 'Accepted', description: 'The request was accepted. If an email is due, it will be sent.' },
)
