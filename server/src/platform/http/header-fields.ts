import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { TSchema } from 'typebox'
import { invalidField } from '../problems.ts'
import { matches } from '../validator.ts'
import { honoursIdempotencyKey } from './route.ts'
import type { RouteRules } from './route.ts'

/** A request header field that some routes honour. The document contains the schema; an invalid value is refused. */
interface HeaderField {
  description: string
  schema: TSchema
  /** The requirement, as the response to an invalid value says it. */
  must: string
}

const tags = {
  schema: Type.String({
    maxLength: 1000,
    pattern: '^[^\\x00-\\x1f]*$',
    examples: ['"0190c9a8-7a55-7d2e-9b1f-3f2b6a1c4d5e.3"'],
  }),
  must: 'must be entity tags in at most 1000 characters, without control characters',
}

export const headerFields = {
  'If-Match': {
    description:
      'The ETag that was read. If the resource has changed since then, the response is 412, and nothing changes.',
    ...tags,
  },
  'If-None-Match': {
    description: 'The ETag that was read. If it is still current, the response is 304, without a body.',
    ...tags,
  },
  'Idempotency-Key': {
    description: 'A repeated request with the same key and body within 24 hours gets the first response again.',
    schema: Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: '^[\\x21-\\x7e]+$',
      examples: ['8e03978e-40d5-43dd-bc93-6894a57f9324'],
    }),
    must: 'must be 1 to 255 visible ASCII characters',
  },
} as const satisfies Record<string, HeaderField>

export type HeaderFieldName = keyof typeof headerFields

/** The fields that a route honours in addition to those that all routes do. */
export function honouredFields(rules: RouteRules & { method: string }): readonly HeaderFieldName[] {
  const { method, tagged } = rules
  if (method === 'POST') return honoursIdempotencyKey(rules) ? ['Idempotency-Key'] : []
  if (tagged !== true) return []
  return [method === 'GET' ? 'If-None-Match' : 'If-Match']
}

/** @throws Problem invalid-fields if a field that the route honours does not match the document */
export function checkHeaderFields({ headers, method }: FastifyRequest, rules: RouteRules): void {
  for (const name of honouredFields({ ...rules, method })) {
    const value = headers[name.toLowerCase()]
    const { schema, must } = headerFields[name]
    if (value !== undefined && !matches(schema, value)) throw invalidField(`#${name}`, must)
  }
}
