import { createHmac, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Transaction } from '../../platform/database/database.ts'
import { many, query, raw, statement } from '../../platform/database/statement.ts'

/** How many are made at once. */
const CODES = 10
/** 120 bits: so many that a code needs no slow hash, and nobody to be locked out for guessing. */
const CODE_BYTES = 15
/** Crockford's Base32: no letter that is read as a digit. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** 24 letters and digits in groups of four. */
function makeCode(): string {
  const bits = Array.from(randomBytes(CODE_BYTES), byte => byte.toString(2).padStart(8, '0')).join('')
  const letters = (bits.match(/.{5}/g) ?? []).map(five => ALPHABET[Number.parseInt(five, 2)]).join('')
  return (letters.match(/.{4}/g) ?? []).join('-')
}

/** As people write it: in any case, with or without hyphens and spaces, O for 0, I or L for 1. */
const hashCode = (key: Buffer, user_id: string, code: string): Buffer => {
  const plain = code.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1')
  return createHmac('sha256', key).update(`${user_id}\0${plain}`).digest()
}

/** Ten new codes in the place of all earlier ones (system login, the person locked). Only here they can be read. */
export async function makeRecoveryCodes(transaction: Transaction, key: Buffer, user_id: string): Promise<string[]> {
  const codes = Array.from({ length: CODES }, makeCode)
  await transaction.run(voidRecoveryCodes(user_id))
  await transaction.run(
    many(
      query
        .insertInto('recovery_codes')
        .values(codes.map(code => ({ user_id, code_hash: hashCode(key, user_id, code) }))),
    ),
  )
  return codes
}

export const voidRecoveryCodes = (user_id: string) =>
  many(query.deleteFrom('recovery_codes').where('user_id', '=', user_id))

/** How many are left. */
export const countRecoveryCodes = (user_id: string) =>
  statement(
    raw<{ count: number }>(
      sql`select count(*)::int as count from recovery_codes where user_id = ${user_id} and used_at is null`,
    ),
    ([row]) => row?.count ?? 0,
  )

/** Uses a code up: of two at once, one succeeds. @returns whether it was one */
export const useRecoveryCode = (key: Buffer, user_id: string, code: string) =>
  statement(
    query
      .updateTable('recovery_codes')
      .set({ used_at: sql<string>`now()` })
      .where('user_id', '=', user_id)
      .where('code_hash', '=', hashCode(key, user_id, code))
      .where('used_at', 'is', null)
      .returning('user_id'),
    rows => rows.length > 0,
  )
