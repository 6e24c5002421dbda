import type { Json } from './components.ts'

/** Examples by field name, for fields where the example of a shared schema would not make sense. */
const fields: Record<string, unknown> = {
  given_name: 'John',
  family_name: 'Doe',
  full_name: 'John Doe',
  title: 'Engineer',
  access_token: 'eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl',
  refresh_token: 'AZCcip-oVXydLpsfPytqHE1e.0.bWFj',
  permissions: ['projects:read', 'projects:write'],
  user_agent: 'Mozilla/5.0',
  ip: '203.0.113.7',
  expires_in: 900,
  kind: 'team',
  next_cursor: null,
}

const formats: Record<string, string> = {
  uuid: '0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e',
  'date-time': '2026-11-21T09:30:00.000000Z',
  email: 'john@example.com',
  uri: 'https://api.example.com/',
  password: 'SecureP@ss123',
}

/**
 * A request body that the schema accepts. It leaves out optional ids and tokens, because a reader who tries the request
 * has none yet.
 */
export const exampleOfRequest = (schema: Json): unknown => exampleOfSchema(schema, true)

/** A value that a schema accepts, built from the examples of its parts. */
export function exampleOfSchema(schema: Json, isRequest = false): unknown {
  const { examples, anyOf, type, properties, required, items, ...rest } = schema as {
    examples?: unknown[]
    anyOf?: Json[]
    type?: string | readonly string[]
    properties?: Record<string, Json>
    required?: readonly string[]
    items?: Json
    'x-one-of'?: readonly string[]
  }
  if (examples?.[0] !== undefined) return examples[0]
  for (const keyword of ['default', 'const'] as const) if (keyword in schema) return schema[keyword]
  if (Array.isArray(schema['enum'])) return schema['enum'][0]
  if (anyOf?.[0] !== undefined) return exampleOfSchema(anyOf[0], isRequest)
  const alternatives = rest['x-one-of'] ?? []
  const isLeftOut = (name: string, property: Json) =>
    alternatives.includes(name, 1) ||
    (isRequest && required?.includes(name) !== true && (property['format'] === 'uuid' || name.endsWith('_token')))
  switch (Array.isArray(type) ? type[0] : type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(properties ?? {})
          .filter(([name, property]) => !isLeftOut(name, property))
          .map(([name, property]) => [
            name,
            name in fields && fits(fields[name], property) ? fields[name] : exampleOfSchema(property, isRequest),
          ]),
      )
    case 'array':
      return items === undefined ? [] : [exampleOfSchema(items, isRequest)]
    case 'integer':
    case 'number':
      return schema['minimum'] ?? 0
    case 'boolean':
      return false
    case 'null':
      return null
    default:
      return formats[String(schema['format'])] ?? 'text'
  }
}

/** Fields of one name can have different words in different resources. */
const fits = (value: unknown, { enum: words }: Json): boolean => !Array.isArray(words) || words.includes(value)
