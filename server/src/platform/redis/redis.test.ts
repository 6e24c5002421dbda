import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createSilentServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import { needsRedis, startRedis } from '../../../test/programs/redis.ts'
import type { RedisServer } from '../../../test/programs/redis.ts'
import { waitUntil } from '../../../test/programs/service-process.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { TestApp } from '../../../test/test-app.ts'
import { answerWithin } from './answer-within.ts'
import { createOwnCounters, createSharedCounters } from '../server/counters.ts'

const limited = { RATE_LIMIT_ENABLED: 'true', TRUSTED_PROXIES: '127.0.0.1' }
/** What these tests count must not depend on how busy the machine is. */
const unhurried = { REDIS_TIMEOUT_MS: '1000' }

describe('with Redis', { ...needsRedis, timeout: 300_000 }, () => {
  let redis: RedisServer
  const ends: (() => unknown)[] = []
  before(async () => {
    redis = await startRedis({ after: end => ends.push(end) })
  })
  after(async () => {
    for (const end of ends) await end()
  })

  const processWith = async (settings: Record<string, string> = {}) => {
    const process = await createTestApp({ ...limited, ...unhurried, REDIS_URL: redis.url, ...settings })
    await isShared(process)
    return process
  }
  /** On a busy machine Redis can be late, and a process then counts for itself for a moment. */
  const isShared = ({ services }: TestApp) => waitUntil(() => services.redis!.state().state === 'connected')

  let serial = 0
  /** A request from an address; each test has its own. */
  const ask = ({ call }: TestApp, address: string, path = '/problems') =>
    call('GET', path, undefined, { 'x-forwarded-for': address })
  const leftOf = async (process: TestApp, address: string) =>
    Number(/r=(\d+)/.exec((await ask(process, address)).headers['ratelimit'] ?? '')?.[1])

  // Red when: each process counts for itself, or the keys in Redis are not digests.
  test('processes count together, also after a restart, and Redis learns no address and no user', async () => {
    const [one, other] = [await processWith(), await processWith()]
    for (const { services } of [one, other]) assert.equal(services.redis?.state().state, 'connected')
    for (const [index, process] of [one, other, one, await processWith()].entries()) {
      await isShared(process)
      assert.equal(await leftOf(process, '203.0.113.1'), 59 - index)
    }
    const user = await one.signUp()
    await user.call('GET', '/api/v1/auth/me')
    await ask(one, '203.0.113.3') // takes along what was noted
    const me = await other.call('GET', '/api/v1/auth/me', undefined, { authorization: `Bearer ${user.access_token}` })
    assert.match(me.headers['ratelimit'] ?? '', /r=58/)
    const keys = await redis.ask('KEYS', '*')
    assert.match(keys, /freehold:[0-9a-f]{12}:limit:[\w-]{22}\r/)
    for (const secret of ['203.0.113.1', user.user_id]) assert.ok(!keys.includes(secret), secret)
  })

  test('the stricter limit of a route and the limit of all count together too', async () => {
    const settings = { RATE_LIMIT_PER_MINUTE: '1000' }
    const [one, other] = [await processWith(settings), await processWith(settings)]
    const logIn = ({ call }: TestApp) =>
      call(
        'POST',
        '/api/v1/auth/login',
        { email: `nobody-${serial++}@example.com`, password: 'x' },
        { 'x-forwarded-for': '203.0.113.2' },
      )
    const statuses: number[] = []
    for (let round = 0; round < 12; round++) statuses.push((await logIn(round % 2 === 0 ? one : other)).status)
    assert.deepEqual(statuses, [...Array(10).fill(401), 429, 429])

    // So few a second that most are refused, even if they take seconds.
    const few = { ...settings, RATE_LIMIT_GLOBAL_PER_SECOND: '1' }
    const twins = [await processWith(few), await processWith(few)] as const
    const flood = Array.from({ length: 120 }, (_, index) => ask(twins[index % 2]!, `198.51.100.${index}`))
    const refused = (await Promise.all(flood)).filter(({ status }) => status === 429)
    assert.ok(refused.length >= 30, `${refused.length} of 120 were refused, at one a second`)
    assert.match(refused[0]!.headers['ratelimit-policy'] ?? '', /^"global"/)
  })

  // Red when: the script goes on after a limit that is exceeded.
  test('who is refused by one limit takes nothing from the next', async () => {
    const { services } = await processWith()
    const counters = createSharedCounters(services.redis!, Buffer.from('of this test'), createOwnCounters())
    const [own, all] = [
      { key: 'own', points: 2, seconds: 60 },
      { key: 'all', points: 10, seconds: 60 },
    ] as const
    for (let round = 0; round < 5; round++) await counters.take([own, all])
    assert.deepEqual(
      (
        await counters.take([
          { ...own, points: 10, ahead: 1 },
          { ...all, ahead: 1 },
        ])
      ).map(({ used }) => used),
      [5, 2],
    )
  })

  // Red when: the script does not set the expiry of a count that it begins, of one that was noted, or of one without any.
  test('every count begins anew after its time', async () => {
    const { services } = await processWith()
    const counters = createSharedCounters(services.redis!, Buffer.from('of expiry'), createOwnCounters())
    const before = new Set((await redis.ask('KEYS', '*:limit:*')).split('\r\n'))
    counters.note({ key: 'noted', seconds: 60 })
    await counters.take([{ key: 'minute', points: 5, seconds: 60 }])
    await counters.take([{ key: 'second', points: 5, seconds: 1 }])
    const made = (await redis.ask('KEYS', '*:limit:*'))
      .split('\r\n')
      .filter(key => key.includes(':limit:') && !before.has(key))
    assert.equal(made.length, 3)
    const leftOfAll = async () =>
      (await Promise.all(made.map(key => redis.ask('PTTL', key))))
        .map(reply => Number(reply.slice(1)))
        .toSorted((a, b) => a - b)
    const [short, ...long] = await leftOfAll()
    assert.ok(short! <= 1000 && long.every(ms => ms > 30_000 && ms <= 60_000), String([short, ...long]))
    for (const key of made) await redis.ask('PERSIST', key)
    counters.note({ key: 'noted', seconds: 60 })
    await counters.take([{ key: 'minute', points: 5, seconds: 60 }])
    await counters.take([{ key: 'second', points: 5, seconds: 1 }])
    assert.ok(
      (await leftOfAll()).every(ms => ms > 0 || ms === -2),
      'also one that had none, as after a restored dump',
    )
  })

  // Red when: what was noted waits for the next request, or is forgotten if Redis does not take it.
  test('what is counted after the response is counted soon, in Redis or else in the process', async t => {
    const server = await startRedis(t)
    const { services } = await processWith({ REDIS_URL: server.url })
    const limit = { key: 'later', points: 9, seconds: 60 } as const
    const counters = () => createSharedCounters(services.redis!, Buffer.from('of notes'), createOwnCounters())
    const [noting, looking] = [counters(), counters()]
    const look = async (of: typeof looking) => (await of.take([{ ...limit, ahead: 0 }]))[0]!.used
    for (let time = 0; time < 3; time++) noting.note(limit)
    await waitUntil(async () => (await look(looking)) === 3)
    await server.stop()
    for (let time = 0; time < 2; time++) noting.note(limit)
    await waitUntil(() => services.redis!.state().state === 'unavailable')
    assert.equal(await look(noting), 2)
  })

  // Red when: `send` has no time limit, a refused command fails the request, or a failure does not end the use of Redis.
  test('killed, started, paused and full under load: no request fails or waits, and Redis is used again', async t => {
    const much = { RATE_LIMIT_PER_MINUTE: '1000000' }
    const process = await processWith({ ...much, REDIS_TIMEOUT_MS: '300' })
    // At the same time, in the same event loop: what both wait for is not Redis.
    const control = await createTestApp({ ...limited, ...much })
    for (const app of [process, control]) await ask(app, '192.0.2.1')
    const state = () => process.services.redis!.state()
    const timeOf = async (app: TestApp, address: string) => {
      const begun = performance.now()
      const { status } = await ask(app, address)
      return { status, ms: performance.now() - begun }
    }
    const waits: number[] = []
    const others: number[] = []
    const statuses = new Set<number>()
    const over = new AbortController()
    const load = Promise.all(
      Array.from({ length: 8 }, async (_, client) => {
        while (!over.signal.aborted) {
          const [own, other] = await Promise.all([process, control].map(app => timeOf(app, `192.0.2.${client}`)))
          statuses.add(own!.status)
          waits.push(own!.ms)
          others.push(other!.ms)
          // A request without a socket may run without a turn of the event loop.
          await nextTurn()
        }
      }),
    )
    const isBack = () => waitUntil(() => state().state === 'connected')
    const isLost = () => waitUntil(() => state().state === 'unavailable')
    try {
      await redis.stop()
      await isLost()
      await delay(300)
      await redis.start()
      await isBack()
      redis.pause()
      await isLost()
      const answered = waits.length
      await delay(2500)
      assert.ok(waits.length - answered > 8, 'requests are answered meanwhile')
      redis.resume()
      await isBack()
      await redis.ask('CONFIG', 'SET', 'maxmemory', '1')
      await isLost()
      const full = state()
      assert.match(full.state === 'unavailable' ? full.reason : '', /is full: raise maxmemory/)
      await redis.ask('CONFIG', 'SET', 'maxmemory', '0')
      await isBack()
    } finally {
      redis.resume()
      over.abort()
      await load
    }
    assert.deepEqual([...statuses], [200])
    // Each client meets each of two silences once; what keeps the others as long is the machine.
    const [longest, most] = [Math.max(...waits), waits.toSorted((a, b) => b - a)[16 + Math.floor(waits.length / 100)]!]
    const slowest = Math.max(...others)
    t.diagnostic(`${waits.length} requests took at most ${longest.toFixed(0)} ms, nearly all ${most.toFixed(0)} ms`)
    t.diagnostic(`without Redis at most ${slowest.toFixed(0)} ms`)
    assert.ok(longest < 1500 + slowest && most < 300 + slowest, `the longest took ${longest} ms, nearly all ${most} ms`)
    const lines = process.logged().match(/Redis is (un)?available/g) ?? []
    // On a busy machine Redis can be late once more.
    assert.ok(lines.length >= 7, 'one line for the start and one for each change')
    assert.ok(
      lines.every((line, index) => line !== lines[index - 1]),
      lines.join(),
    )
  })

  // Red when: the probe is a PING, or the health of the limits does not depend on Redis.
  test('a full Redis is not used because it answers, and health says so', async () => {
    const process = await processWith()
    const state = () => process.services.redis!.state()
    const healthOf = async () => (await process.call('GET', '/api/health')).body.components
    assert.deepEqual([(await healthOf()).rate_limit.status, (await healthOf()).cache.status], ['healthy', 'healthy'])
    await redis.ask('CONFIG', 'SET', 'maxmemory', '1')
    await ask(process, '203.0.113.4')
    const { since } = state()
    await delay(900)
    assert.deepEqual([state().state, state().since], ['unavailable', since])
    const { rate_limit, cache } = await healthOf()
    assert.deepEqual([rate_limit.status, rate_limit.details.store], ['degraded', 'process'])
    assert.match(rate_limit.message + cache.message, /each process counts for itself.*is full: raise maxmemory/)
    await redis.ask('CONFIG', 'SET', 'maxmemory', '0')
  })

  // Red when: answerWithin waits in one piece.
  test('a process that was busy for a moment does not take that for an outage', async () => {
    const late = new Promise(resolve => setImmediate(() => setTimeout(resolve, 5, 'written late')))
    const arrived = new Promise(resolve => setImmediate(resolve, 'read late'))
    const answers = [answerWithin(late, 30), answerWithin(arrived, 30)]
    for (const until = performance.now() + 120; performance.now() < until;);
    assert.deepEqual(await Promise.all(answers), ['written late', 'read late'])
    await assert.rejects(answerWithin(new Promise(() => {}), 30), /no answer within 30 ms/)
  })

  // Red when: the message of the library, which has no remedy, is passed on, or the URL is; TLS asks for an address;
  // silence at the start is no failure; or the end of the connection takes the place of the reason for it.
  test('a wrong password, a missing one, a wrong number and a server that is no Redis are named, without secrets', async () => {
    const web = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1')
    const silent = createSilentServer(() => {}).listen(0, '127.0.0.1')
    await Promise.all([web, silent].map(server => once(server, 'listening')))
    ends.push(
      () => web.close(),
      () => silent.close(),
    )
    const portOf = (server: Server) => (server.address() as AddressInfo).port
    const locked = await startRedis({ after: end => ends.push(end) }, '--requirepass', 'open-sesame-7')
    const { host } = new URL(locked.url)
    const found: { process: Awaited<ReturnType<typeof createTestApp>>; words: RegExp }[] = []
    for (const [url, words] of [
      [`redis://:hUnTeR2zq@${host}`, /refuses the password: correct it/],
      [`redis://${host}`, /requires a password: set REDIS_PASSWORD/],
      [`redis://:open-sesame-7@${host}/99`, /has no database of that number/],
      [`redis://:hUnTeR2zq@127.0.0.1:${portOf(web)}`, /is no Redis: correct host and port/],
      ['redis://:hUnTeR2zq@127.0.0.1:1', /no Redis answers at 127\.0\.0\.1:1 .*ECONNREFUSED/],
      ['redis://:hUnTeR2zq@redis.invalid', /no address is known for the host redis\.invalid/],
      [
        `redis://:hUnTeR2zq@127.0.0.1:${portOf(silent)}`,
        /no Redis answers at 127\.0\.0\.1:\d+ \(no answer within [15]000 ms\)/,
      ],
      // Also at an address, which is no name for TLS.
      [`rediss://:open-sesame-7@${host}`, /no answer within [15]000 ms\); does it offer TLS\?/],
    ] as const) {
      const process = await createTestApp({ ...limited, ...unhurried, REDIS_URL: url })
      assert.equal(await leftOf(process, '203.0.113.6'), 59, 'it counts for itself')
      const lines = process.logged().match(/.*Redis is unavailable.*/g) ?? []
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.match(lines[0]!, words)
      found.push({ process, words })
    }
    await delay(1500)
    for (const { process, words } of found) {
      const state = process.services.redis?.state()
      assert.match(state?.state === 'unavailable' ? state.reason : '', words, 'after further attempts')
      assert.equal(process.logged().match(/Redis is unavailable/g)?.length, 1, process.logged())
      assert.doesNotMatch(process.logged(), /hUnTeR2zq|open-sesame/)
    }
    const open = await createTestApp({ ...limited, ...unhurried, REDIS_URL: `redis://:open-sesame-7@${host}/3` })
    assert.equal(open.services.redis?.state().state, 'connected')
  })

  // Red when: the cache does not look into Redis, opens a value that it did not write, or clears only its own memory.
  test('a document is made once for all processes, a forged one is not believed, and clearing forgets it', async () => {
    const settings = { ENVIRONMENT: 'staging', EMAIL_VERIFICATION: 'optional', PUBLIC_DOCUMENTS: 'true' }
    const [one, other] = [await processWith(settings), await processWith(settings)]
    const path = '/api/v1/openapi.json'
    const first = await ask(one, '203.0.113.7', path)
    const cached = async () => (await one.services.cache.stats()).entries
    await waitUntil(async () => (await cached()) === 1)
    const second = await ask(other, '203.0.113.7', path)
    assert.equal(second.text, first.text)
    await ask(other, '203.0.113.7', path)
    const { hits, shared_hits, misses, store } = await other.services.cache.stats()
    assert.deepEqual({ hits, shared_hits, misses, store }, { hits: 1, shared_hits: 1, misses: 0, store: 'redis' })

    const place = `${one.services.redis!.place}cache`
    const [, , field = ''] = (await redis.ask('HKEYS', place)).split('\r\n')
    await redis.ask('HSET', place, `"${field}"`, Buffer.from('<script>'.repeat(9)).toString('base64'))
    const third = await processWith(settings)
    assert.equal((await ask(third, '203.0.113.7', path)).text, first.text)
    assert.equal((await third.services.cache.stats()).misses, 1)

    await third.services.cache.clear()
    assert.equal(await cached(), 0)
    await ask(third, '203.0.113.7', path)
    assert.equal((await third.services.cache.stats()).misses, 2)
  })
})
