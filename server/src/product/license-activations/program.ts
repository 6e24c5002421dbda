import type { SystemRunner } from '../../platform/database/database.ts'
import type { Statement } from '../../platform/database/statement.ts'
import { readLicenseKey } from '../licenses/license-key.ts'

interface LimitOfLicense {
  /** @throws Problem rate-limited if nothing is left to the license */
  requireLeft(license: string): Promise<void>
  count(license: string): Promise<void>
}

/** The limits of programs. Guesses are counted by address and never use up what is left to a license. */
export interface ProgramLimits {
  /** @throws Problem rate-limited if nothing is left to the license */
  requireLeft(license: string): Promise<void>
  /** Counts a request with the key of a license. */
  countUse(license: string): Promise<void>
  /** Of new activations and deactivations. */
  changes: LimitOfLicense
  /** Of lists of its devices. */
  lists: LimitOfLicense
  /** Counts a request with an unknown key. @throws Problem rate-limited */
  countGuess(): Promise<void>
}

/** A request of a program. */
export interface Program {
  visitor: SystemRunner
  limits: ProgramLimits
}

/** Runs one statement for a program. All that programs do passes through here. */
export const runForProgram = <Result>(visitor: SystemRunner, statement: Statement<'system', Result>): Promise<Result> =>
  // system: a program holds only the key of its license and has no session; each statement finds the license by the key
  visitor.run(statement)

/**
 * Runs the statement of a program that holds a license key. `build` gets the hash of the key; its result is undefined if
 * no license has this key. Unknown keys run the same statement as known ones. `extra` names the limit that an operation
 * has beside that of all requests, and which results count.
 * @throws Problem malformed-key without a look-up, rate-limited
 */
export async function withLicense<Result>(
  { visitor, limits }: Program,
  key: string,
  build: (hash: Buffer) => Statement<'system', Result | undefined>,
  extra?: { limit: 'changes' | 'lists'; counts: (result: Result) => boolean },
): Promise<Result | undefined> {
  const { hash } = readLicenseKey(key)
  const license = hash.toString('base64url')
  await limits.requireLeft(license)
  if (extra !== undefined) await limits[extra.limit].requireLeft(license)
  const result = await runForProgram(visitor, build(hash))
  await (result === undefined ? limits.countGuess() : limits.countUse(license))
  if (result !== undefined && extra?.counts(result) === true) await limits[extra.limit].count(license)
  return result
}
