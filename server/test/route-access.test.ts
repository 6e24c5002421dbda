import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createApp } from '../src/app.ts'
import { listAllOperations } from './isolation/operations.ts'
import { createTestApp } from './test-app.ts'

// Who may call each operation, including future ones, read from the document. How each test was made to fail:
// docs/testing.md.

const app = await createTestApp()
const operations = await listAllOperations(app.app)

test('every operation declares who may call it, by an existing permission', () => {
  const known = new Set(['public', 'session', ...Object.keys(app.services.declared.permissions)])
  assert.deepEqual(
    operations.filter(({ access }) => !known.has(access)).map(({ id }) => id),
    [],
  )
})

/** Operations that anyone may call, each with the reason. */
const publicOperations: Readonly<Record<string, string>> = {
  getRoot: 'name, version, links',
  getHealth: 'for monitors',
  getReady: 'for load balancers',
  getKeySet: 'public keys',
  signUp: 'the caller has no account yet',
  register: 'the caller has no account yet',
  logIn: 'authenticated by the password',
  verifySecondFactor: 'authenticated by the mfa_token and the second factor',
  refresh: 'authenticated by the refresh token',
  getAlive: 'for monitors',
  getComponents: 'for monitors; its components are for operators',
  getSystemInfo: 'the metrics token is no session: the route asks for it, or for a superuser',
  getDetailedHealth: 'the metrics token is no session: the route asks for it, or for a superuser',
  getDatabaseHealth: 'the metrics token is no session: the route asks for it, or for a superuser',
  v5GetHealth: 'for monitors',
  v5GetReady: 'for load balancers',
  v5Register: 'the caller has no account yet',
  v5LogIn: 'authenticated by the password',
  v5VerifySecondFactor: 'authenticated by the mfa_token and the second factor',
  v5Refresh: 'authenticated by the refresh token',
  v5LogOut: 'it succeeds without a session',
  previewInvitation: 'authenticated by the link in the email',
  acceptInvitation: 'authenticated by the link in the email',
  unlock: 'authenticated by the link in the email',
  listProviders: 'for the page where users sign in',
  initiateSocialSignIn: 'the caller is not signed in yet',
  endSocialSignIn: 'authenticated by the provider and the cookie of the browser',
  exchangeSocialCode: 'authenticated by the code and the cookie or the verifier',
  logOut: 'an expired access token with its refresh token is enough',
  logInByPasskey: 'authenticated by the passkey',
  challengePasskey: 'the caller is not signed in yet',
  challengeSecondFactor: 'authenticated by the mfa_token',
  verifyEmail: 'authenticated by the link in the email',
  resendVerification: 'a user who must verify an address first cannot sign in',
  requestPasswordReset: 'a user who has forgotten the password cannot sign in',
  completePasswordChange: 'the token of a sign-in that was refused',
  completePasswordReset: 'authenticated by the link in the email',
  restoreAccount: 'authenticated by the link in the email',
  undoChange: 'authenticated by the link in the email',
  describeChange: 'authenticated by the link in the email',
  challengeUndo: 'authenticated by the link in the email',
  listUndoableChanges: 'authenticated by the link in the email',
  validateLicense: 'authenticated by the license key: a program has no session',
  activateLicense: 'authenticated by the license key',
  renewLicenseActivation: 'authenticated by the license key',
  deactivateLicense: 'authenticated by the license key',
  listOwnLicenseActivations: 'authenticated by the license key',
  createLicenseFile: 'authenticated by the license key',
  getLicenseFileKeys: 'public keys, with which programs verify license files',
}

test('only listed operations are public', () => {
  assert.deepEqual(
    operations
      .filter(({ access }) => access === 'public')
      .map(({ id }) => id)
      .sort(),
    Object.keys(publicOperations).sort(),
  )
})

test('a route without access stops the start, even if the document hides it', async () => {
  const bare = await createApp(app.services, app.database)
  after(() => bare.close())
  for (const options of [{}, { schema: { hide: true } }]) {
    assert.throws(
      () => bare.get('/forgotten', options as never, async () => 'everything'),
      /GET \/forgotten declares no access/,
    )
  }
})
