import { createHmac } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { addressKey } from '../../platform/addresses.ts'
import type { Origin, SystemRunner } from '../../platform/database/database.ts'
import { execute, get, raw, tables } from '../../platform/database/statement.ts'
import type { EventDeclaration } from '../../platform/mail/mails.ts'
import { Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'

const query = tables('system', 'throttles', 'live_users', 'devices', 'sessions')

/** What an operator has decided about guessing, and the key of the counters of names that no account has. */
export interface Lockout {
  /** Failures in a row that lock; for an account and each of its known devices. */
  threshold: number
  seconds: number
  /** Failures within an hour, over all accounts, that block a client address for an hour; 0: none does. */
  failuresPerAddress: number
  key: Buffer
}

/** A guess at a secret of an account, which may not exist. */
export interface Guess {
  who: { email: string } | { username: string } | { user_id: string }
  /** Codes are guessed by those who know the password already, so they are counted apart. */
  counter: 'password' | 'mfa'
  /** The event that a wrong one is written down as. */
  failed: EventDeclaration
  /** A device that the client names, or the session whose device it is: a known one has a counter of its own. */
  device_id?: string | undefined
  session_id?: string | undefined
}

export interface GuessedAccount {
  user_id: string
  password_hash: string | null
}

/** Two seconds in all: after that so much is being tried at once that waiting longer does not help. Milliseconds. */
const WAITS = [25, 50, 100, 150, 200, 250, 250, 250, 250, 250, 225]

/**
 * Verifies one guess under the lockout. It is counted before `verify` runs, so however many come at once, on however many
 * nodes, no more are verified than the counter has left. `verify` is given the account, or undefined when there is none or
 * its counter is locked, and then does the same work in vain: one is not told from the other. What it throws counts as no
 * guess.
 * @returns the account when the guess was right; undefined when it was wrong, or nothing was verified
 * @throws Problem rate-limited when too many have failed from this address; busy
 */
export async function withAttempt(
  visitor: SystemRunner,
  { lockout }: Pick<Services, 'lockout'>,
  guess: Guess,
  verify: (account: GuessedAccount | undefined) => Promise<boolean>,
): Promise<GuessedAccount | undefined> {
  const reserved = await reserve(visitor, lockout, guess)
  const { user_id, password_hash } = reserved
  const account = reserved.verdict === 'locked' || user_id === null ? undefined : { user_id, password_hash }
  const settle = (isRight: boolean | undefined) =>
    // system: counters are of all accounts, and of names that no account has
    visitor.run(settlement(lockout, guess, reserved, isRight))
  let isRight: boolean
  try {
    isRight = (await verify(account)) && account !== undefined
  } catch (error) {
    await settle(undefined)
    throw error
  }
  await settle(isRight)
  return isRight ? account : undefined
}

/** What came of asking for a guess: nothing is verified unless it says `go`, or `locked`, and then in vain. */
interface Reserved {
  user_id: string | null
  password_hash: string | null
  counter: string
  address: string | null
  verdict: 'go' | 'wait' | 'locked' | 'blocked'
  retry_seconds: number
}

async function reserve(visitor: SystemRunner, lockout: Lockout, guess: Guess): Promise<Reserved> {
  for (const wait of [...WAITS, undefined]) {
    // system: a guess is counted before it is known whose it is
    const reserved = await visitor.run(reservation(lockout, visitor.origin, guess))
    if (reserved.verdict === 'blocked') throw new Problem('rate-limited', { retryAfter: reserved.retry_seconds })
    if (reserved.verdict !== 'wait') return reserved
    if (wait !== undefined) await delay(wait)
  }
  throw new Problem('busy', { retryAfter: 1 })
}

/** Finds the account and takes a guess from its counters; the same statement whether there is one or not. */
function reservation(lockout: Lockout, origin: Origin, { who, counter, device_id, session_id }: Guess) {
  const [column, name] =
    'email' in who
      ? ['email', who.email.toLowerCase()]
      : 'username' in who
        ? ['username', who.username.toLowerCase()]
        : ['id', who.user_id]
  // A name that no account has is counted as well, under a digest: it is as slow as one that has.
  const unknown = `unknown ${createHmac('sha256', lockout.key).update(name).digest('base64url')}`
  const address = lockout.failuresPerAddress === 0 ? null : `address ${addressKey(origin.ip)}`
  const device = sql`coalesce(${device_id ?? null}::uuid, (select s.device_id from sessions s where s.id = ${session_id ?? null}::uuid))`
  const own = counter === 'mfa' ? sql`'mfa ' || account.id` : sql`'device ' || devices.id, 'account ' || account.id`
  return get(
    raw(
      query,
      sql<Reserved>`with guessed as materialized (
        select account.id as user_id, account.password_hash, coalesce(${own}, ${unknown}) as counter,
          case when devices.id is null then ${address}::text end as address
        from (select) one
        left join live_users account on account.${sql.ref(column)} = ${name}
        left join devices on devices.id = ${device} and devices.user_id = account.id and devices.revoked_at is null)
      select guessed.*, reserved.verdict, reserved.retry_seconds from guessed cross join lateral reserve_guess(counter,
        ${lockout.threshold}, ${lockout.seconds}, user_id, address, ${lockout.failuresPerAddress}) reserved`,
    ),
  )
}

/** Gives the counters what became of the guess (undefined: it was not verified after all), and writes a wrong one down. */
function settlement(
  { threshold, seconds, failuresPerAddress }: Lockout,
  { failed, session_id }: Guess,
  { user_id, counter, address, verdict }: Reserved,
  isRight: boolean | undefined,
) {
  // What was locked took a guess from the address alone.
  const isLocked = verdict === 'locked'
  const settled = sql`settle_guess(${isLocked ? null : counter}, ${threshold}, ${seconds}, ${user_id}, ${address}, ${failuresPerAddress}, ${isRight ?? null})`
  const details = JSON.stringify(isLocked ? { locked: true } : {})
  const recorded =
    isRight === false
      ? sql`, record_event(${failed.type}, ${user_id}, ${session_id ?? null}, ${details}, ${failed.mailed})`
      : sql``
  return execute(raw(query, sql`select ${settled}${recorded}`))
}
