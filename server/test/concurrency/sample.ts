import type { TestContext } from 'node:test'
import { createRandom } from '../oracle/world.ts'

// Some tests try every case of a kind in every place. A short run takes a share of those pairs, another one in each run;
// a long run takes all of them.

/** How much longer random tests run; more than 1 in a long run. */
export const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 1)

const given = process.env['TEST_SEED']
/** Says which share a short run takes; TEST_SEED repeats a run. */
const seed = given === undefined ? Math.floor(Math.random() * 1000) : Number(given)
if (!Number.isSafeInteger(seed)) throw new Error('TEST_SEED is a whole number')

/** Prints how to repeat the test with the same share. */
export const tellSeed = (t: TestContext): void => t.diagnostic(`TEST_SEED=${seed}`)

/**
 * Whether a short run tries the case with this number in the place with that one: one in `share`. So every case is tried
 * in a share of the places, every place with a share of the cases, and `share` runs can try all pairs.
 */
export const isTaken = (place: number, one: number, share: number): boolean =>
  RUNS > 1 || (place + one + seed) % share === 0

/** About this share of the items, the same ones with the same seed. */
export const takeSome = <Item>(items: readonly Item[], share: number): Item[] => createRandom(seed).some(items, share)
