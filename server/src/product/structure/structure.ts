import { sql } from 'kysely'
import { Type } from 'typebox'
import { OneOf } from '../../platform/schemas.ts'

/** What the three levels of the structure share. */

/** A code, as people write it on forms: unique among the companies, and among what belongs to one company. */
export const Code = Type.String({
  ...Type.String({ minLength: 1, maxLength: 32, pattern: '^[A-Z0-9][A-Z0-9_-]{0,31}$' }),
  description: 'Upper-case letters, digits, `_` and `-`.',
  examples: ['HQ-01'],
  'x-names': 'code',
})

export const sortOfStructure = OneOf(['-created_at', 'created_at', 'name', '-name'], { default: '-created_at' })

/**
 * Takes the key of the organization's structure; a statement that changes the structure does so before it locks rows.
 * Behind a gate that is closed there is no organization and no key, so that a caller without the permission holds up no one.
 */
export const holdStructure = sql`hold_structure((select organization_id from gate where writes))`

/** How deep departments nest (place_department() in structure.sql); the tree has a company and a branch above them. */
const MAX_NESTING = 30
export const MAX_DEPTH = MAX_NESTING + 2
