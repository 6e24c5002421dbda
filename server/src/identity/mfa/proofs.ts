import { sql } from 'kysely'
import { recordEvent } from '../../directory/history/history.ts'
import { signIn, withAttempt } from '../sign-in/sign-in.ts'
import type { Lockout, Proof, SecondFactor, SecondFactorNeeded, SignedIn, SignInRules } from '../sign-in/sign-in.ts'
import type { Database, Origin, Scope, Transaction } from '../../platform/database/database.ts'
import { findToken, openToken, spendToken } from '../../platform/tokens/one-time-tokens.ts'
import { Problem } from '../../platform/problems.ts'
import { find, get, query, statement } from '../../platform/database/statement.ts'
import { authTime, lockSession } from '../../directory/sessions/sessions.ts'
import type { OwnSession } from '../../directory/sessions/sessions.ts'
import { proveSecondFactor } from '../factors/factors.ts'
import type { FactorKeys } from '../factors/factors.ts'
import type { PasskeyAnswer } from '../passkeys/messages.ts'
import { verifyPasskey } from '../passkeys/passkey-sign-in.ts'
import type { PasskeyTools } from '../passkeys/passkeys.ts'
import { useRecoveryCode } from '../factors/recovery-codes.ts'
import { useTotp } from '../factors/totp.ts'

export interface ProofTools {
  database: Database
  lockout: Lockout
  keys: FactorKeys & { oneTime: Buffer }
  passkeys: PasskeyTools
}

/** What somebody answers when asked for a second factor: one of these. */
export interface FactorAnswer {
  code?: string | undefined
  recovery_code?: string | undefined
  passkey?: PasskeyAnswer | undefined
}

interface Claim {
  scope: Scope
  user_id: string
  session_id: string | null
  answer: FactorAnswer
  /** How history calls a wrong answer. */
  failed: 'mfa-failed' | 'step-up-failed'
}

/** Uses a code up. @returns which kind it was, or undefined when it is not right */
async function useCode(
  transaction: Transaction,
  { keys }: ProofTools,
  { user_id, session_id, answer: { code, recovery_code } }: Claim,
): Promise<SecondFactor | undefined> {
  if (code !== undefined)
    return (await useTotp(transaction, keys.totp, user_id, code)) === undefined ? undefined : 'totp'
  if (recovery_code === undefined || !(await transaction.run(useRecoveryCode(keys.recovery, user_id, recovery_code))))
    return undefined
  await transaction.run(recordEvent('recovery-code-used', user_id, session_id))
  return 'recovery_code'
}

/**
 * Does `work` in a transaction (system login) in which the answer proves a factor; it is given how to ask for the proof, after
 * it has locked what it needs. When the answer is wrong nothing of it stays but the count, which no new token begins anew.
 * Only codes of six digits can be guessed: whoever is kept from them still has a passkey, or a recovery code.
 * @throws Problem invalid-code, and what `work` and verifyPasskey throw; rate-limited, busy
 */
async function withFactor<Result>(
  tools: ProofTools,
  claim: Claim,
  work: (transaction: Transaction, prove: () => Promise<SecondFactor>) => Promise<Result>,
): Promise<Result> {
  const { scope, user_id, session_id, answer, failed } = claim
  const { system } = tools.database
  if (answer.passkey !== undefined) {
    const { passkey_id } = await verifyPasskey(tools.passkeys, scope.origin, answer.passkey, user_id)
    return system.transaction(scope, transaction =>
      work(transaction, async () => {
        if (!(await transaction.run(hasPasskey(user_id, passkey_id)))) throw new Problem('invalid-passkey')
        return 'passkey'
      }),
    )
  }
  const run = (isLocked: boolean) =>
    system.transaction(scope, transaction =>
      work(transaction, async () => {
        const factor = await useCode(transaction, tools, claim)
        // Looked at all the same: being locked is not told from being wrong.
        if (factor === undefined || isLocked) throw new Problem('invalid-code')
        return factor
      }),
    )
  if (answer.code === undefined) {
    return run(false).catch(async (error: unknown) => {
      if (isWrong(error)) await system.run({ origin: scope.origin }, recordEvent(failed, user_id, session_id))
      throw error
    })
  }
  let done: { result: Result } | undefined
  const guess = { who: { user_id }, counter: 'mfa', failed, ...(session_id !== null && { session_id }) } as const
  await withAttempt(tools, scope.origin, guess, async account => {
    try {
      done = { result: await run(account === undefined) }
      return true
    } catch (error) {
      if (isWrong(error)) return false
      throw error
    }
  })
  if (done === undefined) throw new Problem('invalid-code')
  return done.result
}

const isWrong = (error: unknown): boolean => error instanceof Problem && error.code === 'invalid-code'

/**
 * Finishes a sign-in that waits for its second factor. Only success spends the token: a wrong code may be a slip.
 * @throws Problem invalid-token, invalid-code, and what signIn throws
 */
export async function finishSignIn(
  tools: ProofTools,
  rules: SignInRules,
  origin: Origin,
  { mfa_token, trustSeconds, ...answer }: FactorAnswer & { mfa_token: string; trustSeconds?: number | undefined },
): Promise<SignedIn | SecondFactorNeeded> {
  const id = openToken(tools.keys.oneTime, 'mfa', mfa_token)
  const paused = await tools.database.system.run({ origin }, findToken('mfa', id))
  if (paused === undefined || paused.user_id === null) throw new Problem('invalid-token')
  const { user_id } = paused
  const { methods, ...place } = paused.details as object as Pick<Proof, 'methods' | 'organization_id' | 'device_id'>
  const scope = { origin: { ...origin, user_id } }
  return withFactor(
    tools,
    { scope, user_id, session_id: null, answer, failed: 'mfa-failed' },
    async (transaction, prove) => {
      await transaction.run(lockPerson(user_id))
      await transaction.run(spendToken('mfa', id))
      const factor = await prove()
      return signIn(transaction, rules, origin, {
        user_id,
        methods: [...methods, factor],
        isTwoFactor: true,
        ...place,
        trustSeconds,
      })
    },
  )
}

const hasPasskey = (user_id: string, id: string) =>
  statement(
    query.selectFrom('passkeys').select('id').where('id', '=', id).where('user_id', '=', user_id),
    rows => rows.length > 0,
  )

/** Before its factors, as whatever changes those does. */
const lockPerson = (user_id: string) =>
  find(query.selectFrom('users').select('id').where('id', '=', user_id).forNoKeyUpdate())

/**
 * Proves again who one is, by a second factor, which the session then has proved too. @returns the new time of proof, in
 * Unix seconds @throws Problem invalid-code, session-ended
 */
export const stepUpByFactor = (
  tools: ProofTools,
  scope: Scope,
  session: OwnSession,
  answer: FactorAnswer,
): Promise<number> =>
  withFactor(tools, { scope, ...session, answer, failed: 'step-up-failed' }, async (transaction, prove) => {
    await transaction.run(lockSession(session))
    await transaction.run(proveSecondFactor(session.session_id, await prove()))
    const { auth_time } = await transaction.run(
      get(
        query
          .updateTable('sessions')
          .set({ authenticated_at: sql<string>`now()` })
          .where('id', '=', session.session_id)
          .returning(authTime),
      ),
    )
    return auth_time
  })
