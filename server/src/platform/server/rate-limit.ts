import type { FastifyReply, FastifyRequest } from 'fastify'
import { addressKey } from '../addresses.ts'
import { clientAddress } from '../http/client-address.ts'
import { Problem } from '../problems.ts'
import { createOwnCounters, isExceeded } from './counters.ts'
import type { Count, Counters, Limit } from './counters.ts'

export interface RateLimitOptions {
  enabled: boolean
  /** For each signed-in user, else for each client address. */
  perMinute: number
  /** For all clients together; 0 is off. */
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
  /** With which requests in progress it competes: those of the user, or of the session. */
  rivals: string
  isLive: boolean
  /** Whether the request was already counted for its address. */
  isCounted: boolean
}

/** After this many requests in a row without confirmation by the gate, a session is counted by address at once. */
const MAX_DOUBTS = 10

/** How many sessions are remembered, confirmed and unconfirmed ones. */
const MAX_SESSIONS = 10_000

const none: RateLimit = { count: async () => {}, confirm: () => {}, settle: async () => {} }

/** A limit with the name that responses give to it. */
interface Policy extends Limit {
  policy: string
}

/**
 * Three limits: the general one by user or address, the stricter ones that routes declare, always by address, and the
 * global one. Every response has the state of its limit (draft-ietf-httpapi-ratelimit-headers-10). All limits of a
 * request are counted in one step; the global one is last, so that requests over their own limit do not use it up.
 *
 * A token can outlive its session, so it alone does not count for the user: the request counts for the user if the gate
 * has found the session valid, else for the address. Until then it competes with the requests in progress of the user's
 * valid sessions, if this one was valid the last time; otherwise only with those of the same session.
 */
export function createRateLimit(
  { enabled, perMinute, globalPerSecond }: RateLimitOptions,
  counters: Counters,
): RateLimit {
  if (!enabled) return none
  const claims = new WeakMap<FastifyRequest, Claim>()
  /** How many requests of a session, or of the valid sessions of a user, are in progress. */
  const open = new Map<string, number>()
  /** Sessions whose last request the gate has found valid. */
  const live = new Set<string>()
  const doubts = new Map<string, number>()
  const general = (key: string) => ({ policy: 'client', key, points: perMinute, seconds: 60 }) as const

  function release(rivals: string): void {
    const waiting = open.get(rivals) ?? 0
    if (waiting > 1) open.set(rivals, waiting - 1)
    else open.delete(rivals)
  }

  function trust(sid: string): void {
    const [oldest] = live.size < MAX_SESSIONS || live.has(sid) ? [] : live
    if (oldest !== undefined) live.delete(oldest)
    live.add(sid)
  }

  function doubt(sid: string, howMuch: number): void {
    const [oldest] = doubts.size < MAX_SESSIONS ? [] : doubts.keys()
    if (oldest !== undefined) doubts.delete(oldest)
    doubts.set(sid, howMuch)
  }

  /** The limit of a session's user, of which this request reserves one. */
  function reserve(key: string, sub: string): Policy {
    const ahead = (open.get(key) ?? 0) + 1
    open.set(key, ahead)
    return { ...general(sub), ahead }
  }

  return {
    count: async (request, reply, claimed) => {
      const { perMinute: own, limitedAs, countsItself, access = 'public' } = request.routeOptions.config.rules ?? {}
      // A health probe shares its address with other traffic, which must not make a healthy process fail its probe. It has
      // no access token, whose session would have to be looked up for each request.
      if (own === Infinity && claimed === undefined) return
      const address = addressKey(clientAddress(request))
      // On a public route the session is not checked.
      const isNamed = claimed !== undefined && access !== 'public'
      const isDoubted = isNamed && (doubts.get(claimed.sid) ?? 0) >= MAX_DOUBTS
      const isReserved = isNamed && !isDoubted
      // Requests in progress compete with those of all sessions of the user that were found valid.
      const rivals = isNamed && live.has(claimed.sid) ? claimed.sub : claimed?.sid
      // Before the wait, in which the client may disconnect and the request be settled.
      if (isNamed) claims.set(request, { ...claimed, rivals: rivals!, isLive: false, isCounted: isDoubted })
      const limits: Policy[] = []
      if (isReserved) limits.push(reserve(rivals!, claimed.sub))
      else if (countsItself !== true) limits.push(general(address))
      if (own !== undefined && own !== Infinity) {
        const key = `${limitedAs ?? request.routeOptions.url} ${address}`
        limits.push({ policy: 'route', key, points: Math.min(own, perMinute), seconds: 60 })
      }
      if (globalPerSecond > 0) limits.push({ policy: 'global', key: 'all', points: globalPerSecond, seconds: 1 })
      // What a feature counts itself is not counted here, but the response has the state of the general limit until then.
      if (countsItself === true) limits.push({ ...general(address), ahead: 0 })
      const counts = await counters.take(limits)
      for (const [index, count] of counts.entries()) {
        const limit = limits[index]!
        const isRefused = isExceeded(limit, count)
        // A refused request of a session is not counted.
        if (isRefused && isReserved && index === 0 && claims.delete(request)) release(rivals!)
        // The state of the global limit is sent only with refusals.
        if (limit.policy !== 'global' || isRefused) tell(reply, limit, count)
        if (isRefused && limit.ahead !== 0) throw new Problem('rate-limited', { retryAfter: secondsLeft(count) })
      }
    },
    confirm: request => {
      const claim = claims.get(request)
      if (claim !== undefined) claim.isLive = true
    },
    settle: async (request, reply) => {
      const claim = claims.get(request)
      if (claim === undefined) return
      claims.delete(request)
      const { sub, sid, rivals, isLive, isCounted } = claim
      if (!isCounted) release(rivals)
      if (isLive) {
        doubts.delete(sid)
        trust(sid)
        // The response does not wait for it.
        if (!isCounted) counters.note(general(sub))
        return
      }
      live.delete(sid)
      doubt(sid, reply.statusCode === 401 ? MAX_DOUBTS : (doubts.get(sid) ?? 0) + 1)
      if (isCounted) return
      const limit = general(addressKey(clientAddress(request)))
      const count = await counters.add(limit)
      // The header has a stricter limit already, or the response has been sent.
      if (reply.sent || !String(reply.getHeader('ratelimit-policy')).startsWith('"client"')) return
      // An ended session must not learn how many requests the user has left.
      tell(reply, limit, count)
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
  const counters = createOwnCounters()
  async function take(reply: FastifyReply, limit: Policy): Promise<void> {
    const [count] = (await counters.take([limit])) as [Count]
    const isRefused = isExceeded(limit, count)
    if (limit.ahead === undefined || isRefused) tell(reply, limit, count)
    if (isRefused) throw new Problem('rate-limited', { retryAfter: secondsLeft(count) })
  }
  return {
    count: (reply, key) => take(reply, { policy, key, points, seconds: 60 }),
    requireLeft: (reply, key) => take(reply, { policy, key, points, seconds: 60, ahead: 1 }),
  }
}

const secondsLeft = ({ msLeft }: Count): number => Math.max(1, Math.ceil(msLeft / 1000))

function tell(reply: FastifyReply, { policy, points, seconds, ahead = 0 }: Policy, count: Count): void {
  const left = Math.max(0, points - count.used - ahead)
  reply.header('ratelimit-policy', `"${policy}";q=${points};w=${seconds}`)
  reply.header('ratelimit', `"${policy}";r=${left};t=${secondsLeft(count)}`)
}
