import type { FastifyBaseLogger } from 'fastify'
import type { Config } from './config/config.ts'
import { createCache } from './platform/cache/cache.ts'
import { deriveKey } from './platform/crypto/sealing.ts'
import type { Declarations } from './platform/declarations.ts'
import { createAccessTokens } from './platform/gate/access-tokens.ts'
import type { AccessTokens } from './platform/gate/access-tokens.ts'
import type { SigningKey } from './platform/gate/signing-keys.ts'
import { createCursors } from './platform/http/cursors.ts'
import { createRedis } from './platform/redis/redis.ts'
import type { Keys, Services } from './platform/services.ts'
import { tokenKeyOf } from './platform/tokens/one-time-tokens.ts'
import { version } from './version.ts'

export interface ServiceOptions {
  config: Config
  declared: Declarations
  log: FastifyBaseLogger
  /** Undefined if no requests are served. */
  signingKeys?: () => readonly SigningKey[]
  accessTokens?: AccessTokens
}

/** Creates the services of the app, the jobs and the command line: the platform's, then each feature's, in order. */
export async function createServices({
  config,
  declared,
  log,
  signingKeys = () => [],
  accessTokens = createAccessTokens({ issuer: config.publicUrl, accessTokenSeconds: config.accessTokenSeconds }),
}: ServiceOptions): Promise<Services> {
  const keys = {
    oneTime: tokenKeyOf(config.secretKey),
    cursors: deriveKey(config.secretKey, 'cursors'),
    redis: deriveKey(config.secretKey, 'redis'),
  } as Keys
  const { redisUrl, redisTimeoutMs } = config
  const redis =
    redisUrl === undefined
      ? undefined
      : createRedis({ url: redisUrl, timeoutMs: redisTimeoutMs, secret: keys.redis, log })
  let services = {
    config,
    version,
    log,
    declared,
    keys,
    cursors: createCursors(keys.cursors),
    accessTokens,
    signingKeys,
    redis,
    cache: createCache(redis, keys.redis),
  } as Services
  for (const { provide } of declared.features)
    if (provide !== undefined) services = { ...services, ...(await provide(services)) }
  return Object.freeze(services)
}

/** Closes what the features have opened, the last one first, each for at most the time that it needs to send the rest. */
export async function closeServices(services: Services): Promise<void> {
  for (const { close } of services.declared.features.toReversed()) await close?.(services)
}
