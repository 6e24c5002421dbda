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
  add(limit: Addend): Promise<Count>
  /** The same, without a result: no later than the next request of this process is counted. */
  note(limit: Addend): void
}

type Addend = Pick<Limit, 'key' | 'seconds'>

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
    note: limit => void add(limit),
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
 * Adds first: for each key an amount and the milliseconds of its count. Then for each limit: the points, the
 * milliseconds, how many are ahead, and whether it only looks. A count expires after its milliseconds; one without an
 * expiry, as after a restored dump, gets one too.
 */
const takeScript = script(`
local adds = tonumber(ARGV[1])
for i = 1, adds do
  redis.call('incrby', KEYS[i], ARGV[2 * i])
  if redis.call('pttl', KEYS[i]) < 0 then redis.call('pexpire', KEYS[i], ARGV[2 * i + 1]) end
end
local counts = {}
for i = 1, #KEYS - adds do
  local key, at = KEYS[adds + i], 2 * adds + 4 * i - 2
  local points, ms, ahead, looks = unpack(ARGV, at, at + 3)
  local used = looks == '1' and tonumber(redis.call('get', key) or '0') or redis.call('incr', key)
  local left = redis.call('pttl', key)
  if left < 0 then
    left = tonumber(ms)
    if looks ~= '1' then redis.call('pexpire', key, left) end
  end
  counts[2 * i - 1], counts[2 * i] = used, left
  if used + tonumber(ahead) > tonumber(points) then break end
end
return counts
`)

/** How long what was noted waits for a request that takes it along. Milliseconds. */
const NOTED_MS = 20

/**
 * Counts in Redis, for all processes together, in one round trip for each request; in `own` while Redis is unavailable.
 * The keys are digests: Redis learns neither addresses nor ids of users.
 */
export function createSharedCounters(redis: Redis, secret: Buffer, own: Counters): Counters {
  const nameOf = ({ key }: Pick<Limit, 'key'>) =>
    `${redis.place}limit:${createHmac('sha256', secret).update(key).digest('base64url').slice(0, 22)}`
  /** What was noted since the last round trip, with how often. */
  let noted = new Map<string, { limit: Addend; times: number }>()
  let timer: NodeJS.Timeout | undefined

  async function take(limits: readonly Limit[]): Promise<Count[]> {
    clearTimeout(timer)
    timer = undefined
    const adds = [...noted.values()]
    noted = new Map()
    const found = await redis.evaluate(
      takeScript,
      [...adds.map(({ limit }) => limit), ...limits].map(nameOf),
      [
        adds.length,
        ...adds.flatMap(({ limit: { seconds }, times }) => [times, seconds * 1000]),
        ...limits.flatMap(({ points, seconds, ahead }) => [
          points,
          seconds * 1000,
          ahead ?? 0,
          ahead === undefined ? 0 : 1,
        ]),
      ].map(String),
    )
    if (!Array.isArray(found)) {
      for (const { limit, times } of adds) for (let time = 0; time < times; time++) own.note(limit)
      return own.take(limits)
    }
    return limits
      .slice(0, found.length / 2)
      .map((_, index) => ({ used: Number(found[2 * index]), msLeft: Number(found[2 * index + 1]) }))
  }

  return {
    take,
    add: async limit => (await take([{ ...limit, points: Number.MAX_SAFE_INTEGER }]))[0] as Count,
    note: limit => {
      const times = (noted.get(limit.key)?.times ?? 0) + 1
      noted.set(limit.key, { limit, times })
      timer ??= setTimeout(() => void take([]), NOTED_MS).unref()
    },
  }
}
