import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Strict, Time, Token } from '../../platform/schemas.ts'
import { FactorProof } from '../proofs/messages.ts'

/** The schemas for undoing a change of a sign-in method. */

export const UndoableChange = Type.Object(
  {
    token: Token,
    change: Type.String({
      maxLength: 100,
      description: 'The type of the security event.',
      examples: ['passkey-added'],
    }),
    changed_at: Time,
    expires_at: Time,
    asks_second_factor: Type.Boolean({
      description: 'Whether a second factor is required that the account had before the change.',
    }),
  },
  { title: 'UndoableChange' },
)
export type UndoableChange = Static<typeof UndoableChange>

export const Undo = Strict(
  { token: Token, proof: Type.Optional(FactorProof) },
  { title: 'Undo', description: '`proof` is required if `asks_second_factor` is true.' },
)
