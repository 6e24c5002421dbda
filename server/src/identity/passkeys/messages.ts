import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Id, Name, Nullable, OneOf, Strict, Time, timestamps } from '../../platform/schemas.ts'

/**
 * What travels between a browser and an authenticator, in the words of WebAuthn Level 3, section 5.1: the options are for
 * `PublicKeyCredential.parse…OptionsFromJSON()`, and a response is what `credential.toJSON()` gives.
 */

const Base64url = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '^[A-Za-z0-9_-]+$' })
const Word = Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' })

/** Credential ids have at most 1023 bytes (section 5.8.3). */
const CredentialId = Base64url(1364)
const ClientData = Base64url(4096)
/** Room for a public key of RSA, and an attestation that was not asked for. */
const Attestation = Base64url(16384)
const AuthenticatorData = Base64url(4096)
const Transports = Type.Array(Word, { maxItems: 10 })

export const Passkey = Type.Object(
  {
    id: Id,
    name: Name,
    transports: Transports,
    backed_up: Type.Boolean({ description: 'Whether it is kept in more than one place, as in a password manager.' }),
    last_used_at: Nullable(Time),
    ...timestamps,
  },
  { title: 'Passkey' },
)
export type Passkey = Static<typeof Passkey>

/** What a browser adds and is not named here passes: browsers are ahead of servers. */
const credential = {
  id: CredentialId,
  rawId: CredentialId,
  type: Type.Literal('public-key'),
  authenticatorAttachment: Type.Optional(Nullable(Word)),
  clientExtensionResults: Type.Object({}),
}
const RegistrationResponse = Type.Unsafe<RegistrationResponseJSON>(
  Type.Object(
    {
      ...credential,
      response: Type.Object({
        clientDataJSON: ClientData,
        attestationObject: Attestation,
        transports: Type.Optional(Transports),
      }),
    },
    { title: 'PasskeyRegistration', description: '`toJSON()` of what `navigator.credentials.create()` gave.' },
  ),
)
const AuthenticationResponse = Type.Unsafe<AuthenticationResponseJSON>(
  Type.Object(
    {
      ...credential,
      response: Type.Object({
        clientDataJSON: ClientData,
        authenticatorData: AuthenticatorData,
        signature: Base64url(4096),
        userHandle: Type.Optional(Nullable(Type.String({ maxLength: 86, pattern: '^[A-Za-z0-9_-]*$' }))),
      }),
    },
    { title: 'PasskeyAuthentication', description: '`toJSON()` of what `navigator.credentials.get()` gave.' },
  ),
)

const Challenge = Type.String({
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

export const PasskeyLogin = Strict(
  {
    ...PasskeyAnswer.properties,
    organization_id: Type.Optional(Id),
    device_token: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  },
  { title: 'PasskeyLogin' },
)

export const NewPasskey = Strict(
  { challenge_token: Challenge, name: Name, response: RegistrationResponse },
  { title: 'NewPasskey' },
)
export type NewPasskey = Static<typeof NewPasskey>
export const PasskeyName = Strict({ name: Name }, { title: 'PasskeyName' })

const Descriptors = Type.Array(
  Type.Object({ id: CredentialId, type: Type.Literal('public-key'), transports: Type.Optional(Transports) }),
  { maxItems: 20 },
)
const Domain = Type.String({ minLength: 1, maxLength: 253 })
const Algorithm = Type.Integer({ minimum: -65536, maximum: 65535, description: 'COSE number.' })
const Milliseconds = Type.Integer({ minimum: 1, maximum: 600_000, description: 'Milliseconds.' })
const Label = Type.String({ minLength: 1, maxLength: 254 })
// No constants: they would be sent whatever the options say.
const Required = OneOf(['required'])

export const RegistrationOptions = Type.Object(
  {
    challenge_token: Challenge,
    options: Type.Unsafe<PublicKeyCredentialCreationOptionsJSON>(
      Type.Object({
        rp: Type.Object({ id: Domain, name: Name }),
        user: Type.Object({ id: Base64url(86), name: Label, displayName: Label }),
        challenge: Base64url(86),
        pubKeyCredParams: Type.Array(Type.Object({ type: Type.Literal('public-key'), alg: Algorithm }), {
          maxItems: 10,
        }),
        timeout: Milliseconds,
        excludeCredentials: Descriptors,
        authenticatorSelection: Type.Object({
          residentKey: Required,
          requireResidentKey: Type.Boolean(),
          userVerification: Required,
        }),
        attestation: OneOf(['none']),
      }),
    ),
  },
  { title: 'PasskeyRegistrationOptions' },
)
export type RegistrationOptions = Static<typeof RegistrationOptions>
export const AuthenticationOptions = Type.Object(
  {
    challenge_token: Challenge,
    options: Type.Unsafe<PublicKeyCredentialRequestOptionsJSON>(
      Type.Object({
        rpId: Domain,
        challenge: Base64url(86),
        timeout: Milliseconds,
        allowCredentials: Type.Optional(Descriptors),
        userVerification: Required,
      }),
    ),
  },
  { title: 'PasskeyAuthenticationOptions' },
)
export type AuthenticationOptions = Static<typeof AuthenticationOptions>
