import { feature } from '../../platform/feature.ts'
import { authRoutes } from './auth-routes.ts'
import { bodyOf, codeOf, V5Error } from './errors.ts'
import { healthRoutes } from './health-routes.ts'
import { profileRoutes } from './profile-routes.ts'
import { sessionRoutes } from './session-routes.ts'

const description = `The same service for front ends that speak the format \`v5\`: camel case, \`{success: true, data}\`, and tokens that are valid for 24 hours.

An error is \`{success: false, error: {code, message}}\`; \`x-errors\` lists the codes that an operation can return. Fields and parameters that are not documented are ignored. A revoked session is refused at once, however long its token is valid. \`HEAD\` works wherever \`GET\` does. \`x-permission\` names the permission that the caller's role must have, \`x-rate-limit\` a limit stricter than the general one.`

/** v5: a second wire format for the same functions. It has no table, rule or permission of its own. */
export const v5 = feature({
  name: 'v5',
  uses: [
    'health',
    'lockout',
    'mfa',
    'organizations',
    'passwords',
    'preferences',
    'proofs',
    'sessions',
    'sign-in',
    'sign-up',
    'users',
    'workspaces',
  ],
  format: {
    path: '/api/v5',
    alias: '/v5',
    description,
    routes: [healthRoutes, authRoutes, profileRoutes, sessionRoutes],
    errors: { schema: V5Error, codeOf, bodyOf },
  },
})
