import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer } from '../../../test/test-app.ts'
import { addressKey } from '../addresses.ts'
import { createOwnCounters } from './counters.ts'

const limited = { RATE_LIMIT_ENABLED: 'true' }

/** The statuses of so many requests, one after the other. */
async function repeat(times: number, request: () => Promise<Answer>): Promise<number[]> {
  const statuses: number[] = []
  for (let round = 0; round < times; round++) statuses.push((await request()).status)
  return statuses
}

const from = (address: string) => ({ 'x-forwarded-for': address })

test('every answer says where its limit stands', async () => {
  const { call } = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '20' })
  const requests = [
    ['GET', '/problems'],
    ['GET', '/nowhere'],
    ['DELETE', '/problems'],
    ['GET', '/%zz'],
    ['GET', '/api/v1/projects'],
    ['GET', '/docs'],
    ['GET', '/problems?x=1'],
  ] as const
  for (const [index, [method, path]] of requests.entries()) {
    const { headers } = await call(method, path)
    assert.equal(headers['ratelimit-policy'], '"client";q=20;w=60', `${method} ${path}`)
    assert.match(headers['ratelimit'] ?? '', new RegExp(`^"client";r=${19 - index};t=\\d+$`), `${method} ${path}`)
  }
})

test('who asks too often is told when to come back', async () => {
  const { call } = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '3' })
  assert.deepEqual(await repeat(4, () => call('GET', '/problems')), [200, 200, 200, 429])
  const { status, headers, body } = await call('GET', '/nowhere')
  assert.deepEqual([status, body.code], [429, 'rate-limited'])
  assert.ok(Number(headers['retry-after']) >= 1 && Number(headers['retry-after']) <= 60)
  assert.match(headers['ratelimit'] ?? '', /^"client";r=0;t=\d+$/)
})

// Red when: the limit counts by address alone.
test('people behind one address are counted apart, and a person behind several as one', async () => {
  const { call, signUp } = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '6', TRUSTED_PROXIES: '127.0.0.1' })
  const [one, other] = [await signUp(), await signUp()]
  const own = '/api/v1/auth/me'
  assert.deepEqual(await repeat(6, () => one.call('GET', own)), Array(6).fill(200))
  assert.equal((await one.call('GET', own, undefined, from('203.0.113.77'))).status, 429)
  assert.equal((await other.call('GET', own)).status, 200)
  assert.equal((await call('GET', '/problems')).status, 200)
})

test('a token that is none buys no count of its own', async () => {
  const { call } = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '3' })
  let serial = 0
  assert.deepEqual(
    await repeat(4, () => call('GET', '/problems', undefined, { authorization: `Bearer ${serial++}` })),
    [200, 200, 200, 429],
  )
})

test('sign-in is limited more strictly, by address, for every name, on the older path too', async () => {
  const { call } = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '1000', TRUSTED_PROXIES: '127.0.0.1' })
  let serial = 0
  const logIn = (path: string, address: string) =>
    call('POST', path, { email: `nobody-${serial++}@example.com`, password: 'x' }, from(address))
  assert.deepEqual(await repeat(6, () => logIn('/api/v1/auth/login', '198.51.100.1')), Array(6).fill(401))
  assert.deepEqual(await repeat(5, () => logIn('/api/auth/login', '198.51.100.1')), [401, 401, 401, 401, 429])
  const refused = await logIn('/api/v1/auth/login', '198.51.100.1')
  assert.equal(refused.headers['ratelimit-policy'], '"route";q=10;w=60')
  assert.equal((await logIn('/api/v1/auth/login', '198.51.100.2')).status, 401)
  assert.equal((await call('GET', '/problems', undefined, from('198.51.100.1'))).status, 200)
})

// Red when: trustProxy is true, or reads from the left.
test('X-Forwarded-For is believed from trusted proxies only, and read from the right', async () => {
  const direct = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '3' })
  let serial = 0
  const spoofed = () => direct.call('GET', '/problems', undefined, from(`203.0.113.${serial++}`))
  assert.deepEqual(await repeat(4, spoofed), [200, 200, 200, 429])

  const proxied = await createTestApp({
    ...limited,
    RATE_LIMIT_PER_MINUTE: '3',
    TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8',
  })
  const prepended = () =>
    proxied.call('GET', '/problems', undefined, from(`203.0.113.${serial++}, 198.51.100.7, 10.1.2.3`))
  assert.deepEqual(await repeat(4, prepended), [200, 200, 200, 429])
  assert.equal((await proxied.call('GET', '/problems', undefined, from('198.51.100.8, 10.1.2.3'))).status, 200)
})

// Red when: addressKey gives the address back.
test('an IPv6 subscriber counts as one, however many addresses it has', async () => {
  const { call } = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '3', TRUSTED_PROXIES: '127.0.0.1' })
  let serial = 1
  const next = () => call('GET', '/problems', undefined, from(`2001:db8:1:2:${(serial++).toString(16)}::1`))
  assert.deepEqual(await repeat(4, next), [200, 200, 200, 429])
  assert.equal((await call('GET', '/problems', undefined, from('2001:db8:1:3::1'))).status, 200)
})

test('an address has one key in all its spellings', () => {
  for (const spelling of [
    '2001:db8:1:2::1',
    '2001:0db8:0001:0002:ffff::',
    '2001:DB8:1:2:0:0:0:9',
    '2001:db8:1:2::1%eth0',
  ])
    assert.equal(addressKey(spelling), '2001:db8:1:2::/64', spelling)
  assert.equal(addressKey('::1'), '0:0:0:0::/64')
  assert.equal(addressKey('2001:db8::1'), '2001:db8:0:0::/64')
  assert.equal(addressKey('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(addressKey('::FFFF:192.0.2.1'), '192.0.2.1')
  assert.equal(addressKey('::ffff:c000:201'), '192.0.2.1')
  assert.equal(addressKey('192.0.2.1'), '192.0.2.1')
  assert.equal(addressKey('no address'), 'no address')
})

test('everyone together is limited by the second', async () => {
  const { call } = await createTestApp({
    ...limited,
    RATE_LIMIT_PER_MINUTE: '1000',
    RATE_LIMIT_GLOBAL_PER_SECOND: '5',
    TRUSTED_PROXIES: '127.0.0.1',
  })
  // So many that some are refused even if they take seconds.
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => call('GET', '/nowhere', undefined, from(`198.51.100.${index}`))),
  )
  const refused = answers.filter(({ status }) => status === 429)
  assert.ok(refused.length >= 10, `${refused.length} refused`)
  assert.match(refused[0]!.headers['ratelimit-policy'] ?? '', /^"global";q=5;w=1$/)
})

// Red when: the limit of all counts what another limit refuses.
test('who is refused takes nothing from everyone', async () => {
  const { call } = await createTestApp({
    ...limited,
    RATE_LIMIT_PER_MINUTE: '2',
    RATE_LIMIT_GLOBAL_PER_SECOND: '10',
    TRUSTED_PROXIES: '127.0.0.1',
  })
  const flood = await Promise.all(
    Array.from({ length: 50 }, () => call('GET', '/nowhere', undefined, from('198.51.100.1'))),
  )
  assert.equal(flood.filter(({ status }) => status === 429).length, 48)
  assert.equal((await call('GET', '/nowhere', undefined, from('198.51.100.2'))).status, 404)

  // On a busy machine a second has passed by then, so the counters are asked as well, with a minute.
  const counters = createOwnCounters()
  const [own, all] = [
    { key: 'own', points: 2, seconds: 60 },
    { key: 'all', points: 10, seconds: 60 },
  ] as const
  for (let round = 0; round < 5; round++) await counters.take([own, all])
  const look = await counters.take([
    { ...own, points: 10, ahead: 1 },
    { ...all, ahead: 1 },
  ])
  assert.deepEqual(
    look.map(({ used }) => used),
    [5, 2],
  )
})

test('limits can be switched off', async () => {
  const { call } = await createTestApp({ RATE_LIMIT_ENABLED: 'false', RATE_LIMIT_PER_MINUTE: '1' })
  assert.deepEqual(await repeat(3, () => call('GET', '/problems')), [200, 200, 200])
})

// Red when: `Infinity` is a limit for probes, or none for those who send an access token, which is looked up each time.
test('probes are answered however much else comes from their address, unless they have an access token', async () => {
  const { call, signUp } = await createTestApp({
    ...limited,
    RATE_LIMIT_PER_MINUTE: '3',
    ENABLE_METRICS: 'true',
    METRICS_TOKEN: 'metrics-token-of-the-tests-0123456789',
    PUBLIC_MONITORING: 'false',
  })
  const person = await signUp()
  assert.deepEqual(await repeat(3, () => person.call('GET', '/metrics')), [403, 403, 429])
  assert.equal((await person.call('GET', '/api/health')).status, 429)
  assert.equal((await call('GET', '/')).status, 429)
  for (const path of ['/ready', '/health', '/api/health', '/api/healthz'])
    assert.deepEqual(await repeat(4, () => call('GET', path)), [200, 200, 200, 200], path)
  const scraper = { authorization: 'Bearer metrics-token-of-the-tests-0123456789' }
  assert.deepEqual(await repeat(4, () => call('GET', '/metrics', undefined, scraper)), [200, 200, 200, 200])
})

// Red when: `rivals` is always the session.
test('requests in progress of all sessions of a user share the limit', async () => {
  const { call, signUp, logIn, admin } = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '20' })
  const person = await signUp()
  const sessions = [person, await logIn(person), await logIn(person), await logIn(person)]
  const me = ({ access_token }: { access_token: string }) =>
    call('GET', '/api/v1/auth/me', undefined, { authorization: `Bearer ${access_token}` })
  for (const session of sessions) assert.equal((await me(session)).status, 200)
  // While the gate cannot answer, all requests are in progress.
  const client = await admin.connect()
  await client.query('begin; lock table users in access exclusive mode')
  const answers = Array.from({ length: 40 }, (_, number) => me(sessions[number % 4]!))
  await setTimeout(300)
  await client.query('rollback')
  client.release()
  const statuses = (await Promise.all(answers)).map(({ status }) => status)
  assert.equal(statuses.filter(status => status === 200).length, 16)
})
