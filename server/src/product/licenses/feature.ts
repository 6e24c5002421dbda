import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { licenseLifeRoutes } from './life-routes.ts'
import { licenseRoutes, operatorLicenseRoutes } from './routes.ts'

const permissions = {
  'licenses:read': 'admin',
  'admin:licenses:read': 'superuser',
  'admin:licenses:write': 'superuser',
  'admin:licenses:reinstate': 'superuser',
} as const

const problems = {
  'malformed-key': [
    422,
    'Malformed key',
    'This is not a license key: a character is wrong, missing or swapped. Compare it with the key that was issued.',
  ],
  'license-revoked': [
    409,
    'License revoked',
    'A revoked license does not change. Reinstate it first, with POST /api/v1/licenses/{id}/reinstate.',
  ],
  'license-transferred': [
    409,
    'License transferred',
    'Another license replaces this one, and only one of them counts. Change the replacement (`transferred_to`), transfer it back, or issue a new license.',
  ],
  'license-status-conflict': [
    409,
    'License in another status',
    'This is not possible in the status that the license has: `license_status` names it.',
  ],
  'limit-below-use': [
    409,
    'Limit below use',
    'The organization uses more of `limit_key` than these terms allow: `limit` is the new maximum, `used` the present number. Free some first, or choose a larger plan.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** What an organization has acquired: a key for its programs, and an allowance for itself. */
export const licenses = feature({
  name: 'licenses',
  uses: ['organizations', 'license-plans', 'limits'],
  sql: [new URL('licenses.sql', import.meta.url)],
  tags: { Licenses: 'What organizations have acquired: keys for their programs, seats, quotas and entitlements.' },
  permissions,
  problems,
  routes: [licenseRoutes, operatorLicenseRoutes, licenseLifeRoutes],
})
