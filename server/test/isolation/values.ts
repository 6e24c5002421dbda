import { randomBytes } from 'node:crypto'
import type { ProblemCode } from '../../src/platform/problems.ts'
import type { World } from './world.ts'

// What the OpenAPI documents do not say: what fields refer to, and the values that requests need.

/** The ending of every word of a world, so that nothing is found in it by chance. */
export const randomWord = (): string => randomBytes(6).toString('hex')

/** The password of all users in these worlds, and of no others. */
export const WORLD_PASSWORD = 'Worldly-horse-8'

/**
 * What a place in a request refers to; every kind can belong to another organization. It is a resource with an id, by
 * its word (`project`, from `IdOf('project')` in the schema), or one of `words`.
 */
export type Kind = string

/** Kinds that are not named by an id. */
export const words = ['email', 'username', 'slug', 'code', 'request', 'text', 'cursor', 'tag', 'key']

/** Resources that every world has; all others are created by the operation that creates them. */
export const builtIn = [
  'organization',
  'user',
  'project',
  'session',
  'invitation',
  'own invitation',
  'device',
  'passkey',
  'identity',
  'support access',
  'license plan',
  'license',
  'license activation',
]

/**
 * Fields and parameters that can refer to a foreign resource, where neither the schema (`IdOf`) nor the path says which
 * kind. Every other id must say it.
 */
export const fields: Readonly<Record<string, Kind>> = {
  'query cursor': 'cursor',
  'query actor': 'user',
  'query entity_id': 'project',
  'query request_id': 'request',
  'query text': 'text',
  'body organization_id': 'organization',
  'body organization_slug': 'slug',
  'body slug': 'slug',
  'body user_id': 'user',
  'body email': 'email',
  'body new_email': 'email',
  'body username': 'username',
  'header If-Match': 'tag',
  'header If-None-Match': 'tag',
  'header Idempotency-Key': 'key',
}

/** A browser's response to any challenge that satisfies the schema; only the challenge decides whose it is. */
const passkeyResponse = {
  id: 'AA',
  rawId: 'AA',
  type: 'public-key',
  clientExtensionResults: {},
  response: { clientDataJSON: 'e30', attestationObject: 'oA', authenticatorData: 'AA', signature: 'AA' },
}

/** Fields and parameters that refer to nothing and need another value than the example of their schema. */
export const plainValues: Readonly<Record<string, unknown>> = {
  'body role': 'viewer',
  'body permissions': ['projects:read'],
  'query ip': ['192.0.2.1'],
  'query explain': ['projects:read', 'organization:delete'],
  'body password': WORLD_PASSWORD,
  'body current_password': WORLD_PASSWORD,
  'body new_password': 'Another-horse-8',
  'body end_other_sessions': false,
  'body key': (world: World) => world.license_key, // the own license's: the key is the credential
  'body refresh_token': (world: World) => world.refresh_token, // the caller's own: another one would sign in that user
  'body refreshToken': (world: World) => world.refresh_token,
  'body token': 'x'.repeat(64), // from a link; what it leads to is decided before the caller matters
  'body device_token': (world: World) => world.device_token,
  'body challenge_token': 'x'.repeat(64),
  'body mfa_token': 'x'.repeat(64),
  'body response': passkeyResponse,
  'body passkey': { challenge_token: 'x'.repeat(64), response: passkeyResponse },
  'body proof': (world: World) => world.nextProof(),
  // For a code from an app, and for the code of a plan, which is unique in the whole service.
  'body code': ({ user_id }: World) =>
    String(Number.parseInt(user_id.slice(-8), 16))
      .padStart(6, '0')
      .slice(-6),
  'body recovery_code': 'none',
  'body trust_device': true,
  'body guest': false, // the user whom it concerns is more than a viewer
  'body superuser': false,
  'body disabled': false,
  'path provider': 'github',
  'body code_verifier': 'v'.repeat(43),
  'body redirect_to': 'https://app.example.com/',
  'query redirect_to': ['https://app.example.com/'],
  'query code_challenge': ['c'.repeat(43)],
  'query state': ['s'.repeat(64)],
  'query code': ['code'],
  'query error': ['access_denied'],
  'query iss': ['https://accounts.google.com'],
  'query action': ['insert', 'update', 'delete'],
  'query entity_type': ['organizations', 'memberships', 'projects'],
  'query key_prefix': ['0QZ7A'],
  'query from': ['2026-01-01T00:00:00Z'],
  'query to': ['2126-01-01T00:00:00Z'],
  'query metrics': ['sign_ins'],
}

/**
 * Operations that need a proof that no fixed request can contain, with the problem that the caller's own request gets
 * instead: a caller who passes the gate gets that far, and no further.
 */
export const unproved: Readonly<Record<string, ProblemCode>> = {
  previewInvitation: 'invalid-token',
  acceptInvitation: 'invalid-token',
  endSocialSignIn: 'invalid-token',
  exchangeSocialCode: 'invalid-token',
  verifyEmail: 'invalid-token',
  completePasswordReset: 'invalid-token',
  completePasswordChange: 'invalid-token',
  unlock: 'invalid-token',
  restoreAccount: 'invalid-token',
  verifySecondFactor: 'invalid-token',
  v5VerifySecondFactor: 'invalid-token',
  v5LogIn: 'mfa-required', // the caller has a second factor, and the device that skips it is in a cookie
  undoChange: 'invalid-token',
  describeChange: 'invalid-token',
  challengeUndo: 'invalid-token',
  listUndoableChanges: 'invalid-token',
  addPasskey: 'invalid-token',
  logInByPasskey: 'invalid-token',
  challengeSecondFactor: 'invalid-token',
  confirmTotp: 'not-found', // no enrollment was started
  removeTotp: 'not-found',
  deleteLicensePlan: 'plan-in-use', // by the license of every world
  issueLicense: 'license-status-conflict', // the license of every world is active
  resumeLicense: 'license-status-conflict',
  reinstateLicense: 'license-status-conflict',
  restoreMember: 'already-member', // the member was not removed
  restorePerson: 'already-member',
  createSupportToken: 'support-access-not-open', // another operator asked for it, and it was not granted
  approveSupportAccessInEmergency: 'second-operator-required', // the caller has not been a superuser for a week
  reactivateOrganization: 'organization-not-suspended',
}

/** Fields of which the tests give exactly one, although an operation takes both. */
export const alternativesOf: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [
    'updateMember',
    'replaceMember',
    'updatePerson',
    'replacePerson',
    'createInvitation',
    'addMember',
    'invitePerson',
    'inviteAnyUser',
  ].map(id => [id, ['role', 'role_id']]),
)
