import type { FastifyReply, FastifyRequest } from 'fastify'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { addressKey } from '../addresses.ts'
import { Problem } from '../problems.ts'

export interface RateLimitOptions {
  enabled: boolean
  /** For each signed-in person, else for each client address. */
  perMinute: number
  /** For the whole process; 0 is off. */
  globalPerSecond: number
}

/** Counts one request. @throws Problem rate-limited */
export type LimitRate = (request: FastifyRequest, reply: FastifyReply, user_id: string | undefined) => Promise<void>

/**
 * Three limits, counted in this process: the global one, the general one by person or address, and the stricter ones that
 * routes declare, always by address. Every answer says where its limit stands (draft-ietf-httpapi-ratelimit-headers-10).
 */
export function createRateLimit({ enabled, perMinute, globalPerSecond }: RateLimitOptions): LimitRate {
  if (!enabled) return async () => {}
  const everyone = globalPerSecond > 0 ? new RateLimiterMemory({ points: globalPerSecond, duration: 1 }) : undefined
  const general = new RateLimiterMemory({ points: perMinute, duration: 60 })
  const strict = new Map<number, RateLimiterMemory>()

  return async (request, reply, user_id) => {
    const own = request.routeOptions.config.rules?.perMinute
    // A probe shares its address with traffic, and may not take a healthy process out of service.
    if (own === Infinity) return
    const address = addressKey(request.ip)
    await consume(general, user_id ?? address, reply, 'client', 60)
    if (own !== undefined) {
      const points = Math.min(own, perMinute)
      const limiter = strict.get(points) ?? new RateLimiterMemory({ points, duration: 60 })
      strict.set(points, limiter)
      await consume(limiter, `${request.routeOptions.url} ${address}`, reply, 'route', 60)
    }
    // Last: who has used up their own limit takes nothing from the others.
    if (everyone !== undefined) await consume(everyone, 'all', reply, 'global', 1)
  }
}

async function consume(
  limiter: RateLimiterMemory,
  key: string,
  reply: FastifyReply,
  policy: string,
  window: number,
): Promise<void> {
  const left = await limiter.consume(key).catch((refused: unknown) => {
    if (refused instanceof RateLimiterRes) return refused
    throw refused
  })
  const reset = Math.max(1, Math.ceil(left.msBeforeNext / 1000))
  const isRefused = left.consumedPoints > limiter.points
  // What all have left together is told only to those whom it refuses.
  if (policy !== 'global' || isRefused) {
    reply.header('ratelimit-policy', `"${policy}";q=${limiter.points};w=${window}`)
    reply.header('ratelimit', `"${policy}";r=${left.remainingPoints};t=${reset}`)
  }
  if (isRefused) throw new Problem('rate-limited', { retryAfter: reset })
}
