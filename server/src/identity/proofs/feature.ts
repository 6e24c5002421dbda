import { feature } from '../../platform/feature.ts'
import type { FactorVerifier } from './factor.ts'
import { proofFailed } from './proof.ts'
import { recoveryCodeVerifier } from './recovery-code.ts'

declare module '../../platform/services.ts' {
  interface Services {
    /** The verifiers of second factors; each feature with a second factor adds its own. */
    readonly factorVerifiers: readonly FactorVerifier[]
  }
}

/** Verifies the owner of an account in the same request that changes a sign-in method. */
export const proofs = feature({
  name: 'proofs',
  uses: ['users', 'sessions', 'history', 'passwords', 'lockout', 'changes', 'factors'],
  events: [proofFailed],
  provide: services => ({ factorVerifiers: [recoveryCodeVerifier(services)] }),
})
