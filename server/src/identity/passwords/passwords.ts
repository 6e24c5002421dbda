import { hash } from '@node-rs/argon2'
import { timingSafeEqual } from 'node:crypto'
import { availableParallelism } from 'node:os'
import fastq from 'fastq'
import { Problem } from '../../platform/problems.ts'
import { preparePassword } from './password-policy.ts'
import { readHash } from './password-hashes.ts'
import type { PasswordHash } from './password-hashes.ts'

export interface Passwords {
  /** Returns a salted PHC string. @throws Problem busy when too many calls wait */
  hash(password: string): Promise<string>
  /**
   * Whether the password matches `stored`, which is our own or an imported hash. Without a hash it verifies against a
   * decoy, so that an unknown account takes as long. @throws Problem busy when too many calls wait
   */
  verify(stored: string | null | undefined, password: string): Promise<boolean>
  /**
   * The hash that replaces an imported one, or one with old parameters, after its password was verified; undefined if
   * the hash can stay, or if too many calls wait (the next sign-in replaces it then).
   */
  renew(stored: string, password: string): Promise<string | undefined>
  /** How many hashes are computed now, and how many calls wait. */
  load(): { running: number; waiting: number }
}

/** OWASP's parameters: 19 MiB, two passes, one lane; the library's algorithm is Argon2id. */
const PARAMETERS = { memoryCost: 19456, timeCost: 2, parallelism: 1 }

/** The maximum queue length, about one second at 15 ms a hash; more than that is an attack. */
const MAX_WAITING = 64

/**
 * Hashes passwords in parallel on all cores but one, with a bounded queue: many sign-ins at once slow down sign-ins,
 * but not other requests. Only tests whose subject is something else use cheaper parameters.
 */
export async function createPasswords(parameters = PARAMETERS): Promise<Passwords> {
  const { memoryCost, timeCost, parallelism } = parameters
  const current = `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$`
  const queue = fastq.promise((task: () => Promise<unknown>) => task(), Math.max(1, availableParallelism() - 1))
  const isFull = () => queue.length() >= MAX_WAITING
  const queued = <Result>(task: () => Promise<Result>): Promise<Result> => {
    if (isFull()) throw new Problem('busy', { retryAfter: 2 })
    return queue.push(task) as Promise<Result>
  }
  const decoy = readHash(await hash('no password is this one', parameters)) as PasswordHash
  return {
    hash: async typed => queued(() => hash(preparePassword(typed), parameters)),
    verify: async (stored, typed) => {
      const known = typeof stored === 'string' ? readHash(stored) : undefined
      // A hash that the import would reject is not computed here either.
      const expected = known !== undefined && 'derive' in known ? known : decoy
      for (const password of spellingsOf(typed))
        if (timingSafeEqual(await queued(() => expected.derive(password)), expected.digest)) return expected !== decoy
      return false
    },
    renew: async (stored, typed) => {
      if (isFull() || (stored.startsWith(current) && !(await isOfTyped(stored, typed)))) return undefined
      return queued(() => hash(preparePassword(typed), parameters))
    },
    load: () => ({ running: queue.running(), waiting: queue.length() }),
  }

  /** Whether a hash that matches is one of the password as it was typed, and not as it is prepared now. */
  async function isOfTyped(stored: string, typed: string): Promise<boolean> {
    const [password = typed, other] = spellingsOf(typed)
    const known = readHash(stored)
    if (other === undefined || !('derive' in known)) return false
    return !timingSafeEqual(await queued(() => known.derive(password)), known.digest)
  }
}

/** As it is hashed now, then as it was typed if that differs: hashes were once made of that, here and elsewhere. */
const spellingsOf = (typed: string): readonly string[] => [...new Set([preparePassword(typed), typed])]
