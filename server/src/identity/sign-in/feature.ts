import { deriveKey } from '../../platform/crypto/sealing.ts'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { createIssuer } from './issuer.ts'
import type { Issuer } from './issuer.ts'
import { loginFailed } from './log-in.ts'
import { mails } from './mails.ts'
import { refreshTokenReused } from './refresh.ts'
import { signInRoutes } from './routes.ts'
import { mfaToken } from './sign-in.ts'
import type { SignInRules } from './sign-in.ts'

const problems = {
  'invalid-credentials': [
    401,
    'Invalid credentials',
    'The password is not that of such an account. Check the e-mail address or username, and the password.',
  ],
  'invalid-refresh-token': [
    401,
    'Invalid refresh token',
    'The refresh token is unknown, expired, revoked or used before. Sign in again.',
  ],
  'mfa-required': [
    401,
    'Second factor required',
    'Finish with POST /api/v1/auth/mfa/verify, the `mfa_token` of this answer and one of its `methods`.',
  ],
  'email-unverified': [
    403,
    'E-mail address unverified',
    'Confirm the address by the link in the mail, which a sign-in sends as well; POST /api/v1/auth/verify-email/resend sends another.',
  ],
  'last-way-in': [
    409,
    'Last way in',
    'Without it nobody could sign in to this account. Set a password, or add another passkey or sign-in provider first.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}
declare module '../../platform/services.ts' {
  interface Keys {
    /** Signs refresh tokens. */
    refresh: Buffer
  }
  interface Services {
    readonly signInRules: SignInRules
    readonly issuer: Issuer
  }
}

/** Signing in and out, and going on with a session. Every other sign-in method ends here too. */
export const signIn = feature({
  name: 'sign-in',
  uses: ['users', 'sessions', 'history', 'organizations', 'accounts', 'passwords', 'devices', 'lockout', 'factors'],
  tags: { Authentication: 'Signing up, in, out, and staying signed in.' },
  problems,
  tokens: [mfaToken],
  events: [loginFailed, refreshTokenReused],
  mails,
  provide: ({ config, keys: given, accessTokens }) => {
    const keys = { ...given, refresh: deriveKey(config.secretKey, 'refresh tokens') }
    return {
      keys,
      issuer: createIssuer(accessTokens, keys, config.accessTokenSeconds),
      signInRules: {
        idleSeconds: config.refreshTokenSeconds,
        emailVerification: config.emailVerification,
        unverifiedAccess: config.unverifiedAccess,
      },
    }
  },
  routes: [signInRoutes],
})
