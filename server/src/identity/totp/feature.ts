import { deriveKey } from '../../platform/crypto/sealing.ts'
import { execute, tables } from '../../platform/database/statement.ts'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { mails } from './mails.ts'
import { totpRoutes } from './routes.ts'
import { totpVerifier } from './codes.ts'
import { hasTotp, totpAdded, totpIds, totpRemoved } from './totp.ts'

const query = tables('system', 'totp_factors')

const problems = {
  'totp-enrolled': [
    409,
    'Authenticator app enrolled',
    'The account already has an authenticator app. Remove it with DELETE /api/v1/auth/mfa/totp to enrol another.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}
declare module '../../platform/services.ts' {
  interface Keys {
    /** Encrypts the seeds of authenticator apps. */
    totp: Buffer
  }
}

/** Authenticator apps (TOTP, RFC 6238). */
export const totp = feature({
  name: 'totp',
  uses: ['users', 'sessions', 'lockout', 'changes', 'factors', 'proofs'],
  sql: [new URL('totp.sql', import.meta.url)],
  problems,
  events: [totpAdded, totpRemoved],
  mails,
  secondFactor: { method: 'totp', exists: hasTotp, ids: totpIds },
  erasure: ({ id }) => [execute(query.deleteFrom('totp_factors').where('user_id', '=', id))],
  provide: ({ config, keys: given, lockout, factorVerifiers }) => {
    const keys = { ...given, totp: deriveKey(config.secretKey, 'authenticator apps') }
    return { keys, factorVerifiers: [...factorVerifiers, totpVerifier({ keys, lockout })] }
  },
  routes: [totpRoutes],
})
