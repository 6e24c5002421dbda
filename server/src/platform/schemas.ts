import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { LINE, LINES } from './texts.ts'

/** The words that several features' schemas share. A schema is validation, type, serializer and OpenAPI at once. */

export const Id = Type.String({
  format: 'uuid',
  maxLength: 36,
  description: 'A UUID: version 5 for a personal organization, else 7.',
  examples: ['0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e'],
})
/** An id that names something: `IdOf('project')`. The isolation attack reads from it what to put there. */
export const IdOf = (thing: string) => Type.String({ ...Id, 'x-names': thing })

export const Time = Type.String({
  format: 'date-time',
  maxLength: 35,
  description: 'RFC 3339, in UTC.',
  examples: ['2026-11-21T09:30:00.000000Z'],
})

/** Characters of the longest name. */
export const NAME_LENGTH = 200
/** Every text that is shown in one line: names of people, organizations, projects, devices, and what else has one. */
export const Name = Type.String({
  minLength: 1,
  maxLength: NAME_LENGTH,
  format: 'line',
  pattern: LINE,
  description: 'One line with something to see: no control characters, no line separators, no bidirectional overrides.',
  examples: ['Acme Corp'],
})
/** Texts of several lines, such as descriptions. */
export const Text = Type.String({
  maxLength: 4000,
  pattern: LINES,
  description: 'May have several lines: no control characters but tabs and line ends.',
  examples: ['What it is for.'],
})
export const Slug = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[a-z0-9]+(-[a-z0-9]+)*$',
  examples: ['acme-corp'],
})
/** Something secret that we made and a client sends back. */
export const Token = Type.String({ minLength: 1, maxLength: 4096 })
export const Email = Type.String({ format: 'email', maxLength: 254, examples: ['john@example.com'] })
export const Username = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$',
  examples: ['johndoe'],
})

/**
 * The value or null, said in `type`: as a choice of schemas, every value would be validated when it is sent, which costs
 * more than all else of a list, and one that no longer fits would fail the answer. The document shows an object with a
 * title as a choice all the same, so that it keeps its name.
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

/** An object that refuses what it does not name. */
export const Strict = <P extends Record<string, TSchema>>(
  properties: P,
  options: {
    title?: string
    minProperties?: number
    maxProperties?: number
    description?: string
    examples?: readonly object[]
  } = {},
) => Type.Object(properties, { additionalProperties: false, ...options })

export const timestamps = { created_at: Time, updated_at: Time }

/** Holds the longest name that a list is sorted by: 200 characters of six bytes in JSON, an id and a MAC, in base64. */
const CURSOR_LENGTH = 2000

/** `limit`, `cursor` and `include_total`, and whatever else a list filters by. */
export const PageQueryOf = <P extends Record<string, TSchema>>(filters: P) =>
  Strict({
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'How many items a page holds.' }),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: CURSOR_LENGTH, description: '`next_cursor` of the page before.' }),
    ),
    include_total: Type.Optional(Type.Boolean({ description: 'Count all items too.' })),
    ...filters,
  })

export const PageSchema = <T extends TSchema>(item: T) =>
  Type.Object({
    items: Type.Array(item, { maxItems: 100 }),
    next_cursor: Nullable(Type.String({ maxLength: CURSOR_LENGTH, description: 'Null on the last page.' })),
    total: Type.Optional(Type.Integer({ minimum: 0, maximum: 2147483647 })),
  })

export const IdParams = Strict({ id: Id })

/** The answer where the caller must not learn more: whether a mail is sent, and which, is decided later. */
export const Accepted = Type.Object(
  { status: Type.Literal('accepted') },
  { title: 'Accepted', description: 'Whatever is to be sent will be sent.' },
)
