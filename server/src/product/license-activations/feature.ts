import { sql } from 'kysely'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { limitPrograms } from './program-limits.ts'
import { activationRoutes, operatorActivationRoutes, programRoutes } from './routes.ts'

const permissions = { 'licenses:write': 'admin' } as const

const problems = {
  'license-not-found': [404, 'License not found', 'No license has this key. Compare it with the key that was issued.'],
  'license-not-usable': [
    403,
    'License not usable',
    'The license cannot be used now: `license_status` says why (draft, suspended, revoked, expired or not-started). Ask the seller of the program.',
  ],
  'activations-exhausted': [
    409,
    'Activations exhausted',
    'The license is in use on as many devices as it allows: `limit`, and `used` now. Deactivate one of them first (POST /api/v1/licenses/activations lists them), or ask the seller for more.',
  ],
  'activation-missing': [404, 'Activation missing', 'This device has no activation of the license. Activate it first.'],
  'heartbeat-dead': [
    409,
    'Activation expired',
    'The activation of this device expired, because no heartbeat came in time. Activate the device again.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/gate/permissions.ts' {
  interface DeclaredPermissions extends Codes<typeof permissions> {}
}
declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Devices on which licenses are in use: validation, activation, heartbeats and leases, by programs that hold only a key. */
export const licenseActivations = feature({
  name: 'license-activations',
  uses: ['organizations', 'license-plans', 'licenses'],
  sql: [new URL('license-activations.sql', import.meta.url)],
  tags: { 'License activations': 'Validation of licenses, and the devices on which they are in use.' },
  permissions,
  problems,
  // Expired activations no longer count; these have been expired for a day.
  retention: [
    { table: 'license_activations', key: 'id', ofOrganizations: true, isOver: () => sql`removable_at < now()` },
  ],
  provide: ({ config }) => ({ limitsOfPrograms: limitPrograms(config.rateLimit) }),
  routes: [programRoutes, activationRoutes, operatorActivationRoutes],
})
