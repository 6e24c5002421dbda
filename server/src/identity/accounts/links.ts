import type { Static, TSchema } from 'typebox'
import type { SystemRunner, Transaction } from '../../platform/database/database.ts'
import { execute, tables } from '../../platform/database/statement.ts'
import type { Statement } from '../../platform/database/statement.ts'
import { spendToken } from '../../platform/tokens/one-time-tokens.ts'
import type { OpenToken, TokenKind } from '../../platform/tokens/one-time-tokens.ts'

const query = tables('system', 'users')

/** Runs one statement for the holder of a link, who reads the mailbox of the account. */
export const runForLink = <Result>(visitor: SystemRunner, one: Statement<'system', Result>): Promise<Result> =>
  // system: a link in an email has no session, and the tenant login can read neither hashes nor tokens
  visitor.run(one)

type Step = (transaction: Transaction<'system'>) => Promise<void>
interface Steps {
  /** Locks rows that come before the account in the order of locks. */
  lock?: Step
  /** Runs before the token is spent. */
  first?: Step
}

/**
 * Runs `work` for the link in an email and spends its token in the same transaction; if `work` throws, the token stays
 * unspent. The account is locked before its token, as in every transaction that revokes tokens of an account. Creates
 * no session. @throws Problem invalid-token
 */
export const redeemLink = <Details extends TSchema, Result>(
  visitor: SystemRunner,
  kind: TokenKind<Details>,
  { id, user_id }: { id: string; user_id: string | null },
  work: (transaction: Transaction<'system'>, token: OpenToken<Static<Details>>) => Promise<Result>,
  { lock, first }: Steps = {},
): Promise<Result> =>
  // system: the user of the link has no session
  visitor.transaction(async transaction => {
    await lock?.(transaction)
    await transaction.run(execute(query.selectFrom('users').select('id').where('id', '=', user_id).forNoKeyUpdate()))
    await first?.(transaction)
    return work(transaction, await transaction.run(spendToken(kind, id)))
  })
