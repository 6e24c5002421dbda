import { STORABLE } from '../texts.ts'
import { reference } from './components.ts'
import type { Json } from './components.ts'

/**
 * Replaces every schema that has a title by a reference, and collects it under that title. Every integer gets its
 * format, every string its pattern.
 */
export function nameSchemas(node: unknown, named: Json): unknown {
  if (Array.isArray(node)) return node.map(item => nameSchemas(item, named))
  if (typeof node !== 'object' || node === null) return node
  const inner: Json = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, key.startsWith('example') ? value : nameSchemas(value, named)]),
  )
  const { type, title, format, ['x-one-of']: alternatives } = inner
  if (Array.isArray(alternatives)) return asVariants(inner, alternatives as string[], named)
  if ([type].flat().includes('integer')) inner['format'] ??= Number(inner['maximum']) >= 2 ** 31 ? 'int64' : 'int32'
  const isText = type === 'string' || (Array.isArray(type) && type.includes('string'))
  const isBounded = inner['enum'] !== undefined || 'const' in inner || (format !== undefined && format !== 'password')
  // PostgreSQL cannot store NUL, so http/validation.ts refuses it in every text.
  if (isText && !isBounded) inner['pattern'] ??= STORABLE
  if (typeof title !== 'string') return inner
  const isNullable = Array.isArray(type) && type.length === 2 && type[1] === 'null'
  if (typeof type !== 'string' && !isNullable) return inner
  if (isNullable) {
    named[title] ??= { ...inner, type: type[0] }
    return { anyOf: [reference('schemas', title), { type: 'null' }] }
  }
  named[title] = inner
  return reference('schemas', title)
}

/** An object with exactly one of some properties, as one variant for each of them. */
function asVariants(object: Json, alternatives: readonly string[], named: Json): Json {
  const { title, type, properties, additionalProperties, description, examples } = object
  const variants = alternatives.map(chosen => ({
    type,
    required: [...((object['required'] ?? []) as string[]), chosen],
    properties: Object.fromEntries(
      Object.entries(properties as Json).filter(([name]) => name === chosen || !alternatives.includes(name)),
    ),
    ...(additionalProperties !== undefined && { additionalProperties }),
  }))
  const united = {
    title,
    ...(description !== undefined && { description }),
    ...(examples !== undefined && { examples }),
    oneOf: variants,
  }
  if (typeof title !== 'string') return united
  named[title] = united
  return reference('schemas', title)
}
