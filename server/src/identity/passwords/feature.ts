import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { policyOf } from './password-policy.ts'
import type { PasswordPolicy } from './password-policy.ts'
import { createPasswords } from './passwords.ts'
import type { Passwords } from './passwords.ts'

const problems = {
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
  provide: async ({ config }) => ({ passwords: await createPasswords(), passwordPolicy: policyOf(config) }),
})
