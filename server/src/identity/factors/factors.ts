import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import {
  changeCredentials,
  forgetSecondFactor,
  noteSecondFactor,
  revokeSingleFactorSessions,
} from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { Runner, Transaction } from '../../platform/database/database.ts'
import { execute, get, raw, statement, tables } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import type { EventDeclaration } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { untrustDevices } from '../devices/devices.ts'
import { countRecoveryCodes, deleteRecoveryCodes, makeRecoveryCodes, unusedRecoveryCodes } from './recovery-codes.ts'

const query = tables('system', 'live_users', 'sessions')

/** A method that verifies a second factor, as sessions and answers name it. */
export type SecondFactor = 'totp' | 'passkey' | 'recovery_code'

export const recoveryCodesMade = eventKind('recovery-codes-made', { mailed: true })

/** Fails unless the caller's session is live: before what asks no gate itself, such as a guess. @throws Problem session-ended */
export const requireSession = get(tables('tenant', 'self').selectFrom('self').select('session_id'))

/** Locks an account that can be used: before its factors, as everything does that changes them. */
export const lockAccount = (user_id: string) =>
  execute(query.selectFrom('live_users').select('id').where('id', '=', user_id).forNoKeyUpdate())

/** Whether a user has a second factor; recovery codes alone are none. */
const hasSecondFactor = ({ hasSecondFactor: isHeldBy }: Pick<Declarations, 'hasSecondFactor'>, user_id: string) =>
  statement(raw(query, sql<{ has: boolean }>`select ${isHeldBy(sql`${user_id}`)} as has`), ([row]) => row?.has === true)

/** By what a user can verify a second factor, as SQL: none where there are recovery codes alone. */
export function listSecondFactors(
  { secondFactors }: Pick<Declarations, 'secondFactors'>,
  user_id: RawBuilder<unknown>,
): RawBuilder<SecondFactor[]> {
  const held = secondFactors.map(({ method, exists }) => sql`case when ${exists(user_id)} then ${method}::text end`)
  return sql<
    SecondFactor[]
  >`(select case when held <> '{}' and ${unusedRecoveryCodes(user_id)} > 0 then held || 'recovery_code'::text else held end
    from (select array_remove(array[${sql.join(held)}]::text[], null) as held) as methods)`
}

/**
 * Changes the second factors of the caller's account. Where it has one, the session must have verified it: a password
 * alone neither adds another nor removes any, also in a session that is older than the factors. What is thrown undoes all.
 * @throws Problem session-ended, step-up-required, and what `work` throws
 */
export const changeFactors = <Result>(
  visitor: Runner<'system'>,
  { declared }: Pick<Services, 'declared'>,
  session: SessionRef,
  work: (transaction: Transaction<'system'>) => Promise<Result>,
): Promise<Result> =>
  changeCredentials(visitor, session, async transaction => {
    await transaction.run(requireVerifiedFactor(declared, session))
    return work(transaction)
  })

/** That a device is trusted opens a session and verifies nothing: both may have been stolen with the password. */
const requireVerifiedFactor = (declared: Declarations, { session_id }: SessionRef) => {
  const methods = [...declared.secondFactors.map(({ method }) => method), 'recovery_code']
  return statement(
    raw(
      query,
      sql<{ is_missing: boolean }>`select ${declared.hasSecondFactor(sql`sessions.user_id`)}
        and (second_factor_at is null or not methods && ${methods}::text[]) as is_missing
        from sessions where id = ${session_id}`,
    ),
    ([row]) => {
      if (row?.is_missing !== false) throw new Problem('step-up-required')
    },
  )
}

/** A factor that was added: how history and the mail tell of it, and by which method sessions verify it. */
export interface AddedFactor {
  event: EventDeclaration
  method: SecondFactor
}

/**
 * What follows when a second factor was added, in the same transaction: the session has verified it, sessions that have
 * verified none are revoked (a stolen password may have opened them), the user is told, and with the first factor come
 * recovery codes. @returns the codes, shown this once; undefined when there are some already
 */
export async function completeEnrolment(
  transaction: Transaction<'system'>,
  services: Pick<Services, 'keys'>,
  { user_id, session_id }: SessionRef,
  { event, method }: AddedFactor,
): Promise<string[] | undefined> {
  await transaction.run(noteSecondFactor(session_id, method))
  await transaction.run(revokeSingleFactorSessions(user_id, session_id, event.type))
  await transaction.run(recordEvent(event, user_id, session_id))
  if ((await transaction.run(countRecoveryCodes(user_id))) > 0) return undefined
  return makeRecoveryCodes(transaction, services, user_id)
}

/**
 * What follows when one was removed, in the same transaction: the user is told, and with the last one go the recovery
 * codes, the trust in devices, and what sessions have verified.
 */
export async function completeRemoval(
  transaction: Transaction<'system'>,
  { declared }: Pick<Services, 'declared'>,
  { user_id, session_id }: SessionRef,
  event: EventDeclaration,
): Promise<void> {
  await transaction.run(recordEvent(event, user_id, session_id))
  if (await transaction.run(hasSecondFactor(declared, user_id))) return
  await transaction.run(deleteRecoveryCodes(user_id))
  await transaction.run(untrustDevices(user_id))
  await transaction.run(forgetSecondFactor(user_id))
}

/** Replaces all recovery codes. @throws Problem second-factor-missing, session-ended, step-up-required */
export const renewRecoveryCodes = (
  visitor: Runner<'system'>,
  services: Pick<Services, 'declared' | 'keys'>,
  session: SessionRef,
): Promise<string[]> =>
  changeFactors(visitor, services, session, async transaction => {
    if (!(await transaction.run(hasSecondFactor(services.declared, session.user_id))))
      throw new Problem('second-factor-missing')
    await transaction.run(recordEvent(recoveryCodesMade, session.user_id, session.session_id))
    return makeRecoveryCodes(transaction, services, session.user_id)
  })
