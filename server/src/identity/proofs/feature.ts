import { feature } from '../../platform/feature.ts'
import type { FactorVerifier } from './factor.ts'
import { proofFailed } from './proof.ts'
import { recoveryCodeVerifier } from './recovery-code.ts'

declare module '../../platform/services.ts' {
  interface Services {
    /** How the second factors are verified; each feature that holds one adds its own. */
    readonly factorVerifiers: readonly FactorVerifier[]
  }
}

/** The owner of an account, verified in the very request that changes a way in. */
export const proofs = feature({
  name: 'proofs',
  uses: ['users', 'sessions', 'history', 'passwords', 'lockout', 'changes', 'factors'],
  events: [proofFailed],
  provide: services => ({ factorVerifiers: [recoveryCodeVerifier(services)] }),
})
