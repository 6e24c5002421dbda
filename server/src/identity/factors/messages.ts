import { Type } from 'typebox'

/** What travels about recovery codes. */

export const RecoveryCode = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'In any case, with or without hyphens.',
  examples: ['7H2K-9QXW-4M0P-VT3R-E8NA-6C5D'],
})

export const RecoveryCodes = Type.Array(RecoveryCode, {
  maxItems: 10,
  description: 'Ten codes, each good once in place of a second factor. Shown this once.',
})
