import type { Services } from '../../platform/services.ts'
import { recoveryCodeOf } from '../factors/recovery-codes.ts'
import type { FactorVerifier } from './factor.ts'

/** A recovery code stands for any second factor. It is compared when it is used up: too long to guess, it needs no counter. */
export const recoveryCodeVerifier = (services: Pick<Services, 'keys'>): FactorVerifier => ({
  answers: 'recovery_code',
  verify: async (_visitor, { user_id, session_id, answer: { recovery_code = '' }, among }) => ({
    factor: 'recovery_code',
    requirement: recoveryCodeOf(services, { user_id, session_id }, recovery_code, among?.changed_at),
  }),
})
