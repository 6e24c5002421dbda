import type { Services } from '../../platform/services.ts'
import { findRecoveryCode, recoveryCodeOf } from '../factors/recovery-codes.ts'
import type { FactorVerifier } from './factor.ts'

/** A recovery code stands for any second factor. Too long to guess, it needs no counter: it is compared when it is used up. */
export const recoveryCodeVerifier = (services: Pick<Services, 'keys'>): FactorVerifier => ({
  answers: 'recovery_code',
  verify: async (_visitor, { user_id, session_id, answer: { recovery_code = '' }, among }) => ({
    factor: 'recovery_code',
    requirement: recoveryCodeOf(services, { user_id, session_id }, recovery_code, among?.changed_at),
    check: findRecoveryCode(services, user_id, recovery_code),
  }),
})
