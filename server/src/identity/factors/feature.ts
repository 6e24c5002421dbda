import { deriveKey } from '../../platform/crypto/sealing.ts'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { recoveryCodesMade } from './factors.ts'
import { mails } from './mails.ts'
import { deleteRecoveryCodes, recoveryCodeUsed } from './recovery-codes.ts'

const problems = {
  'invalid-code': [
    401,
    'Invalid code',
    'The code is wrong, has been used, or too many wrong ones came before. Wait for the next one, or use another factor.',
  ],
  'second-factor-missing': [
    409,
    'No second factor',
    'Recovery codes stand in for a second factor. Enrol one with POST /api/v1/auth/mfa/totp or /api/v1/auth/passkeys first.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}
declare module '../../platform/services.ts' {
  interface Keys {
    /** Recovery codes are kept as MACs under it. */
    recovery: Buffer
  }
}

/** What all second factors share, and the recovery codes that stand in for them. */
export const factors = feature({
  name: 'factors',
  uses: ['users', 'sessions', 'history', 'devices', 'changes'],
  sql: [new URL('factors.sql', import.meta.url)],
  tags: { 'Second factors': 'Authenticator apps and recovery codes: enrolling, verifying, removing.' },
  problems,
  events: [recoveryCodesMade, recoveryCodeUsed],
  mails,
  erasure: ({ id }) => [deleteRecoveryCodes(id)],
  provide: ({ config, keys }) => ({ keys: { ...keys, recovery: deriveKey(config.secretKey, 'recovery codes') } }),
})
