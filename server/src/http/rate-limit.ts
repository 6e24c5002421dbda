import { isIPv6 } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { Problem } from '../core/problems.ts'

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

/** One IPv6 subscriber holds a /64 at least, so it counts as one; an IPv4 address in IPv6's clothes is what it is. */
export function addressKey(ip: string): string {
  // The colon first: the whole test is a long expression, and most addresses are IPv4.
  if (!ip.includes(':') || !isIPv6(ip)) return ip
  const groups = groupsOf(ip)
  const isMapped = groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff
  if (isMapped)
    return groups
      .slice(6)
      .flatMap(group => [group >> 8, group & 0xff])
      .join('.')
  return `${groups
    .slice(0, 4)
    .map(group => group.toString(16))
    .join(':')}::/64`
}

/** The eight numbers of an IPv6 address. URL writes every spelling in one way. */
function groupsOf(ip: string): number[] {
  const written = new URL(`http://[${ip.split('%', 1)[0]}]`).hostname.slice(1, -1)
  const [front = [], back] = written.split('::').map(part => part.split(':').filter(group => group !== ''))
  const gap = back === undefined ? [] : Array<string>(8 - front.length - back.length).fill('0')
  return [...front, ...gap, ...(back ?? [])].map(group => Number.parseInt(group, 16))
}
