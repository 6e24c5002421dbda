import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { Problem } from '../../platform/problems.ts'
import { get, many, query, raw, statement } from '../../platform/database/statement.ts'
import { lockSession, revokeUnprovedSessions } from '../../directory/sessions/sessions.ts'
import type { OwnSession } from '../../directory/sessions/sessions.ts'
import { countRecoveryCodes, makeRecoveryCodes, voidRecoveryCodes } from './recovery-codes.ts'

/** Keys for one use each, derived from SECRET_KEY. */
export interface FactorKeys {
  /** Encrypts the seeds of authenticator apps. */
  totp: Buffer
  /** Recovery codes are kept as MACs under it. */
  recovery: Buffer
}

/** What may be added, and removed, as history says it. */
type Kind = 'totp' | 'passkey'

/** Fails unless the caller's session lives: before what asks no gate itself, such as a guess. */
export const requireSession = get(query.selectFrom('self').select('session_id'))

/**
 * Holds account and session for a change of second factors. Where the account has one, the session must have proved it: a password alone
 * neither adds another nor removes any, also in a session that is older than the factors.
 * @throws Problem session-ended, step-up-required
 */
export async function lockFactors(transaction: Transaction, session: OwnSession): Promise<void> {
  await transaction.run(lockSession(session))
  if (!(await transaction.run(hasSecondFactor(session.user_id)))) return
  const { has_proved } = await transaction.run(
    get(
      query
        .selectFrom('sessions')
        // That a device is trusted opens the session and proves nothing: both may have been stolen with the password.
        .select(
          sql<boolean>`second_factor_at is not null and methods && array['totp', 'recovery_code', 'passkey']`.as(
            'has_proved',
          ),
        )
        .where('id', '=', session.session_id),
    ),
  )
  if (!has_proved) throw new Problem('step-up-required')
}

/**
 * What follows when a second factor was added, in the same transaction: the session has proved it, those that have proved
 * none end (a stolen password may have opened them), the person is told, and with the first one come recovery codes.
 * @returns the codes, shown this once; undefined when there are some already
 */
export async function completeEnrolment(
  transaction: Transaction,
  keys: FactorKeys,
  { user_id, session_id }: OwnSession,
  kind: Kind,
): Promise<string[] | undefined> {
  await transaction.run(proveSecondFactor(session_id, kind))
  await transaction.run(revokeUnprovedSessions(user_id, session_id, `${kind}-added`))
  await transaction.run(recordEvent(`${kind}-added`, user_id, session_id))
  if ((await transaction.run(countRecoveryCodes(user_id))) > 0) return undefined
  return makeRecoveryCodes(transaction, keys.recovery, user_id)
}

/**
 * What follows when one was removed, in the same transaction: the person is told, and with the last one go the recovery
 * codes, the trust in devices, and what sessions have proved.
 */
export async function completeRemoval(
  transaction: Transaction,
  { user_id, session_id }: OwnSession,
  kind: Kind,
): Promise<void> {
  await transaction.run(recordEvent(`${kind}-removed`, user_id, session_id))
  if (await transaction.run(hasSecondFactor(user_id))) return
  await transaction.run(voidRecoveryCodes(user_id))
  await transaction.run(many(raw(sql`update devices set trusted_until = null where user_id = ${user_id}`)))
  await transaction.run(
    many(
      raw(sql`update sessions set second_factor_at = null where user_id = ${user_id} and second_factor_at is not null`),
    ),
  )
}

/** New recovery codes in the place of all others. @throws Problem second-factor-missing, session-ended, step-up-required */
export async function renewRecoveryCodes(
  transaction: Transaction,
  keys: FactorKeys,
  session: OwnSession,
): Promise<string[]> {
  await lockFactors(transaction, session)
  if (!(await transaction.run(hasSecondFactor(session.user_id)))) throw new Problem('second-factor-missing')
  await transaction.run(recordEvent('recovery-codes-made', session.user_id, session.session_id))
  return makeRecoveryCodes(transaction, keys.recovery, session.user_id)
}

/** Whether an account has a second factor (system login); recovery codes alone are none. */
const hasSecondFactor = (user_id: string) =>
  statement(
    query.selectFrom('second_factors').select(['totp', 'passkey']).where('user_id', '=', user_id),
    ([has]) => has !== undefined && (has.totp || has.passkey),
  )

/**
 * Notes that a session has proved a second factor. A factor is none when the session has begun with that very one and no
 * other, as with a passkey that did not ask who holds it.
 */
export const proveSecondFactor = (session_id: string, method: string) =>
  many(
    raw(sql`update sessions set second_factor_at = case when methods <@ array[${method}::text] then second_factor_at else now() end,
        methods = case when ${method} = any (methods) then methods else methods || ${method}::text end
      where id = ${session_id}`),
  )

/** What one has, and who demands it (system login, under one's session). */
export const getSecondFactors = get(
  raw<{
    totp: boolean
    passkeys: number
    recovery_codes: number
    second_factor_proved: boolean
    required_by: { id: string; name: string }[]
  }>(sql`
    select f.totp, (select count(*)::int from passkeys where passkeys.user_id = self.user_id) as passkeys, f.recovery_codes,
      self.second_factor as second_factor_proved,
      (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name) order by joined_at), '[]')
        from own_organizations where second_factor_required) as required_by
    from self join second_factors f on f.user_id = self.user_id`),
)
