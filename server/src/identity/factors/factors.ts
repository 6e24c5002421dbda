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

/** The name of a second-factor method in sessions and responses. */
export type SecondFactor = 'totp' | 'passkey' | 'recovery_code'

export const recoveryCodesMade = changeKind('recovery-codes-made', {
  words: {
    en: 'New recovery codes were made for your account, and all earlier ones stopped working.',
    de: 'Für Ihr Konto wurden neue Wiederherstellungscodes erzeugt, und alle früheren wurden ungültig.',
  },
  undo: async () => {},
})

/**
 * Requires a live session, before operations that do not ask the gate themselves, such as a guess. @throws Problem
 * session-ended
 */
export const requireSession = get(tables('tenant', 'self').selectFrom('self').select('session_id'))

/** Locks a live account; every transaction that changes second factors does so first. */
export const lockAccount = (user_id: string) =>
  execute(query.selectFrom('live_users').select('id').where('id', '=', user_id).forNoKeyUpdate())

/** Whether a user has a second factor; recovery codes alone do not count. */
const hasSecondFactor = ({ hasSecondFactor: isHeldBy }: Pick<Declarations, 'hasSecondFactor'>, user_id: string) =>
  statement(raw(query, sql<{ has: boolean }>`select ${isHeldBy(sql`${user_id}`)} as has`), ([row]) => row?.has === true)

/** The second-factor methods of a user, as SQL; empty if there are only recovery codes. */
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

/** An added factor: its event, its id, and the method by which sessions verify it. */
export interface AddedFactor {
  kind: ChangeKind
  id: string
  method: SecondFactor
}

/**
 * Runs after a second factor was added, in the same transaction. The session counts as having verified it; sessions
 * without a verified factor are revoked, since a stolen password may have opened them; the user is notified; the first
 * factor also creates recovery codes. @returns the codes, shown only here; undefined if there are some already
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

/** A removed factor: its event, and its row and table, which are kept. */
export interface RemovedFactor {
  kind: ChangeKind
  table: string
  row: KeptRow
}

/**
 * Runs after a factor was removed, in the same transaction: the user is notified, and removing the last one also
 * removes the recovery codes, the trust in devices, and the verified factor of all sessions. Restorable rows are kept.
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

/**
 * Deletes the recovery codes, the trust in devices, and the verified factor of sessions, after the last second factor.
 * @returns the codes' rows
 */
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
