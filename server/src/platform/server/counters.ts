import { createHmac } from 'node:crypto'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { RateLimiterRes } from 'rate-limiter-flexible'
import { script } from '../redis/redis.ts'
import type { Redis } from '../redis/redis.ts'

/** At most `points` in `seconds`, counted from the first. */
export interface Limit {
  key: string
  points: number
  seconds: 1 | 60
  /**
   * Only looks: the request is counted later, if at all, and so many uncounted ones, with itself, are ahead of the
   * next. Otherwise it counts at once.
   */
  ahead?: number
}

export interface Count {
  used: number
  /** Until the count begins anew. */
  msLeft: number
}

/** Counts requests. Nothing here throws or waits longer than a few tens of milliseconds. */
export interface Counters {
  /** Counts a request against each limit in turn, and ends with the first that it exceeds. @returns a count for each */
  take(limits: readonly Limit[]): Promise<Count[]>
  /** Counts one more, without a limit. */
  add(limit: Omit<Limit, 'points' | 'ahead'>): Promise<Count>
}

export const isExceeded = ({ points, ahead = 0 }: Limit, { used }: Count): boolean => used + ahead > points

/** Counts in the memory of this process. */
export function createOwnCounters(): Counters {
  const limiterOf = (duration: 1 | 60) => new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration })
  const limiters = { 1: limiterOf(1), 60: limiterOf(60) }
  const countOf = (found: RateLimiterRes | null, seconds: number): Count => ({
    used: found?.consumedPoints ?? 0,
    msLeft: found?.msBeforeNext ?? seconds * 1000,
  })
  const add: Counters['add'] = async ({ key, seconds }) => countOf(await limiters[seconds].penalty(key), seconds)
  return {
    add,
    take: async limits => {
      const counts: Count[] = []
      for (const limit of limits) {
        const { key, seconds, ahead } = limit
        const count = ahead === undefined ? await add(limit) : countOf(await limiters[seconds].get(key), seconds)
        counts.push(count)
        if (isExceeded(limit, count)) break
      }
      return counts
    },
  }
}

/**
 * For each key: the points, the milliseconds, how many are ahead, and whether it only looks. An expiry is set when the
 * count begins; a count without one, as after a restored dump, gets one too.
 */
const takeScript = script(`
local counts = {}
for i = 1, #KEYS do
  local points, ms, ahead, looks = unpack(ARGV, 4 * i - 3, 4 * i)
  local used = looks == '1' and tonumber(redis.call('get', KEYS[i]) or '0') or redis.call('incr', KEYS[i])
  local left = redis.call('pttl', KEYS[i])
  if left < 0 then
    left = tonumber(ms)
    if looks ~= '1' then redis.call('pexpire', KEYS[i], left) end
  end
  counts[2 * i - 1], counts[2 * i] = used, left
  if used + tonumber(ahead) > tonumber(points) then break end
end
return counts
`)

/**
 * Counts in Redis, for all processes together, in one round trip; in `own` while Redis is unavailable. The keys are
 * digests: Redis learns neither addresses nor ids of users.
 */
export function createSharedCounters(redis: Redis, secret: Buffer, own: Counters): Counters {
  const nameOf = (key: string) =>
    `${redis.place}limit:${createHmac('sha256', secret).update(key).digest('base64url').slice(0, 22)}`
  async function take(limits: readonly Limit[]): Promise<Count[]> {
    const values = limits.flatMap(({ points, seconds, ahead }) =>
      [points, seconds * 1000, ahead ?? 0, ahead === undefined ? 0 : 1].map(String),
    )
    const found = await redis.evaluate(
      takeScript,
      limits.map(({ key }) => nameOf(key)),
      values,
    )
    if (!Array.isArray(found)) return own.take(limits)
    return limits
      .slice(0, found.length / 2)
      .map((_, index) => ({ used: Number(found[2 * index]), msLeft: Number(found[2 * index + 1]) }))
  }
  return {
    take,
    add: async limit => (await take([{ ...limit, points: Number.MAX_SAFE_INTEGER }]))[0] as Count,
  }
}
