import { createHmac, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import type { Transaction } from '../../platform/database/database.ts'
import { execute, raw, statement, tables } from '../../platform/database/statement.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import type { Services } from '../../platform/services.ts'
import type { KeptRow } from '../changes/changes.ts'
import type { Requirement } from './requirements.ts'

const query = tables('system', 'recovery_codes')

export const recoveryCodeUsed = eventKind('recovery-code-used', { mailed: true })

/** The number of codes that are made at once. */
const CODES = 10
/** 120 bits: too many to guess, so a code needs neither a slow hash nor a lockout. */
const CODE_BYTES = 15
/** Crockford's Base32: without letters that look like digits. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** 24 letters and digits in groups of four. */
function makeCode(): string {
  const bits = Array.from(randomBytes(CODE_BYTES), byte => byte.toString(2).padStart(8, '0')).join('')
  const letters = (bits.match(/.{5}/g) ?? []).map(five => ALPHABET[Number.parseInt(five, 2)]).join('')
  return (letters.match(/.{4}/g) ?? []).join('-')
}

/** Accepts the code as people write it: in any case, with or without hyphens, dashes and spaces, O for 0, I or L for 1. */
export const hashRecoveryCode = (key: Buffer, user_id: string, code: string): Buffer => {
  const plain = code
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
  return createHmac('sha256', key).update(`${user_id}\0${plain}`).digest()
}

/** Replaces all codes by ten new ones, under the lock of the account. The codes are readable only here. */
export async function makeRecoveryCodes(
  transaction: Transaction<'system'>,
  { keys }: Pick<Services, 'keys'>,
  user_id: string,
): Promise<string[]> {
  const codes = Array.from({ length: CODES }, makeCode)
  await transaction.run(deleteRecoveryCodes(user_id))
  await transaction.run(
    execute(
      query
        .insertInto('recovery_codes')
        .values(codes.map(code => ({ user_id, code_hash: hashRecoveryCode(keys.recovery, user_id, code) }))),
    ),
  )
  return codes
}

export const deleteRecoveryCodes = (user_id: string) =>
  execute(query.deleteFrom('recovery_codes').where('user_id', '=', user_id))

/** Deletes all codes. @returns the rows, to be kept */
export const takeRecoveryCodes = (user_id: string) =>
  statement(
    raw(
      query,
      sql<{ row: KeptRow }>`delete from recovery_codes r where user_id = ${user_id} returning to_jsonb(r) as row`,
    ),
    rows => rows.map(({ row }) => row),
  )

/** Deletes the codes that were made at that time. */
export const deleteRecoveryCodesOf = (user_id: string, made_at: string) =>
  execute(query.deleteFrom('recovery_codes').where('user_id', '=', user_id).where('created_at', '=', made_at))

/** How many codes a user has left, as SQL for either login. */
export const unusedRecoveryCodes = (user_id: RawBuilder<unknown>): RawBuilder<number> =>
  sql<number>`(select count(*)::int from recovery_codes r where r.user_id = ${user_id} and r.used_at is null)`

/** How many codes a user has left. */
export const countRecoveryCodes = (user_id: string) =>
  statement(
    raw(query, sql<{ count: number }>`select ${unusedRecoveryCodes(sql`${user_id}`)} as count`),
    ([row]) => row?.count ?? 0,
  )

/** Uses up a code and notifies the user; of two concurrent uses, one succeeds. */
export const recoveryCodeOf = (
  { keys }: Pick<Services, 'keys'>,
  { user_id, session_id }: { user_id: string; session_id: string | null },
  code: string,
  /** Accepts only codes that were made before this time. */
  before?: string,
): Requirement => ({
  row: sql`update recovery_codes set used_at = now()
    where user_id = ${user_id} and code_hash = ${hashRecoveryCode(keys.recovery, user_id, code)} and used_at is null
      and (${before ?? null}::timestamptz is null or created_at < ${before ?? null}::timestamptz)
    returning record_event(${recoveryCodeUsed.type}, ${user_id}, ${session_id}, '{}', ${recoveryCodeUsed.mailed})`,
  otherwise: 'invalid-code',
})

/** Whether it is an unused code of the user; does not use it up. */
export const findRecoveryCode = ({ keys }: Pick<Services, 'keys'>, user_id: string, code: string): Requirement => ({
  row: sql`select 1 from recovery_codes
    where user_id = ${user_id} and code_hash = ${hashRecoveryCode(keys.recovery, user_id, code)} and used_at is null`,
  otherwise: 'invalid-code',
})
