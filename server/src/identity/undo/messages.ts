import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Strict, Time, Token } from '../../platform/schemas.ts'
import { FactorProof } from '../proofs/messages.ts'

/** What travels when a change of a way in is undone. */

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
      description: 'Whether a second factor that the account had before the change is asked for.',
    }),
  },
  { title: 'UndoableChange' },
)
export type UndoableChange = Static<typeof UndoableChange>

export const Undo = Strict(
  { token: Token, proof: Type.Optional(FactorProof) },
  { title: 'Undo', description: '`proof` is required where `asks_second_factor` says so.' },
)
