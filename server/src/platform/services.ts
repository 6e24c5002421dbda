import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config/config.ts'
import type { Declarations } from './declarations.ts'
import type { Cache } from './cache/cache.ts'
import type { AccessTokens } from './gate/access-tokens.ts'
import type { SigningKey } from './gate/signing-keys.ts'
import type { Cursors } from './http/cursors.ts'
import type { Redis } from './redis/redis.ts'

/** Keys for one purpose each, derived from SECRET_KEY. */
export interface Keys {
  /** Signs one-time tokens, and computes the digests of names of erased accounts. */
  oneTime: Buffer
  /** Signs the cursors of lists. */
  cursors: Buffer
  /** Makes the names of keys in Redis, and protects the values there. */
  redis: Buffer
}

/**
 * Created once from the configuration, for the app, the jobs and the command line. Each feature declares what it adds
 * with `provide`: `declare module '…/platform/services.ts' { interface Services { passwords: Passwords } }`. A function
 * takes only the services that it needs: `Pick<Services, 'passwords' | 'keys'>`.
 */
export interface Services {
  readonly config: Config
  readonly version: string
  readonly log: FastifyBaseLogger
  /** The combined declarations of the features. */
  readonly declared: Declarations
  readonly keys: Keys
  readonly cursors: Cursors
  readonly accessTokens: AccessTokens
  readonly signingKeys: () => readonly SigningKey[]
  /** Undefined if none is configured. Only the running service connects to it. */
  readonly redis: Redis | undefined
  readonly cache: Cache
}
