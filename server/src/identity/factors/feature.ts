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
    'The code is wrong or already used, or there were too many wrong codes. Wait for the next code, or use another factor.',
  ],
  'second-factor-missing': [
    409,
    'No second factor',
    'Recovery codes can only replace a second factor. First enrol one with POST /api/v1/auth/mfa/totp or /api/v1/auth/passkeys.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}
declare module '../../platform/services.ts' {
  interface Keys {
    /** The MAC key of stored recovery codes. */
    recovery: Buffer
  }
}

/** The common parts of all second factors, and the recovery codes that replace a lost one. */
export const factors = feature({
  name: 'factors',
  uses: ['users', 'sessions', 'history', 'devices', 'changes'],
  sql: [new URL('factors.sql', import.meta.url)],
  tags: { 'Second factors': 'Enrol, verify and remove authenticator apps, and generate recovery codes.' },
  problems,
  events: [recoveryCodesMade, recoveryCodeUsed],
  mails,
  erasure: ({ id }) => [deleteRecoveryCodes(id)],
  provide: ({ config, keys }) => ({ keys: { ...keys, recovery: deriveKey(config.secretKey, 'recovery codes') } }),
})
