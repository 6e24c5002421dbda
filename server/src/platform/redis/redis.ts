import { createHash, createHmac } from 'node:crypto'
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { createClient } from '@redis/client'
import type { FastifyBaseLogger } from 'fastify'
import { answerWithin } from './answer-within.ts'
import { describeRedisFault } from './redis-faults.ts'
import type { RedisFault } from './redis-faults.ts'

/** The client library's client, for commands without modules. */
type Client = ReturnType<typeof createClient>

/** How long the start waits for the first connection. Milliseconds. */
const START_MS = 1000

/** How long a probe waits for its answer. Milliseconds. */
const PROBE_MS = 500

/** The first and the longest time between two probes, and between two connections. Milliseconds. */
const [FIRST_RETRY_MS, LAST_RETRY_MS] = [250, 2000]

/** A Redis that failed again within this time after a recovery is probed less often. Milliseconds. */
const CALM_MS = 10_000

/** A connection without any answer for so long is replaced; it is used at least every other second. Milliseconds. */
const SILENCE_MS = 5000

/** Whether Redis can be used. `since`: the last change; `reason`: why not, in one line without secrets. */
export type RedisState =
  | { state: 'connecting' | 'connected'; since: Date }
  | { state: 'unavailable'; since: Date; reason: string }

/** A Lua script, which Redis keeps and finds by its digest. */
export interface Script {
  text: string
  sha1: string
}

export const script = (text: string): Script => ({ text, sha1: createHash('sha1').update(text).digest('hex') })

/** A Redis (or Valkey) that several processes share. Everything works without it, so nothing here throws. */
export interface Redis {
  /** The prefix of all keys, which tells installations on one Redis apart. */
  readonly place: string
  /** Connects in the background; returns at the first success or failure. A second without an answer is a failure. */
  open(): Promise<void>
  close(): void
  /**
   * Runs a command. Undefined at once while Redis is unavailable, and after `timeoutMs` without an answer; then Redis counts
   * as unavailable until a probe succeeds.
   */
  send<Value>(command: (client: Client) => Promise<Value>): Promise<Value | undefined>
  /** Runs a script in one round trip; undefined as with `send`. */
  evaluate(script: Script, keys: string[], values: string[]): Promise<unknown>
  state(): RedisState
  /** The number of commands that had no answer in time, or an error, since the start. */
  failures(): number
}

interface RedisOptions {
  url: string
  /** How long a command waits for its answer. */
  timeoutMs: number
  /** Only for this installation; the prefix of its keys is derived from it. */
  secret: Buffer
  log: Pick<FastifyBaseLogger, 'warn' | 'info'>
}

/** Connects only when it is opened. */
export function createRedis({ url, timeoutMs, secret, log }: RedisOptions): Redis {
  const place = `freehold:${createHmac('sha256', secret).update('place').digest('hex').slice(0, 12)}:`
  let client: Client | undefined
  let now: RedisState = { state: 'connecting', since: new Date() }
  let failures = 0
  let isClosed = false
  /** The kinds of fault that were logged since Redis was last available. */
  const told = new Set<RedisFault['kind']>()
  let nextProbe: NodeJS.Timeout | undefined
  let retryMs = FIRST_RETRY_MS
  let recovered = -CALM_MS
  let settle: () => void = () => {}
  const settled = new Promise<void>(resolve => (settle = resolve))

  function lose(error: unknown): void {
    if (isClosed) return
    // A server closes the connection after what it has refused, which is the reason.
    if (now.state === 'unavailable' && String(error).includes('Socket closed unexpectedly')) return
    const { kind, words } = describeRedisFault(error, url)
    if (now.state !== 'unavailable') {
      if (performance.now() - recovered > CALM_MS) retryMs = FIRST_RETRY_MS
      now = { state: 'unavailable', since: new Date(), reason: words }
      scheduleProbe()
    } else now = { ...now, reason: words }
    // A lost connection is followed by a refused one: that is one outage, and one line.
    if (!told.has(kind)) log.warn({ reason: words }, 'Redis is unavailable: limits and the cache are kept per process')
    told.add(kind)
    settle()
  }

  function find(): void {
    if (now.state === 'connected' || isClosed) return
    const seconds = Math.round((Date.now() - now.since.getTime()) / 1000)
    const isBack = now.state === 'unavailable'
    now = { state: 'connected', since: new Date() }
    recovered = performance.now()
    told.clear()
    if (isBack) log.info({ seconds }, 'Redis is available again: limits and the cache are shared')
    else log.info('Redis is available: limits and the cache are shared by all processes')
    settle()
  }

  function scheduleProbe(): void {
    clearTimeout(nextProbe)
    if (isClosed) return
    nextProbe = setTimeout(() => void probe(), retryMs).unref()
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)
  }

  /** Writes, because a full Redis, or a replica, answers everything else. */
  async function probe(): Promise<void> {
    if (client?.isReady !== true || now.state === 'connected')
      return void (now.state !== 'connected' && scheduleProbe())
    try {
      await answerWithin(client.set(`${place}probe`, '1', { expiration: { type: 'PX', value: 1000 } }), PROBE_MS)
      find()
    } catch (error) {
      lose(error)
      scheduleProbe()
    }
  }

  async function send<Value>(command: (client: Client) => Promise<Value>): Promise<Value | undefined> {
    if (client === undefined || now.state !== 'connected') return undefined
    try {
      return await answerWithin(command(client), timeoutMs)
    } catch (error) {
      failures += 1
      lose(error)
      return undefined
    }
  }

  return {
    place,
    open: async () => {
      const { createClient } = await import('@redis/client')
      client = createClient({
        ...placeOf(url),
        RESP: 2,
        disableOfflineQueue: true,
        disableClientInfo: true,
        pingInterval: SILENCE_MS / 2,
      })
      client.on('error', lose).on('ready', () => void probe())
      client.connect().catch(lose)
      await Promise.race([settled, delay(START_MS, undefined, { ref: false })])
      if (now.state === 'connecting') lose(new Error(`no answer within ${START_MS} ms`))
    },
    close: () => {
      isClosed = true
      clearTimeout(nextProbe)
      client?.destroy()
    },
    send,
    evaluate: ({ text, sha1 }, keys, values) =>
      send(found => {
        const rest = [String(keys.length), ...keys, ...values]
        return found.sendCommand(['EVALSHA', sha1, ...rest]).catch((error: unknown) => {
          if (!String(error).includes('NOSCRIPT')) throw error
          return found.sendCommand(['EVAL', text, ...rest])
        })
      }),
    state: () => now,
    failures: () => failures,
  }
}

/** What TLS asks for. An address must not be asked for (RFC 6066, section 3); the certificate is compared with it even so. */
const nameOf = (host: string) => (isIP(host) === 0 ? { servername: host } : {})

/** The URL in the client's parts; its own reader would report a password that it cannot decode. */
function placeOf(text: string) {
  const url = new URL(text)
  const { username, password, pathname, port } = url
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const socket = {
    host,
    port: port === '' ? 6379 : Number(port),
    connectTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
    reconnectStrategy: (retries: number) => Math.min(FIRST_RETRY_MS * 2 ** retries, LAST_RETRY_MS),
  }
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    database: Number(pathname.slice(1) || 0),
    socket: url.protocol === 'rediss:' ? { ...socket, tls: true as const, ...nameOf(host) } : socket,
  }
}
