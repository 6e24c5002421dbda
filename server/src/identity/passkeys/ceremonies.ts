import { randomBytes } from 'node:crypto'
import { bytesOfId } from '../../platform/database/ids.ts'
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'

/**
 * WebAuthn (Level 3) for one passkey and one challenge, without knowledge of users: creates the options for a browser,
 * and verifies its response to them. Every ceremony requires user verification, so a passkey always counts as two
 * factors: possession, and knowledge or inherence.
 */

/** The relying party: the domain of the passkeys, its display name, and the origins that may request them. */
export interface RelyingParty {
  id: string
  name: string
  origins: readonly string[]
}

/** A passkey as described to browsers. */
export interface KnownCredential {
  id: string
  transports: string[]
}

/** A new passkey as its authenticator describes it. */
export interface NewCredential {
  credential_id: Buffer
  /** COSE (RFC 9052). */
  public_key: Buffer
  counter: number
  transports: string[]
  backed_up: boolean
}

/** Every authenticator supports one of these: EdDSA, ES256, RS256 (COSE numbers). */
const ALGORITHMS = [-8, -7, -257]
/** Flags of the authenticator data (section 6.1): its byte, and the bit that says that the user was verified. */
const FLAGS_BYTE = 32
const USER_VERIFIED = 0x04
/** The lifetime of a challenge, in seconds; people need time to fetch a security key (WCAG 2.2.1). */
export const CHALLENGE_SECONDS = 300

/** 256 random bits, base64url. */
export const newChallenge = (): string => randomBytes(32).toString('base64url')

const bytesOf = (challenge: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(challenge, 'base64url'))

/** The authenticator asked for neither PIN, fingerprint nor face: a security key without a PIN, for example. */
export class UserNotVerified extends Error {
  override name = 'UserNotVerified'
}

/** Bytes as the library reads them: base64url without padding. */
const plainBytes = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')

/** The response with all bytes in the same notation, whichever library wrote it in front of the browser. */
export function plainCredential<Credential extends { id: string; rawId: string; response: object }>(
  credential: Credential,
): Credential {
  const response = Object.fromEntries(
    Object.entries(credential.response).map(([name, value]) => [
      name,
      typeof value === 'string' ? plainBytes(value) : value,
    ]),
  )
  return { ...credential, id: plainBytes(credential.id), rawId: plainBytes(credential.rawId), response }
}

/** Whether the authenticator says that it has verified the user; the signature that covers it is verified later. */
export const saysUserVerified = ({ response }: AuthenticationResponseJSON): boolean =>
  ((Buffer.from(response.authenticatorData, 'base64url')[FLAGS_BYTE] ?? 0) & USER_VERIFIED) !== 0

/** Loaded on first use, because loading takes a fifth of a second. */
const library = () => import('@simplewebauthn/server')
const decoders = () => import('@simplewebauthn/server/helpers')

/** The user handle of an account: the bytes of its id, without personal data (section 14.6.1). */
export const handleOf = (user_id: string): Buffer => bytesOfId(user_id)

/**
 * Options to create a passkey. With `isConditional` a password manager creates it without asking: verifying the user is
 * then only preferred (section 5.1.3); every use of the passkey verifies the user.
 */
export async function makeRegistrationOptions(
  party: RelyingParty,
  challenge: string,
  user: { id: string; email: string; full_name: string | null },
  known: readonly KnownCredential[],
  isConditional: boolean,
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const { generateRegistrationOptions } = await library()
  return generateRegistrationOptions({
    rpID: party.id,
    rpName: party.name,
    challenge: bytesOf(challenge),
    userID: new Uint8Array(handleOf(user.id)),
    userName: user.email,
    userDisplayName: user.full_name ?? user.email,
    timeout: CHALLENGE_SECONDS * 1000,
    attestationType: 'none',
    excludeCredentials: [...known],
    // Discoverable, so that it signs in without a username.
    authenticatorSelection: { residentKey: 'required', userVerification: isConditional ? 'preferred' : 'required' },
    supportedAlgorithmIDs: ALGORITHMS,
  })
}

/** Options for these passkeys, or for any passkey of the site. */
export async function makeAuthenticationOptions(
  party: RelyingParty,
  challenge: string,
  allowed?: readonly KnownCredential[],
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const { generateAuthenticationOptions } = await library()
  return generateAuthenticationOptions({
    rpID: party.id,
    challenge: bytesOf(challenge),
    timeout: CHALLENGE_SECONDS * 1000,
    userVerification: 'required',
    ...(allowed && { allowCredentials: [...allowed] }),
  })
}

/** The passkey that was created for this challenge. @throws UserNotVerified; Error with the reason if it was not */
export async function readRegistration(
  party: RelyingParty,
  challenge: string,
  response: RegistrationResponseJSON,
  isConditional: boolean,
): Promise<NewCredential> {
  const [{ verifyRegistrationResponse }, { decodeAttestationObject, isoBase64URL }] = [
    await library(),
    await decoders(),
  ]
  const { attestationObject, clientDataJSON } = response.response
  // No attestation was requested (section 5.4.7). Verifying a certificate chain would let a foreign revocation list
  // choose where this server connects to; self attestation has no certificate.
  const attestation = decodeAttestationObject(isoBase64URL.toBuffer(attestationObject))
  const isPlain = attestation.get('fmt') === 'none' || attestation.get('fmt') === 'packed'
  if (!isPlain || attestation.get('attStmt').get('x5c') !== undefined) throw new Error('no attestation was requested')
  if (!isConditional && ((attestation.get('authData')[FLAGS_BYTE] ?? 0) & USER_VERIFIED) === 0)
    throw new UserNotVerified('the authenticator did not verify the user')
  await refuseFrames(clientDataJSON)
  const { verified, registrationInfo } = await verifyRegistrationResponse({
    response,
    expectedChallenge: challenge,
    expectedOrigin: [...party.origins],
    expectedRPID: party.id,
    requireUserPresence: !isConditional,
    requireUserVerification: !isConditional,
    supportedAlgorithmIDs: ALGORITHMS,
  })
  if (!verified) throw new Error('the attestation’s signature is wrong')
  const { credential, credentialBackedUp } = registrationInfo
  if (credential.id !== response.id) throw new Error('the response and the authenticator name different credentials')
  return {
    credential_id: Buffer.from(credential.id, 'base64url'),
    public_key: Buffer.from(credential.publicKey),
    counter: credential.counter,
    transports: credential.transports ?? [],
    backed_up: credentialBackedUp,
  }
}

/**
 * Verifies a passkey's signature over this challenge and returns its data. The counter is not compared here.
 * @throws Error with the reason if the signature is not valid
 */
export async function readAuthentication(
  party: RelyingParty,
  challenge: string,
  response: AuthenticationResponseJSON,
  public_key: Buffer,
): Promise<{ counter: number; backed_up: boolean }> {
  const { verifyAuthenticationResponse } = await library()
  await refuseFrames(response.response.clientDataJSON)
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({
    response,
    expectedChallenge: challenge,
    expectedOrigin: [...party.origins],
    expectedRPID: party.id,
    requireUserVerification: true,
    credential: { id: response.id, publicKey: new Uint8Array(public_key), counter: 0 },
  })
  if (!verified) throw new Error('the signature is wrong')
  return { counter: authenticationInfo.newCounter, backed_up: authenticationInfo.credentialBackedUp }
}

/** Cross-origin frames are not expected (sections 7.1, step 10, and 7.2, step 13). */
async function refuseFrames(clientDataJSON: string): Promise<void> {
  const { decodeClientDataJSON } = await decoders()
  if (decodeClientDataJSON(clientDataJSON).crossOrigin === true)
    throw new Error('the request came from a cross-origin frame')
}
