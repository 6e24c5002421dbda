import { Strict } from '../../platform/schemas.ts'
import { tokenKind } from '../../platform/tokens/one-time-tokens.ts'

/**
 * A sign-in by password that was right, to an account of which an operator requires a new password: the token is good
 * for setting that password, and for nothing else.
 */
export const passwordChangeToken = tokenKind({
  purpose: 'password-change',
  seconds: 900,
  details: Strict({}),
  endsWithPassword: true,
  endsWithAddress: true,
})
