import { createHmac } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { addressKey } from '../../platform/addresses.ts'
import type { Database, Origin } from '../../platform/database/database.ts'
import { Problem } from '../../platform/problems.ts'
import { find, get, raw } from '../../platform/database/statement.ts'

/** What an operator has decided about guessing, and the key of what nobody is called. */
export interface Lockout {
  /** Failures in a row that lock; for an account and each of its known devices. */
  threshold: number
  seconds: number
  /** Failures within an hour, over all accounts, that block a client address for an hour; 0: none does. */
  failuresPerAddress: number
  key: Buffer
}

/** A guess at a secret of somebody, who may not exist. */
export interface Guess {
  who: { email: string } | { username: string } | { user_id: string }
  /** Codes are guessed by those who know the password already, so they are counted apart. */
  counter: 'password' | 'mfa'
  /** The event that a wrong one is written down as. */
  failed: 'login-failed' | 'mfa-failed' | 'step-up-failed' | 'password-change-failed'
  /** A device that the client names, or the session whose device it is: a known one has a counter of its own. */
  device_id?: string | undefined
  session_id?: string | undefined
}

export interface GuessedAccount {
  user_id: string
  password_hash: string | null
}

/** Two seconds in all: after that so much is being tried at once that waiting longer helps nobody. Milliseconds. */
const WAITS = [25, 50, 100, 150, 200, 250, 250, 250, 250, 250, 225]

/**
 * Verifies one guess under the lockout. It is counted before `verify` runs, so however many come at once, on however many
 * nodes, no more are verified than the counter has left. `verify` is given the account, or undefined when there is none or
 * its counter is locked, and then does the same work in vain: nobody can tell one from the other. What it throws counts
 * as no guess.
 * @returns the account when the guess was right; undefined when it was wrong, or nothing was verified
 * @throws Problem rate-limited when too many have failed from this address; busy
 */
export async function withAttempt(
  { database: { system }, lockout }: { database: Database; lockout: Lockout },
  origin: Origin,
  guess: Guess,
  verify: (account: GuessedAccount | undefined) => Promise<boolean>,
): Promise<GuessedAccount | undefined> {
  const reserved = await reserve(system, lockout, origin, guess)
  const { user_id, password_hash, counter, address } = reserved
  // What was locked took a guess from the address alone.
  const isLocked = reserved.verdict === 'locked'
  const account = isLocked || user_id === null ? undefined : { user_id, password_hash }
  const settle = (isRight: boolean | null) =>
    sql`settle_guess(${isLocked ? null : counter}, ${lockout.threshold}, ${lockout.seconds}, ${user_id}, ${address}, ${lockout.failuresPerAddress}, ${isRight})`
  let isRight: boolean
  try {
    isRight = (await verify(account)) && account !== undefined
  } catch (error) {
    await system.run({ origin }, find(raw(sql`select ${settle(null)}`)))
    throw error
  }
  const { failed, session_id = null } = guess
  const details = JSON.stringify(isLocked ? { locked: true } : {})
  await system.run(
    { origin },
    find(
      raw(
        isRight
          ? sql`select ${settle(true)}`
          : sql`select ${settle(false)}, record_event(${failed}, ${user_id}, ${session_id}, ${details})`,
      ),
    ),
  )
  return isRight ? account : undefined
}

async function reserve(
  system: Database['system'],
  lockout: Lockout,
  origin: Origin,
  guess: Guess,
): Promise<Omit<Reserved, 'retry_seconds'>> {
  for (const wait of [...WAITS, undefined]) {
    const { retry_seconds, ...reserved } = await system.run({ origin }, reservation(lockout, origin, guess))
    if (reserved.verdict === 'blocked') throw new Problem('rate-limited', { retryAfter: retry_seconds })
    if (reserved.verdict !== 'wait') return reserved
    if (wait !== undefined) await delay(wait)
  }
  throw new Problem('busy', { retryAfter: 1 })
}

interface Reserved {
  user_id: string | null
  password_hash: string | null
  counter: string
  address: string | null
  verdict: 'go' | 'wait' | 'locked' | 'blocked'
  retry_seconds: number
}

/** Finds the account and takes a guess from its counters; the same statement whether there is one or not (system login). */
function reservation(lockout: Lockout, origin: Origin, { who, counter, device_id, session_id }: Guess) {
  const [column, name] =
    'email' in who
      ? ['email', who.email.toLowerCase()]
      : 'username' in who
        ? ['username', who.username.toLowerCase()]
        : ['id', who.user_id]
  // Names that nobody has are not kept, neither is it cheaper not to be found.
  const unknown = `unknown ${createHmac('sha256', lockout.key).update(name).digest('base64url')}`
  const address = lockout.failuresPerAddress === 0 ? null : `address ${addressKey(origin.ip)}`
  const device = sql`coalesce(${device_id ?? null}::uuid, (select s.device_id from sessions s where s.id = ${session_id ?? null}::uuid))`
  const own = counter === 'mfa' ? sql`'mfa ' || users.id` : sql`'device ' || devices.id, 'account ' || users.id`
  return get(
    raw<Reserved>(sql`with guessed as materialized (
        select users.id as user_id, users.password_hash, coalesce(${own}, ${unknown}) as counter,
          case when devices.id is null then ${address}::text end as address
        from (select) one
        left join users on users.${sql.ref(column)} = ${name} and users.disabled_at is null and users.deleted_at is null
        left join devices on devices.id = ${device} and devices.user_id = users.id and devices.revoked_at is null)
      select guessed.*, reserved.verdict, reserved.retry_seconds from guessed cross join lateral reserve_guess(counter,
        ${lockout.threshold}, ${lockout.seconds}, user_id, address, ${lockout.failuresPerAddress}) reserved`),
  )
}
