import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config/config.ts'
import type { Declarations } from './declarations.ts'
import type { AccessTokens } from './gate/access-tokens.ts'
import type { SigningKey } from './gate/signing-keys.ts'
import type { Cursors } from './http/cursors.ts'

/** Keys for one use each, derived from SECRET_KEY. */
export interface Keys {
  /** Signs one-time tokens, and makes the digests of names that erased accounts had. */
  oneTime: Buffer
  /** Signs the cursors of lists. */
  cursors: Buffer
}

/**
 * What is made once, from the configuration, for the app, the jobs and the command line. Each feature adds what it makes
 * (`provide`) beside its value: `declare module '…/platform/services.ts' { interface Services { passwords: Passwords } }`.
 * A function takes what it needs of it: `Pick<Services, 'passwords' | 'keys'>`.
 */
export interface Services {
  readonly config: Config
  readonly version: string
  readonly log: FastifyBaseLogger
  /** What the features declare, folded. */
  readonly declared: Declarations
  readonly keys: Keys
  readonly cursors: Cursors
  readonly accessTokens: AccessTokens
  readonly signingKeys: () => readonly SigningKey[]
}
