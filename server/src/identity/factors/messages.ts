import { Type } from 'typebox'

/** The schemas of recovery codes in requests and responses. */

export const RecoveryCode = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'Case and hyphens are ignored.',
  examples: ['7H2K-9QXW-4M0P-VT3R-E8NA-6C5D'],
})

export const RecoveryCodes = Type.Array(RecoveryCode, {
  maxItems: 10,
  description: 'Ten codes; each works once instead of a second factor. They are shown only in this response.',
})
