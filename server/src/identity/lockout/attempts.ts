import { createHmac } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { addressKey } from '../../platform/addresses.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import type { Origin } from '../../platform/database/scope.ts'
import { execute, get, raw, tables } from '../../platform/database/statement.ts'
import type { EventDeclaration } from '../../platform/mail/mails.ts'
import { isProblem, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'

const query = tables('system', 'throttles', 'live_users', 'devices', 'sessions')

/** The lockout settings of the operator, and the key for the counters of unknown names. */
export interface Lockout {
  /** The number of failures in a row that locks an account, or one of its known devices. */
  threshold: number
  seconds: number
  /**
   * The number of failures within an hour, over all accounts, that blocks a client address for an hour; 0: no limit.
   */
  failuresPerAddress: number
  key: Buffer
}

/** A guess at a secret of an account, which may not exist. */
export interface Guess<Secret> {
  who: { email: string } | { username: string } | { user_id: string }
  /** Codes have their own counter, since only someone who knows the password can guess them. */
  counter: 'password' | 'mfa'
  /** The stored secret to compare with, as SQL on the row `account`. */
  secret: RawBuilder<Secret | null>
  /** The security event that records a wrong guess. */
  failed: EventDeclaration
  /** Whether an account counts that is disabled, or deleted and not erased; else only one that can be used. */
  isAnyState?: boolean
  /** A device that the client names, or the session whose device it is: a known one has a counter of its own. */
  device_id?: string | undefined
  session_id?: string | undefined
}

/** A guess at the password of an account. */
export const passwordGuess = { counter: 'password', secret: sql<string | null>`account.password_hash` } as const

export interface GuessedAccount<Secret> {
  user_id: string
  secret: Secret | null
}

/** A guess that is counted but not settled yet; if it is never settled, it counts as failed. */
export interface OpenGuess<Secret = unknown> {
  /** Undefined if there is no account or its counter is locked. A decoy is then verified, so that both look alike. */
  account: GuessedAccount<Secret> | undefined
  /** SQL that settles the counters (undefined: the guess was not verified after all), and records a wrong guess. */
  settlement: (isRight: boolean | undefined) => RawBuilder<unknown>
}

/** In milliseconds, two seconds in total: with more concurrent guesses than that, a longer wait does not help. */
const WAITS = [25, 50, 100, 150, 200, 250, 250, 250, 250, 250, 225]

/**
 * Counts a guess before it is verified, so that concurrent guesses, on any number of nodes, never exceed what the
 * counter has left. @throws Problem rate-limited when too many have failed from this address; busy
 */
export async function reserveGuess<Secret>(
  visitor: SystemRunner,
  { lockout }: Pick<Services, 'lockout'>,
  guess: Guess<Secret>,
): Promise<OpenGuess<Secret>> {
  const reserved = await reserve(visitor, lockout, guess)
  const { user_id, secret, verdict } = reserved
  return {
    account: verdict === 'locked' || user_id === null ? undefined : { user_id, secret },
    settlement: isRight => settlement(lockout, guess, reserved, isRight),
  }
}

/** Settles a right guess in the transaction that it was made for. */
export const settleRight = ({ settlement }: OpenGuess) => execute(raw(query, sql`select ${settlement(true)}`))

/** Settles a guess in a separate round trip. */
const settleGuess = (visitor: SystemRunner, { settlement }: OpenGuess, isRight: boolean | undefined): Promise<void> =>
  // system: counters belong to all accounts, and to unknown names
  visitor.run(execute(raw(query, sql`select ${settlement(isRight)}`)))

/**
 * Verifies a guess. A wrong one is settled; a right one stays open until the operation that it was made for settles it.
 * If `verify` throws, the guess does not count. @returns the account when it was right
 */
export async function verifyGuess<Secret>(
  visitor: SystemRunner,
  guess: OpenGuess<Secret>,
  verify: (account: GuessedAccount<Secret> | undefined) => Promise<boolean>,
): Promise<GuessedAccount<Secret> | undefined> {
  const { account } = guess
  let isRight: boolean
  try {
    isRight = (await verify(account)) && account !== undefined
  } catch (error) {
    await settleGuess(visitor, guess, undefined)
    throw error
  }
  if (isRight) return account
  await settleGuess(visitor, guess, false)
  return undefined
}

/** Settles a guess after its operation failed with this error, which also rolled back the settlement. */
export async function settleRefused(
  visitor: SystemRunner,
  guess: OpenGuess,
  error: unknown,
  isRight: boolean | undefined,
): Promise<void> {
  // It may have been settled before the connection was lost; if not, it soon counts as failed.
  const isLost = isProblem(error, 'database-unavailable')
  if (!isLost) await settleGuess(visitor, guess, isRight)
}

/** Counts, verifies and settles one guess. @returns the account when it was right @throws what reserveGuess and `verify` throw */
export async function withAttempt<Secret>(
  visitor: SystemRunner,
  services: Pick<Services, 'lockout'>,
  guess: Guess<Secret>,
  verify: (account: GuessedAccount<Secret> | undefined) => Promise<boolean>,
): Promise<GuessedAccount<Secret> | undefined> {
  const open = await reserveGuess(visitor, services, guess)
  const account = await verifyGuess(visitor, open, verify)
  if (account !== undefined) await settleGuess(visitor, open, true)
  return account
}

/** The result of a reservation: a guess is verified only after `go`, or against a decoy after `locked`. */
interface Reserved<Secret> {
  user_id: string | null
  secret: Secret | null
  counter: string
  address: string | null
  verdict: 'go' | 'wait' | 'locked' | 'blocked'
  retry_seconds: number
}

async function reserve<Secret>(
  visitor: SystemRunner,
  lockout: Lockout,
  guess: Guess<Secret>,
): Promise<Reserved<Secret>> {
  for (const wait of [...WAITS, undefined]) {
    // system: a guess is counted before its account is known
    const reserved = await visitor.run(reservation(lockout, visitor.origin, guess))
    if (reserved.verdict === 'blocked') throw new Problem('rate-limited', { retryAfter: reserved.retry_seconds })
    if (reserved.verdict !== 'wait') return reserved
    if (wait !== undefined) await delay(wait)
  }
  throw new Problem('busy', { retryAfter: 1 })
}

/** Finds the account and takes a guess from its counters; the statement is the same if no account is found. */
function reservation<Secret>(
  lockout: Lockout,
  origin: Origin,
  { who, counter, secret, isAnyState, device_id, session_id }: Guess<Secret>,
) {
  const [column, name] =
    'email' in who
      ? ['email', who.email.toLowerCase()]
      : 'username' in who
        ? ['username', who.username.toLowerCase()]
        : ['id', who.user_id]
  // An unknown name is counted as well, under a digest, so that it takes as long as a known one.
  const unknown = `unknown ${createHmac('sha256', lockout.key).update(name).digest('base64url')}`
  const address = lockout.failuresPerAddress === 0 ? null : `address ${addressKey(origin.ip)}`
  const device = sql`coalesce(${device_id ?? null}::uuid, (select s.device_id from sessions s where s.id = ${session_id ?? null}::uuid))`
  const own = counter === 'mfa' ? sql`'mfa ' || account.id` : sql`'device ' || devices.id, 'account ' || account.id`
  return get(
    raw(
      query,
      sql<Reserved<Secret>>`with guessed as materialized (
        select account.id as user_id, ${secret} as secret, coalesce(${own}, ${unknown}) as counter,
          case when devices.id is null then ${address}::text end as address
        from (select) one
        left join ${isAnyState === true ? sql`users` : sql`live_users`} account on account.${sql.ref(column)} = ${name}
        left join devices on devices.id = ${device} and devices.user_id = account.id and devices.revoked_at is null)
      select guessed.*, reserved.verdict, reserved.retry_seconds from guessed cross join lateral reserve_guess(counter,
        ${lockout.threshold}, ${lockout.seconds}, user_id, address, ${lockout.failuresPerAddress}) reserved`,
    ),
  )
}

/** Settles the counters of the guess, and records a wrong one. */
function settlement(
  { threshold, seconds, failuresPerAddress }: Lockout,
  { failed, session_id }: Pick<Guess<unknown>, 'failed' | 'session_id'>,
  { user_id, counter, address, verdict }: Reserved<unknown>,
  isRight: boolean | undefined,
): RawBuilder<unknown> {
  // A locked guess was taken only from the counter of the address.
  const isLocked = verdict === 'locked'
  const settled = sql`settle_guess(${isLocked ? null : counter}, ${threshold}, ${seconds}, ${user_id}, ${address}, ${failuresPerAddress}, ${isRight ?? null})`
  if (isRight !== false) return settled
  const details = JSON.stringify(isLocked ? { locked: true } : {})
  return sql`${settled}, record_event(${failed.type}, ${user_id}, ${session_id ?? null}, ${details}, ${failed.mailed})`
}
