import { sql } from 'kysely'
import { get, raw, tables } from '../../platform/database/statement.ts'
import { unusedRecoveryCodes } from '../factors/recovery-codes.ts'
import { passkeyCount } from '../passkeys/passkeys.ts'
import { hasTotp } from '../totp/totp.ts'

const query = tables('tenant', 'self', 'own_organizations')

interface SecondFactorStatus {
  totp: boolean
  passkeys: number
  recovery_codes: number
  second_factor_proved: boolean
  required_by: { id: string; name: string }[]
}

const user_id = sql.ref('self.user_id')

/**
 * The second factors of the current user, whether the session has verified one, and the organizations that require one.
 */
export const getSecondFactors = get(
  raw(
    query,
    sql<SecondFactorStatus>`select ${hasTotp(user_id)} as totp, ${passkeyCount(user_id)} as passkeys,
      ${unusedRecoveryCodes(user_id)} as recovery_codes, self.second_factor as second_factor_proved,
      (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name) order by joined_at), '[]')
        from own_organizations where second_factor_required) as required_by
      from self`,
  ),
)
