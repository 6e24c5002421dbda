import { randomBytes } from 'node:crypto'
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'

/**
 * What WebAuthn (Level 3) says of one passkey and one challenge, and nothing of users: options for a browser, and whether
 * what comes back was made for them. Every ceremony has the authenticator verify its user, so a passkey is always two
 * factors: having it, and being or knowing what unlocks it.
 */

/** Where passkeys are good: the domain they belong to, its name for people, and the origins that may ask for them. */
export interface RelyingParty {
  id: string
  name: string
  origins: readonly string[]
}

/** A passkey as browsers are told of it. */
export interface KnownCredential {
  id: string
  transports: string[]
}

/** A new passkey, as its authenticator describes it. */
export interface NewCredential {
  credential_id: Buffer
  /** COSE (RFC 9052). */
  public_key: Buffer
  counter: number
  transports: string[]
  backed_up: boolean
}

/** What every authenticator speaks one of: EdDSA, ES256, RS256 (COSE numbers). */
const ALGORITHMS = [-8, -7, -257]
/** How long a challenge is good for; people need time to fetch a key (WCAG 2.2.1). Seconds. */
export const CHALLENGE_SECONDS = 300

/** 256 random bits, base64url, as they travel. */
export const newChallenge = (): string => randomBytes(32).toString('base64url')

const bytesOf = (challenge: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(challenge, 'base64url'))

/** Loaded when it is first needed: it takes a fifth of a second. */
const library = () => import('@simplewebauthn/server')
const decoders = () => import('@simplewebauthn/server/helpers')

/** How authenticators name an account: by the bytes of its id, never by what is personal (section 14.6.1). */
export const handleOf = (user_id: string): Buffer => Buffer.from(user_id.replaceAll('-', ''), 'hex')

export async function makeRegistrationOptions(
  party: RelyingParty,
  challenge: string,
  user: { id: string; email: string; full_name: string | null },
  known: readonly KnownCredential[],
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
    // Discoverable: it signs in without a name.
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    supportedAlgorithmIDs: ALGORITHMS,
  })
}

/** For these passkeys, or for any of the site. */
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

/** The passkey that was made for this challenge. @throws Error saying why it was not */
export async function readRegistration(
  party: RelyingParty,
  challenge: string,
  response: RegistrationResponseJSON,
): Promise<NewCredential> {
  const [{ verifyRegistrationResponse }, { decodeAttestationObject, isoBase64URL }] = [
    await library(),
    await decoders(),
  ]
  const { attestationObject, clientDataJSON } = response.response
  // We asked for no attestation (section 5.4.7). Following a chain of certificates would let a foreign list of revoked
  // ones choose where this server connects to; a key's signature of itself names no certificate.
  const attestation = decodeAttestationObject(isoBase64URL.toBuffer(attestationObject))
  const isPlain = attestation.get('fmt') === 'none' || attestation.get('fmt') === 'packed'
  if (!isPlain || attestation.get('attStmt').get('x5c') !== undefined)
    throw new Error('an attestation was not asked for')
  await refuseFrames(clientDataJSON)
  const { verified, registrationInfo } = await verifyRegistrationResponse({
    response,
    expectedChallenge: challenge,
    expectedOrigin: [...party.origins],
    expectedRPID: party.id,
    requireUserVerification: true,
    supportedAlgorithmIDs: ALGORITHMS,
  })
  if (!verified) throw new Error('the attestation’s signature is wrong')
  const { credential, credentialBackedUp } = registrationInfo
  if (credential.id !== response.id) throw new Error('the answer names another credential than the authenticator')
  return {
    credential_id: Buffer.from(credential.id, 'base64url'),
    public_key: Buffer.from(credential.publicKey),
    counter: credential.counter,
    transports: credential.transports ?? [],
    backed_up: credentialBackedUp,
  }
}

/**
 * What a passkey's signature over this challenge says. Its counter is not compared here with the one before.
 * @throws Error saying why the signature does not hold
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

/** A foreign page around ours is not expected (sections 7.1, step 10, and 7.2, step 13). */
async function refuseFrames(clientDataJSON: string): Promise<void> {
  const { decodeClientDataJSON } = await decoders()
  if (decodeClientDataJSON(clientDataJSON).crossOrigin === true) throw new Error('it was asked for in a foreign frame')
}
