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
    'No account matches this name and password. Check the email address or username, and the password.',
  ],
  'invalid-refresh-token': [
    401,
    'Invalid refresh token',
    'The refresh token is unknown, expired, revoked or already used. Sign in again.',
  ],
  'mfa-required': [
    401,
    'Second factor required',
    'Finish with POST /api/v1/auth/mfa/verify, the `mfa_token` of this response and one of its `methods`.',
  ],
  'email-unverified': [
    403,
    'Email address unverified',
    'Confirm the address with the link in the email, which a sign-in also sends; POST /api/v1/auth/verify-email/resend sends another.',
  ],
  'last-way-in': [
    409,
    'Last sign-in method',
    'Without it, no one could sign in to this account. First set a password, or add another passkey or sign-in provider.',
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

/** Signing in and out, and refreshing a session. All sign-in methods end here. */
export const signIn = feature({
  name: 'sign-in',
  uses: [
    'limits',
    'users',
    'sessions',
    'history',
    'organizations',
    'accounts',
    'passwords',
    'devices',
    'lockout',
    'factors',
    'invitations',
  ],
  tags: { Authentication: 'Sign up, sign in and out, and stay signed in.' },
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
  firstSteps: { logIn: 20, getMe: 30, refresh: 60 },
  routes: [signInRoutes],
})
