import { hash } from '@node-rs/argon2'
import { timingSafeEqual } from 'node:crypto'
import { availableParallelism } from 'node:os'
import fastq from 'fastq'
import { Problem } from '../../platform/problems.ts'
import { readHash } from './password-hashes.ts'
import type { PasswordHash } from './password-hashes.ts'

export interface Passwords {
  /** A PHC string, salted. @throws Problem busy when too many wait */
  hash(password: string): Promise<string>
  /**
   * Whether it is the password; `stored` is a hash of ours or an imported one. Without a hash it verifies against a
   * decoy, so that an unknown account costs the same. @throws Problem busy when too many wait
   */
  verify(stored: string | null | undefined, password: string): Promise<boolean>
  /**
   * The hash that replaces an imported one, or one with former parameters, once its password was verified; undefined
   * when it may stay, or when so many wait that it has to until the next sign-in.
   */
  renew(stored: string, password: string): Promise<string | undefined>
}

/** OWASP's parameters: 19 MiB, two passes, one lane; the library's algorithm is Argon2id. */
const PARAMETERS = { memoryCost: 19456, timeCost: 2, parallelism: 1 }
const CURRENT = '$argon2id$v=19$m=19456,t=2,p=1$'

/** Longer than this is not a queue but an attack; at 15 ms a hash it is about a second. */
const MAX_WAITING = 64

/**
 * Passwords are hashed beside one another on all cores but one, and wait in a bounded queue: a storm of logins slows
 * logins, never reads.
 */
export async function createPasswords(): Promise<Passwords> {
  const queue = fastq.promise((task: () => Promise<unknown>) => task(), Math.max(1, availableParallelism() - 1))
  const isFull = () => queue.length() >= MAX_WAITING
  const queued = <Result>(task: () => Promise<Result>): Promise<Result> => {
    if (isFull()) throw new Problem('busy', { retryAfter: 2 })
    return queue.push(task) as Promise<Result>
  }
  const decoy = readHash(await hash('no password is this one', PARAMETERS)) as PasswordHash
  return {
    hash: async password => queued(() => hash(password, PARAMETERS)),
    verify: async (stored, password) => {
      const known = typeof stored === 'string' ? readHash(stored) : undefined
      // What import would refuse is never computed either, however it got here.
      const expected = known !== undefined && 'derive' in known ? known : decoy
      const derived = await queued(() => expected.derive(password))
      return timingSafeEqual(derived, expected.digest) && expected !== decoy
    },
    renew: async (stored, password) =>
      stored.startsWith(CURRENT) || isFull() ? undefined : queued(() => hash(password, PARAMETERS)),
  }
}
