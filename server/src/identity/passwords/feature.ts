import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { passwordChangeToken } from './required-change.ts'
import { policyOf } from './password-policy.ts'
import type { PasswordPolicy } from './password-policy.ts'
import { createPasswords } from './passwords.ts'
import type { Passwords } from './passwords.ts'

const problems = {
  'password-change-required': [
    403,
    'New password required',
    'Everything else was right. Set a new password with POST /api/v1/auth/password-change/complete and the `password_change_token` of this response, then sign in with it.',
  ],
  'weak-password': [422, 'Weak password', 'Choose another password; `errors` lists what is wrong with it.'],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}
declare module '../../platform/services.ts' {
  interface Services {
    readonly passwords: Passwords
    readonly passwordPolicy: PasswordPolicy
  }
}

/**
 * Hashes and verifies passwords, and checks new ones against the policy. It has no tables: the hash is a column of
 * `users`.
 */
export const passwords = feature({
  name: 'passwords',
  problems,
  tokens: [passwordChangeToken],
  provide: async ({ config }) => ({ passwords: await createPasswords(), passwordPolicy: policyOf(config) }),
})
