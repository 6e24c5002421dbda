import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Id, Name, Nullable, OneOf, Strict, Time, timestamps } from '../../platform/schemas.ts'
import {
  Base64url,
  Challenge,
  ClientData,
  credential,
  CredentialId,
  PasskeyAnswer,
  Proof,
  SentBytes,
  Transports,
} from '../proofs/messages.ts'

/**
 * The messages between a browser and an authenticator, as in WebAuthn Level 3, section 5.1: the options are for
 * `PublicKeyCredential.parse…OptionsFromJSON()`, and a response is the result of `credential.toJSON()`.
 */

/** Large enough for an RSA public key, and an attestation that was not requested. */
const Attestation = SentBytes(16384)

export const Passkey = Type.Object(
  {
    id: Id,
    name: Name,
    transports: Transports,
    backed_up: Type.Boolean({ description: 'Whether it is backed up or synced, for example by a password manager.' }),
    last_used_at: Nullable(Time),
    ...timestamps,
  },
  { title: 'Passkey' },
)
export type Passkey = Static<typeof Passkey>

const RegistrationResponse = Type.Unsafe<RegistrationResponseJSON>(
  Type.Object(
    {
      ...credential,
      response: Type.Object({
        clientDataJSON: ClientData,
        attestationObject: Attestation,
        transports: Type.Optional(Nullable(Transports)),
      }),
    },
    { title: 'PasskeyRegistration', description: '`toJSON()` of what `navigator.credentials.create()` gave.' },
  ),
)
export const PasskeyLogin = Strict(
  {
    ...PasskeyAnswer.properties,
    organization_id: Type.Optional(Id),
    device_token: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  },
  { title: 'PasskeyLogin' },
)

export const NewPasskey = Strict(
  { challenge_token: Challenge, name: Name, response: RegistrationResponse, proof: Type.Optional(Proof) },
  { title: 'NewPasskey' },
)
export type NewPasskey = Static<typeof NewPasskey>
export const PasskeyName = Strict({ name: Name }, { title: 'PasskeyName' })

export const RegistrationRequest = Type.Union([
  Strict(
    {
      mediation: Type.Optional(
        OneOf(['conditional'], {
          description:
            'For `navigator.credentials.create({ mediation: "conditional" })`: right after a sign-in with a password, a password manager adds a passkey without asking.',
        }),
      ),
    },
    { title: 'PasskeyRegistrationRequest' },
  ),
  Type.Null(),
])

const Descriptors = Type.Array(
  Type.Object({ id: CredentialId, type: Type.Literal('public-key'), transports: Type.Optional(Transports) }),
  { maxItems: 100 },
)
const Domain = Type.String({ minLength: 1, maxLength: 253 })
const Algorithm = Type.Integer({ minimum: -65536, maximum: 65535, description: 'COSE number.' })
const Milliseconds = Type.Integer({ minimum: 1, maximum: 600_000, description: 'Milliseconds.' })
const Label = Type.String({ minLength: 1, maxLength: 254 })
// Not constants, because the serializer would send those whatever the options contain.
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
          userVerification: OneOf(['required', 'preferred']),
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

const Signalled = { rpId: Domain, userId: Base64url(86) }

/** What password managers learn, so that they offer no removed passkey and show the current names (section 5.1.10). */
export const PasskeySignals = Type.Object(
  {
    all_accepted_credentials: Type.Object(
      { ...Signalled, allAcceptedCredentialIds: Type.Array(CredentialId, { maxItems: 100 }) },
      { description: 'For `PublicKeyCredential.signalAllAcceptedCredentials()`.' },
    ),
    current_user_details: Type.Object(
      { ...Signalled, name: Label, displayName: Label },
      { description: 'For `PublicKeyCredential.signalCurrentUserDetails()`.' },
    ),
  },
  { title: 'PasskeySignals' },
)
export type PasskeySignals = Static<typeof PasskeySignals>
