import type { FastifyReply, FastifyRequest } from 'fastify'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { addressKey } from '../addresses.ts'
import { clientAddress } from '../http/client-address.ts'
import { Problem } from '../problems.ts'

export interface RateLimitOptions {
  enabled: boolean
  /** For each signed-in user, else for each client address. */
  perMinute: number
  /** For the whole process; 0 is off. */
  globalPerSecond: number
}

/** The user and session in a verified access token. Only the gate knows whether the session is still valid. */
interface Claimed {
  sub: string
  sid: string
}

export interface RateLimit {
  /** Counts one request. @throws Problem rate-limited */
  count(request: FastifyRequest, reply: FastifyReply, claimed: Claimed | undefined): Promise<void>
  /** Records that the gate has found the session of this request valid. */
  confirm(request: FastifyRequest): void
  /** Counts the request for its user or address, once, however often it is called. */
  settle(request: FastifyRequest, reply: FastifyReply): Promise<void>
}

/** A request that counts for a user if its session is valid. */
interface Claim extends Claimed {
  isLive: boolean
  /** Whether the request was already counted for its address. */
  isCounted: boolean
}

/** After this many requests in a row without confirmation by the gate, a session is counted by address at once. */
const MAX_DOUBTS = 10

/** How many unconfirmed sessions are remembered. */
const MAX_SESSIONS = 10_000

const none: RateLimit = { count: async () => {}, confirm: () => {}, settle: async () => {} }

/**
 * Three limits, counted in this process: the global one, the general one by user or address, and the stricter ones that
 * routes declare, always by address. Every response has the state of its limit
 * (draft-ietf-httpapi-ratelimit-headers-10).
 *
 * A token can outlive its session, so it alone does not count for the user: the request counts for the user if the gate
 * has found the session valid, else for the address. Until then it competes only with requests of the same session.
 */
export function createRateLimit({ enabled, perMinute, globalPerSecond }: RateLimitOptions): RateLimit {
  if (!enabled) return none
  const everyone = globalPerSecond > 0 ? new RateLimiterMemory({ points: globalPerSecond, duration: 1 }) : undefined
  const general = new RateLimiterMemory({ points: perMinute, duration: 60 })
  const strict = new Map<number, RateLimiterMemory>()
  const claims = new WeakMap<FastifyRequest, Claim>()
  /** How many requests of a session are in progress. */
  const open = new Map<string, number>()
  const doubts = new Map<string, number>()

  /** Reserves one of the user's remaining requests for a request of a session. @throws Problem rate-limited */
  async function reserve(reply: FastifyReply, { sub, sid }: Claimed): Promise<void> {
    const used = await general.get(sub)
    const waiting = open.get(sid) ?? 0
    const left = perMinute - (used?.consumedPoints ?? 0) - waiting
    const reset = Math.max(1, Math.ceil((used?.msBeforeNext ?? 60_000) / 1000))
    tell(reply, { policy: 'client', points: perMinute, window: 60, left: Math.max(0, left - 1), reset })
    if (left <= 0) throw new Problem('rate-limited', { retryAfter: reset })
    open.set(sid, waiting + 1)
  }

  function release(sid: string): void {
    const waiting = open.get(sid) ?? 0
    if (waiting > 1) open.set(sid, waiting - 1)
    else open.delete(sid)
  }

  function doubt(sid: string, howMuch: number): void {
    const [oldest] = doubts.size < MAX_SESSIONS ? [] : doubts.keys()
    if (oldest !== undefined) doubts.delete(oldest)
    doubts.set(sid, howMuch)
  }

  /** Tells what is left to the address, which the feature's own limits replace once it has counted the request. */
  async function peek(reply: FastifyReply, address: string): Promise<void> {
    const used = await general.get(address)
    const reset = Math.max(1, Math.ceil((used?.msBeforeNext ?? 60_000) / 1000))
    tell(reply, { policy: 'client', points: perMinute, window: 60, left: used?.remainingPoints ?? perMinute, reset })
  }

  const countAll = async (reply: FastifyReply): Promise<void> => {
    if (everyone !== undefined) await consume(everyone, 'all', reply, 'global', 1)
  }

  return {
    count: async (request, reply, claimed) => {
      const { perMinute: own, limitedAs, countsItself, access = 'public' } = request.routeOptions.config.rules ?? {}
      // A health probe shares its address with other traffic, which must not make a healthy process fail its probe.
      if (own === Infinity) return
      const address = addressKey(clientAddress(request))
      if (countsItself === true) {
        await peek(reply, address)
        return countAll(reply)
      }
      // On a public route the session is not checked.
      const isNamed = claimed !== undefined && access !== 'public'
      const isDoubted = isNamed && (doubts.get(claimed.sid) ?? 0) >= MAX_DOUBTS
      if (isNamed && !isDoubted) await reserve(reply, claimed)
      else await consume(general, address, reply, 'client', 60)
      if (isNamed) claims.set(request, { ...claimed, isLive: false, isCounted: isDoubted })
      if (own !== undefined) {
        const points = Math.min(own, perMinute)
        const limiter = strict.get(points) ?? new RateLimiterMemory({ points, duration: 60 })
        strict.set(points, limiter)
        await consume(limiter, `${limitedAs ?? request.routeOptions.url} ${address}`, reply, 'route', 60)
      }
      // Counted last, so that requests over their own limit do not use up the global one.
      await countAll(reply)
    },
    confirm: request => {
      const claim = claims.get(request)
      if (claim !== undefined) claim.isLive = true
    },
    settle: async (request, reply) => {
      const claim = claims.get(request)
      if (claim === undefined) return
      claims.delete(request)
      const { sub, sid, isLive, isCounted } = claim
      if (!isCounted) release(sid)
      if (isLive) {
        doubts.delete(sid)
        if (!isCounted) await general.penalty(sub)
        return
      }
      doubt(sid, reply.statusCode === 401 ? MAX_DOUBTS : (doubts.get(sid) ?? 0) + 1)
      if (isCounted) return
      const { remainingPoints: left, msBeforeNext } = await general.penalty(addressKey(clientAddress(request)))
      // The header has a stricter limit already, or the response has been sent.
      if (reply.sent || !String(reply.getHeader('ratelimit-policy')).startsWith('"client"')) return
      // An ended session must not learn how many requests the user has left.
      const reset = Math.max(1, Math.ceil(msBeforeNext / 1000))
      tell(reply, { policy: 'client', points: perMinute, window: 60, left, reset })
    },
  }
}

/** A limit that a feature counts itself, in this process, for routes with `countsItself`. */
export interface OwnLimit {
  /** Counts one request of the key, and tells the client what is left. @throws Problem rate-limited */
  count(reply: FastifyReply, key: string): Promise<void>
  /** Refuses the request if the key has none left, and counts nothing. @throws Problem rate-limited */
  requireLeft(reply: FastifyReply, key: string): Promise<void>
}

/** At most `points` requests per minute for each key; `policy` is the name of the limit in the response. */
export function createOwnLimit({ enabled }: RateLimitOptions, policy: string, points: number): OwnLimit {
  if (!enabled) return { count: async () => {}, requireLeft: async () => {} }
  const limiter = new RateLimiterMemory({ points, duration: 60 })
  return {
    count: (reply, key) => consume(limiter, key, reply, policy, 60),
    requireLeft: async (reply, key) => {
      const used = await limiter.get(key)
      if (used !== null && used.consumedPoints >= points) await consume(limiter, key, reply, policy, 60)
    },
  }
}

async function consume(
  limiter: RateLimiterMemory,
  key: string,
  reply: FastifyReply,
  policy: string,
  window: number,
): Promise<void> {
  const { consumedPoints, remainingPoints, msBeforeNext } = await limiter.consume(key).catch((refused: unknown) => {
    if (refused instanceof RateLimiterRes) return refused
    throw refused
  })
  const { points } = limiter
  const reset = Math.max(1, Math.ceil(msBeforeNext / 1000))
  const isRefused = consumedPoints > points
  // The state of the global limit is sent only with refusals.
  if (policy !== 'global' || isRefused) tell(reply, { policy, points, window, left: remainingPoints, reset })
  if (isRefused) throw new Problem('rate-limited', { retryAfter: reset })
}

interface Standing {
  policy: string
  points: number
  /** Seconds, like `reset`. */
  window: number
  left: number
  reset: number
}

function tell(reply: FastifyReply, { policy, points, window, left, reset }: Standing): void {
  reply.header('ratelimit-policy', `"${policy}";q=${points};w=${window}`)
  reply.header('ratelimit', `"${policy}";r=${left};t=${reset}`)
}
