import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from './test-app.ts'
import type { Answer } from './test-app.ts'

// A reader of the document tries its examples, in order: sign-up first, then everything that creates something.

const { app, admin, call } = await createTestApp()

interface Described {
  operationId: string
  security?: object[]
  requestBody?: { content: Record<string, { example?: unknown }> }
}
const { paths } = (await app.openApi()) as { paths: Record<string, { post?: Described }> }
const posts = Object.entries(paths).flatMap(([path, { post }]) => (post === undefined ? [] : [{ path, ...post }]))
const exampleOf = ({ requestBody }: Described): unknown => Object.values(requestBody?.content ?? {})[0]?.example

/** What cannot succeed as it stands: the request needs a value that only an earlier response or an email contains. */
const needsMore: Readonly<Record<string, string>> = {
  register: 'the address that signUp has just taken',
  refresh: 'a refresh token',
  switchOrganization: 'the id of an organization',
  createBranch: 'the id of a company',
  createDepartment: 'the id of a branch',
  addPasskey: 'the response of an authenticator',
  confirmTotp: 'the code of an authenticator app',
  verifySecondFactor: 'the token of a sign-in',
  challengeSecondFactor: 'the token of a sign-in',
  logInByPasskey: 'the response of an authenticator',
  makeRecoveryCodes: 'a second factor',
  verifyEmail: 'the token of an email',
  completePasswordReset: 'the token of an email',
  listUndoableChanges: 'the token of an email',
  unlock: 'the token of an email',
  undoChange: 'the token of an email',
  describeChange: 'the token of an email',
  challengeUndo: 'the token of an email',
  restoreAccount: 'the token of an email',
  previewInvitation: 'the token of an email',
  acceptInvitation: 'the token of an email',
  exchangeSocialCode: 'the code of a browser',
  completePasswordChange: 'the token of a sign-in',
  createLicensePlan: 'a superuser',
  createLicense: 'a superuser',
  inviteAnyUser: 'a superuser',
  actOnUsers: 'a superuser',
  revokeAnySessions: 'a superuser',
  activateLicense: 'the key of a license',
  renewLicenseActivation: 'the key of a license',
  deactivateLicense: 'the key of a license',
  listOwnLicenseActivations: 'the key of a license',
  createLicenseFile: 'the key of a license',
}

const isDone = ({ status }: Answer): boolean => status < 300

// Red when: the example of logIn names an organization, or has both an address and a username.
test('the example of each request that needs nothing from an earlier one succeeds', async () => {
  const rank = { signUp: -1, changePassword: 1 } as Record<string, number> // the others use the password of the sign-up
  const ordered = posts.toSorted((a, b) => (rank[a.operationId] ?? 0) - (rank[b.operationId] ?? 0))
  let token: string | undefined
  const failed: string[] = []
  for (const operation of ordered) {
    if (/\{/.test(operation.path) || /log-?out/i.test(operation.operationId)) continue
    const headers: Record<string, string> =
      token === undefined || operation.security === undefined ? {} : { authorization: `Bearer ${token}` }
    const answer = await call('POST', operation.path, exampleOf(operation), headers)
    if (operation.operationId === 'signUp') {
      token = answer.body.access_token as string
      await admin.query('update users set email_verified_at = now()')
    }
    if (isDone(answer) === operation.operationId in needsMore)
      failed.push(`${operation.operationId}: ${answer.status} ${answer.text}`)
  }
  assert.deepEqual(failed, [])
})
