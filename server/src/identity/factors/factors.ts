import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { forgetSecondFactor, noteSecondFactor, revokeSingleFactorSessions } from '../../directory/sessions/sessions.ts'
import type { SessionRef } from '../../directory/sessions/sessions.ts'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, get, raw, statement, tables } from '../../platform/database/statement.ts'
import type { Declarations } from '../../platform/declarations.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { changeKind, recordChange } from '../changes/changes.ts'
import type { ChangeKind, KeptRow } from '../changes/changes.ts'
import { untrustDevices } from '../devices/devices.ts'
import { countRecoveryCodes, makeRecoveryCodes, takeRecoveryCodes, unusedRecoveryCodes } from './recovery-codes.ts'

const query = tables('system', 'live_users')

/** A method that verifies a second factor, as sessions and answers name it. */
export type SecondFactor = 'totp' | 'passkey' | 'recovery_code'

export const recoveryCodesMade = changeKind('recovery-codes-made', {
  words: {
    en: 'New recovery codes were made for your account, and all earlier ones stopped working.',
    de: 'Für Ihr Konto wurden neue Wiederherstellungscodes erzeugt, und alle früheren wurden ungültig.',
  },
  undo: async () => {},
})

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

/** A factor that was added: how history and the mail tell of it, its id, and by which method sessions verify it. */
export interface AddedFactor {
  kind: ChangeKind
  id: string
  method: SecondFactor
}

/**
 * What follows when a second factor was added, in the same transaction: the session has verified it, sessions that have
 * verified none are revoked (a stolen password may have opened them), the user is told, and with the first factor come
 * recovery codes. @returns the codes, shown this once; undefined when there are some already
 */
export async function completeEnrolment(
  transaction: Transaction<'system'>,
  services: Pick<Services, 'declared' | 'keys'>,
  { user_id, session_id }: SessionRef,
  { kind, id, method }: AddedFactor,
): Promise<string[] | undefined> {
  await transaction.run(noteSecondFactor(session_id, method))
  await transaction.run(revokeSingleFactorSessions(user_id, session_id, kind.type))
  await transaction.run(recordChange(services.declared, kind, { user_id, session_id, trace: { added: id } }))
  if ((await transaction.run(countRecoveryCodes(user_id))) > 0) return undefined
  return makeRecoveryCodes(transaction, services, user_id)
}

/** A factor that was removed: how history and the mail tell of it, and its row, to be kept with its table. */
export interface RemovedFactor {
  kind: ChangeKind
  table: string
  row: KeptRow
}

/**
 * What follows when one was removed, in the same transaction: the user is told, and with the last one go the recovery
 * codes, the trust in devices, and what sessions have verified. What can be put back is kept.
 */
export async function completeRemoval(
  transaction: Transaction<'system'>,
  { declared }: Pick<Services, 'declared'>,
  { user_id, session_id }: SessionRef,
  { kind, table, row }: RemovedFactor,
): Promise<void> {
  const codes = await forgetFactors(transaction, declared, user_id)
  const kept = { [table]: [row], ...(codes.length > 0 && { recovery_codes: codes }) }
  const trace = { removed: String(row['id']), kept }
  await transaction.run(recordChange(declared, kind, { user_id, session_id, trace }))
}

/** With the last second factor go the recovery codes, the trust in devices, and what sessions have verified. @returns the codes' rows */
export async function forgetFactors(
  transaction: Transaction<'system'>,
  declared: Pick<Declarations, 'hasSecondFactor'>,
  user_id: string,
): Promise<KeptRow[]> {
  if (await transaction.run(hasSecondFactor(declared, user_id))) return []
  await transaction.run(untrustDevices(user_id))
  await transaction.run(forgetSecondFactor(user_id))
  return transaction.run(takeRecoveryCodes(user_id))
}

/** Replaces all recovery codes of an account that has a second factor. @throws Problem second-factor-missing */
export async function renewRecoveryCodes(
  transaction: Transaction<'system'>,
  services: Pick<Services, 'declared' | 'keys'>,
  { user_id, session_id }: SessionRef,
): Promise<string[]> {
  if (!(await transaction.run(hasSecondFactor(services.declared, user_id)))) throw new Problem('second-factor-missing')
  await transaction.run(recordChange(services.declared, recoveryCodesMade, { user_id, session_id, trace: {} }))
  return makeRecoveryCodes(transaction, services, user_id)
}
