import { feature } from '../../platform/feature.ts'
import { mfaFailed } from './proofs.ts'
import { mfaRoutes, recoveryCodeRoutes, stepUpRoutes } from './routes.ts'
import { stepUpFailed } from './step-up.ts'

/** The second step of a sign-in, and re-authentication in a session. */
export const mfa = feature({
  name: 'mfa',
  uses: [
    'users',
    'sessions',
    'organizations',
    'passwords',
    'lockout',
    'factors',
    'proofs',
    'sign-in',
    'totp',
    'passkeys',
  ],
  sql: [new URL('mfa.sql', import.meta.url)],
  events: [mfaFailed, stepUpFailed],
  routes: [mfaRoutes, recoveryCodeRoutes, stepUpRoutes],
})
