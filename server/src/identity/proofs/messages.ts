import type { AuthenticationResponseJSON } from '@simplewebauthn/server'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { ProblemCode } from '../../platform/problems.ts'
import { Nullable, Strict } from '../../platform/schemas.ts'
import { RecoveryCode } from '../factors/messages.ts'
import { Password } from '../passwords/password-policy.ts'

/** What travels when an account is verified again: a password, a code, a recovery code or a passkey's answer. */

export const Code = Type.String({
  pattern: '^[0-9]{3} ?[0-9]{3}$',
  maxLength: 7,
  description: 'Six digits, as the authenticator app shows them.',
  examples: ['492039'],
})

/** The words of WebAuthn Level 3, section 5.1, that registrations and authentications share. */
export const Base64url = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '^[A-Za-z0-9_-]+$' })
const Word = Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' })
/** Credential ids have at most 1023 bytes (section 5.8.3). */
export const CredentialId = Base64url(1364)
export const ClientData = Base64url(4096)
export const Transports = Type.Array(Word, { maxItems: 10 })

/** What a browser adds and is not named here passes: browsers are ahead of servers. */
export const credential = {
  id: CredentialId,
  rawId: CredentialId,
  type: Type.Literal('public-key'),
  authenticatorAttachment: Type.Optional(Nullable(Word)),
  clientExtensionResults: Type.Object({}),
}

const AuthenticationResponse = Type.Unsafe<AuthenticationResponseJSON>(
  Type.Object(
    {
      ...credential,
      response: Type.Object({
        clientDataJSON: ClientData,
        authenticatorData: Base64url(4096),
        signature: Base64url(4096),
        userHandle: Type.Optional(Nullable(Type.String({ maxLength: 86, pattern: '^[A-Za-z0-9_-]*$' }))),
      }),
    },
    { title: 'PasskeyAuthentication', description: '`toJSON()` of what `navigator.credentials.get()` gave.' },
  ),
)

export const Challenge = Type.String({
  minLength: 64,
  maxLength: 64,
  examples: ['AZCcip6oVXydLpsfPytqHJ2Zr0u4wq7kK3d1o9Xn5bTtYgE8mVhLs6RcPjWfQaUi'],
})

/** A passkey's answer to a challenge, wherever a factor may be given. */
export const PasskeyAnswer = Strict(
  { challenge_token: Challenge, response: AuthenticationResponse },
  { title: 'PasskeyAnswer' },
)
export type PasskeyAnswer = Static<typeof PasskeyAnswer>

/** The second factors, as they are given: one of these. */
export const factorAnswer = {
  code: Type.Optional(Code),
  recovery_code: Type.Optional(RecoveryCode),
  passkey: Type.Optional(PasskeyAnswer),
}

/** What shows, in the request that changes a way in, that it is the account's owner who asks. */
export const Proof = Strict(
  { password: Type.Optional(Password), ...factorAnswer },
  {
    title: 'Proof',
    minProperties: 1,
    maxProperties: 1,
    description:
      'Exactly one: a second factor (`code`, `recovery_code` or `passkey`) where the account has one, else the `password`. ' +
      'An account that has neither leaves it out, and needs a sign-in by its provider younger than two minutes.',
    examples: [{ password: 'SecureP@ss123' }],
  },
)
export type Proof = Static<typeof Proof>

/** The second factor that stands before undoing a change. */
export const FactorProof = Strict(factorAnswer, {
  title: 'FactorProof',
  minProperties: 1,
  maxProperties: 1,
  description: 'Exactly one of `code`, `recovery_code` and `passkey`.',
  examples: [{ code: '492039' }],
})

/** The body of a request that takes nothing but the proof; it may be missing where the account has nothing to prove with. */
export const ProofBody = Type.Union([Strict({ proof: Type.Optional(Proof) }, { title: 'ProofBody' }), Type.Null()])

/** What an operation that takes a proof may refuse it with, beside `invalid-fields`. */
export const proofProblems = [
  'invalid-credentials',
  'invalid-code',
  'invalid-passkey',
  'invalid-token',
  'passkeys-unavailable',
  'step-up-required',
] as const satisfies readonly ProblemCode[]
