import type { AuthenticationResponseJSON } from '@simplewebauthn/server'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { ProblemCode } from '../../platform/problems.ts'
import { Nullable, Strict } from '../../platform/schemas.ts'
import { RecoveryCode } from '../factors/messages.ts'
import { Password } from '../passwords/password-policy.ts'

/** The schemas of a proof: a password, a code, a recovery code or the response of a passkey. */

/** Accepts a code as people type and paste it: with spaces or hyphens anywhere. `plainCode` removes them. */
export const Code = Type.String({
  pattern: '^[\\s\\u2010-\\u2015-]*(?:[0-9][\\s\\u2010-\\u2015-]*){6}$',
  maxLength: 32,
  description: 'Six digits, as the authenticator app shows them; spaces and hyphens are ignored.',
  examples: ['492039'],
})

/** The digits of a code. */
export const plainCode = (code: string): string => code.replace(/\D/g, '')

/** The parts that WebAuthn registrations and authentications share (Level 3, section 5.1). */
export const Base64url = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '^[A-Za-z0-9_-]+$' })
/** As browsers send bytes; some libraries in front of them write the other alphabet, or padding. `plainCredential` reads both. */
export const SentBytes = (maxLength: number, minLength = 1) =>
  Type.String({ minLength, maxLength, pattern: `^[A-Za-z0-9_+/-]${minLength === 0 ? '*' : '+'}={0,2}$` })
const Word = Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' })
/** Credential ids have at most 1023 bytes (section 5.8.3). */
export const CredentialId = Base64url(1364)
const SentId = SentBytes(1366)
export const ClientData = SentBytes(4096)
export const Transports = Type.Array(Word, { maxItems: 10 })

/** Unknown properties are allowed, because browsers add new ones before servers know them. */
export const credential = {
  id: SentId,
  rawId: SentId,
  type: Type.Literal('public-key'),
  authenticatorAttachment: Type.Optional(Nullable(Type.String({ maxLength: 64, pattern: '^[\\x21-\\x7e]*$' }))),
  clientExtensionResults: Type.Optional(Nullable(Type.Object({}))),
}

const AuthenticationResponse = Type.Unsafe<AuthenticationResponseJSON>(
  Type.Object(
    {
      ...credential,
      response: Type.Object({
        clientDataJSON: ClientData,
        authenticatorData: SentBytes(4096),
        signature: SentBytes(4096),
        userHandle: Type.Optional(Nullable(SentBytes(88, 0))),
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

/** The response of a passkey to a challenge, wherever a second factor can be given. */
export const PasskeyAnswer = Strict(
  { challenge_token: Challenge, response: AuthenticationResponse },
  { title: 'PasskeyAnswer' },
)
export type PasskeyAnswer = Static<typeof PasskeyAnswer>

/** The proof of a second factor: exactly one of these. */
export const factorAnswer = {
  code: Type.Optional(Code),
  recovery_code: Type.Optional(RecoveryCode),
  passkey: Type.Optional(PasskeyAnswer),
}

export const factorKinds = ['code', 'recovery_code', 'passkey'] as const

/** Proves, in the request that changes a sign-in method, that it comes from the owner of the account. */
export const Proof = Strict(
  { password: Type.Optional(Password), ...factorAnswer },
  {
    title: 'Proof',
    'x-one-of': ['password', ...factorKinds],
    description:
      'A second factor (`code`, `recovery_code` or `passkey`) if the account has one, else the `password`. ' +
      'An account with neither omits it, and needs a sign-in with its provider within the last two minutes.',
    examples: [{ password: 'SecureP@ss123' }],
  },
)
export type Proof = Static<typeof Proof>

/** The second factor that authorizes undoing a change. */
export const FactorProof = Strict(factorAnswer, {
  title: 'FactorProof',
  'x-one-of': factorKinds,
  examples: [{ code: '492039' }],
})

/**
 * The body of a request that takes only the proof; optional, because an account without password and second factor has
 * none.
 */
export const ProofBody = Type.Union([Strict({ proof: Type.Optional(Proof) }, { title: 'ProofBody' }), Type.Null()])

/** The problems of an operation that takes a proof, in addition to `invalid-fields`. */
export const proofProblems = [
  'invalid-credentials',
  'invalid-code',
  'invalid-passkey',
  'user-not-verified',
  'invalid-token',
  'passkeys-unavailable',
  'step-up-required',
] as const satisfies readonly ProblemCode[]
