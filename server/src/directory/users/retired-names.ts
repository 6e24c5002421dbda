import { createHmac } from 'node:crypto'
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { Problem } from '../../platform/problems.ts'
import { execute, get, raw, statement, tables } from '../../platform/database/statement.ts'

const query = tables('system', 'retired_names')
const either = tables('either', 'retired_names')

/** The names of an account; case is ignored. */
export interface AccountNames {
  email?: string | null | undefined
  username?: string | null | undefined
}

type Kind = keyof AccountNames

/**
 * The key is that of one-time tokens, which are never derived from a name. Without it, a reader of the table cannot
 * test whether an address is in it.
 */
const digestOf = (key: Buffer, kind: Kind, name: string): Buffer =>
  createHmac('sha256', key).update(`retired ${kind}\0${name.toLowerCase()}`).digest()

/** Whether an erased account had this name. The statement is the same without a name. */
export const isRetired = (key: Buffer, kind: Kind, name: string | null | undefined): RawBuilder<boolean> =>
  sql<boolean>`exists (select from retired_names where digest = ${digestOf(key, kind, name ?? '')})`

interface Retired {
  email: boolean
  username: boolean
}

const retired = (key: Buffer, { email, username }: AccountNames) =>
  raw(
    either,
    sql<Retired>`select ${isRetired(key, 'email', email)} as email, ${isRetired(key, 'username', username)} as username`,
  )

/** Which of these names an erased account had. */
export const findRetiredNames = (key: Buffer, names: AccountNames) => get(retired(key, names))

/** Which of many names erased accounts had. */
export const listRetiredNames = (key: Buffer, kind: Kind, names: readonly string[]) => {
  const byDigest = new Map(names.map(name => [digestOf(key, kind, name).toString('hex'), name.toLowerCase()]))
  const digests = [...byDigest.keys()].map(digest => Buffer.from(digest, 'hex'))
  return statement(
    query
      .selectFrom('retired_names')
      .select('digest')
      .where('digest', '=', sql<Buffer>`any(${digests}::bytea[])`),
    rows => new Set(rows.map(({ digest }) => byDigest.get(digest.toString('hex')))),
  )
}

/** Treats the names of erased accounts as taken. @throws Problem email-taken, username-taken (when read) */
export const refuseRetiredNames = (key: Buffer, names: AccountNames) =>
  statement(retired(key, names), ([found]) => {
    if (found?.email === true) throw new Problem('email-taken')
    if (found?.username === true) throw new Problem('username-taken')
  })

/** Prevents the names of an erased account from being used again. */
export const retireNames = (key: Buffer, { email, username }: AccountNames) => {
  const digests = [
    ...(email ? [digestOf(key, 'email', email)] : []),
    ...(username ? [digestOf(key, 'username', username)] : []),
  ]
  return execute(
    query
      .insertInto('retired_names')
      .values(digests.map(digest => ({ digest })))
      .onConflict(conflict => conflict.doNothing())
      .returning('digest'),
  )
}

/** Allows all names to be used again. */
export const releaseNames = execute(query.deleteFrom('retired_names').returning('digest'))
