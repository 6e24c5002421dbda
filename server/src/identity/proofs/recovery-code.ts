import type { Services } from '../../platform/services.ts'
import { findRecoveryCode, recoveryCodeOf } from '../factors/recovery-codes.ts'
import type { FactorVerifier } from './factor.ts'

/**
 * A recovery code replaces any second factor. It is too long to guess, so it needs no counter; it is checked when it is
 * used.
 */
export const recoveryCodeVerifier = (services: Pick<Services, 'keys'>): FactorVerifier => ({
  answers: 'recovery_code',
  verify: async (_visitor, { user_id, session_id, answer: { recovery_code = '' }, among }) => ({
    factor: 'recovery_code',
    requirement: recoveryCodeOf(services, { user_id, session_id }, recovery_code, among?.changed_at),
    check: findRecoveryCode(services, user_id, recovery_code),
  }),
})
