import { hash, verify } from '@node-rs/argon2'
import { availableParallelism } from 'node:os'
import fastq from 'fastq'
import { Problem } from '../core/problems.ts'

export interface Passwords {
  /** A PHC string, salted. @throws Problem busy when too many wait */
  hash(password: string): Promise<string>
  /** Whether it is the password. Without a hash it verifies against a decoy, so that an unknown account costs the same. */
  verify(stored: string | null | undefined, password: string): Promise<boolean>
}

/** OWASP's parameters: 19 MiB, two passes, one lane; the library's algorithm is Argon2id. */
const PARAMETERS = { memoryCost: 19456, timeCost: 2, parallelism: 1 }

/** Longer than this is not a queue but an attack; at 15 ms a hash it is about a second. */
const MOST_WAITING = 64

/**
 * Passwords are hashed beside one another on all cores but one, and wait in a bounded queue: a storm of logins slows
 * logins, never reads.
 */
export async function createPasswords(): Promise<Passwords> {
  const queue = fastq.promise((task: () => Promise<unknown>) => task(), Math.max(1, availableParallelism() - 1))
  const queued = <Result>(task: () => Promise<Result>): Promise<Result> => {
    if (queue.length() >= MOST_WAITING) throw new Problem('busy', { retryAfter: 2 })
    return queue.push(task) as Promise<Result>
  }
  const decoy = await hash('no password is this one', PARAMETERS)
  return {
    hash: async password => queued(() => hash(password, PARAMETERS)),
    verify: async (stored, password) =>
      (await queued(() => verify(stored ?? decoy, password))) && typeof stored === 'string',
  }
}
