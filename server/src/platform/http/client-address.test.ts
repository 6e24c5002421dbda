import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createTestApp, PASSWORD } from '../../../test/test-app.ts'
import { listFiles, readFile } from '../../../tools/code/source.ts'
import { addressKey, networkTest, readAddress } from '../addresses.ts'

const SEED = 20_261_128
const byte = fc.integer({ min: 0, max: 255 })
const group = fc.integer({ min: 0, max: 0xffff }).map(number => number.toString(16))

/** An address that is no trusted proxy's, in one spelling, and one of many in which proxies write it. */
const spelled = fc.oneof(
  fc
    .tuple(fc.constantFrom(198, 203, 8), byte, byte, byte, fc.nat(65_535), fc.nat(5))
    .map(([one, two, three, four, port, form]): [string, string] => {
      const address = [one, two, three, four].join('.')
      const [high, low] = [(one << 8) | two, (three << 8) | four].map(number => number.toString(16))
      const written = [
        address,
        `${address}:${port}`,
        `::ffff:${address}`,
        `[::FFFF:${address}]:${port}`,
        `0:0:0:0:0:ffff:${high}:${low}`,
        ` ${address}\t`,
      ]
      return [address, written[form] as string]
    }),
  fc
    .tuple(fc.array(group, { minLength: 5, maxLength: 5 }), fc.nat(65_535), fc.nat(5))
    .map(([groups, port, form]): [string, string] => {
      const whole = ['2001', 'db8', ...groups, '1'].join(':')
      const padded = whole.split(':').map(one => one.padStart(4, '0'))
      const written = [
        whole,
        `[${whole}]`,
        `[${whole}]:${port}`,
        padded.join(':').toUpperCase(),
        `${whole}%eth0`,
        `"[${whole}%eth0]:${port}"`,
      ]
      return [new URL(`http://[${whole}]`).hostname.slice(1, -1), written[form] as string]
    }),
)

const garbage = fc.oneof(
  fc.constantFrom('unknown', '_hidden', '1.2.3', '1.2.3.4.5', '256.1.1.1', '1.2.3.4:', '1.2.3.4:123456', '[', '[]:80'),
  fc.constantFrom('[1.2.3.4]', '::1::2', '[::1', ':::', '01.2.3.4', '1.2.3.4/8', 'example.com', "'; drop table users"),
  fc
    .string({ unit: 'grapheme-ascii', maxLength: 40 })
    .filter(text => !text.includes(',') && !/^[\s\d.:a-f]*$/i.test(text)),
)

/** The trusted proxies that the request came through, behind the client. */
const hops = fc.array(fc.constantFrom('10.1.2.3', '10.1.2.3:4711', '[::ffff:10.9.9.9]:80', '127.0.0.1'), {
  maxLength: 2,
})

const settings = { TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' }
const SOCKET = '127.0.0.1'

/** What a proxy sends: the client's own claims, who it is, and the proxies on the way. */
const chainOf = (claimed: string, hopsBehind: readonly string[]) => ['192.0.2.99', claimed, ...hopsBehind].join(', ')

test('an address is read in every spelling, and nothing else is one', () => {
  fc.assert(
    fc.property(spelled, ([address, written]) => {
      assert.equal(readAddress(written), address)
      assert.equal(addressKey(written), addressKey(address))
    }),
    { seed: SEED, numRuns: 1000 },
  )
  fc.assert(
    fc.property(garbage, text => assert.equal(readAddress(text), undefined, text)),
    { seed: SEED, numRuns: 500 },
  )
})

test('a network holds its addresses in every spelling', () => {
  const isTrusted = networkTest(['10.0.0.0/8', '2001:db8:1::/48', '::ffff:192.168.0.0/112', '192.0.2.7'])
  for (const address of [
    '10.1.2.3',
    '10.1.2.3:80',
    '[::ffff:10.1.2.3]:80',
    '2001:DB8:1::9',
    '192.168.7.7',
    '192.0.2.7',
  ])
    assert.equal(isTrusted(address), true, address)
  for (const address of [
    '11.1.2.3',
    '192.0.2.8',
    '192.169.0.1',
    '2001:db8:2::9',
    '::a01:203',
    'unknown',
    '',
    undefined,
  ])
    assert.equal(isTrusted(address), false, String(address))
})

// Red when: logRequests or the limit takes request.ip as it is, or trustProxy compares what a proxy wrote letter by letter.
test('limits and the log see one address, however a proxy writes it', async () => {
  const app = await createTestApp({
    ...settings,
    RATE_LIMIT_ENABLED: 'true',
    RATE_LIMIT_PER_MINUTE: '1000000',
  })
  let serial = 0
  const seen = async (forwarded: string) => {
    const id = `address-${serial++}`
    const headers = { 'x-forwarded-for': forwarded, 'x-request-id': id }
    const { headers: answer } = await app.call('GET', '/problems', undefined, headers)
    const line = app
      .logged()
      .split('\n')
      .findLast(text => text.includes(`"${id}"`))
    return {
      ip: (JSON.parse(line ?? '{}') as { ip: string }).ip,
      left: Number(/r=(\d+)/.exec(answer['ratelimit']!)?.[1]),
    }
  }
  await fc.assert(
    fc.asyncProperty(spelled, hops, async ([address, written], behind) => {
      const plain = await seen(address)
      const other = await seen(chainOf(written, behind))
      assert.equal(other.ip, address, written)
      assert.equal(other.left, plain.left - 1, `${written} has a count of its own`)
    }),
    { seed: SEED, numRuns: 150 },
  )
  const own = await seen('')
  await fc.assert(
    fc.asyncProperty(garbage, hops, async (text, behind) => {
      const { ip, left } = await seen(chainOf(text, behind))
      assert.equal(ip, SOCKET, text)
      assert.ok(left < own.left, `${text} has a count of its own`)
    }),
    { seed: SEED, numRuns: 150 },
  )
})

// Red when: originOf takes request.ip as it is.
test('failure counters, history, sessions and devices keep that address', async () => {
  const app = await createTestApp({ ...settings, SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR: '1000' })
  const person = await app.signUp()
  // No other test has this one.
  const remoteAddress = '10.66.0.9'
  let serial = 0
  const logIn = async (password: string, headers: Record<string, string>): Promise<number> => {
    const payload = { email: person.email, password }
    return (await app.app.inject({ method: 'POST', url: '/api/v1/auth/login', payload, headers, remoteAddress }))
      .statusCode
  }
  const stored = async (forwarded: string): Promise<string[]> => {
    const request_id = `stored-${process.pid}-${serial++}`
    const headers = { 'x-forwarded-for': forwarded, 'x-request-id': request_id }
    assert.equal(await logIn(`${PASSWORD}x`, headers), 401)
    assert.equal(await logIn(PASSWORD, headers), 200)
    const { rows } = await app.admin.query<{ ip: string }>(
      `select ip from security_events where request_id = $1
        union all (select ip from sessions where user_id = $2 order by created_at desc limit 1)
        union all (select ip from devices where user_id = $2 order by last_seen_at desc limit 1)`,
      [request_id, person.user_id],
    )
    return rows.map(({ ip }) => ip)
  }
  const failuresOf = async (address: string): Promise<number> => {
    const { rows } = await app.admin.query<{ failures: number }>('select failures from throttles where key = $1', [
      `address ${addressKey(address)}`,
    ])
    return rows[0]?.failures ?? 0
  }
  const nowhere = garbage.map((text): [string, string] => [remoteAddress, text])
  await fc.assert(
    fc.asyncProperty(fc.oneof(spelled, nowhere), async ([address, written]) => {
      const before = await failuresOf(address)
      const found = await stored(chainOf(written, ['10.1.2.3:4711']))
      assert.ok(found.length >= 4, String(found.length))
      assert.deepEqual(new Set(found), new Set([address]), written)
      assert.equal(await failuresOf(address), before + 1, written)
    }),
    { seed: SEED, numRuns: 15 },
  )
})

// Red when: a file asks the framework or the socket instead.
test('nothing else reads where a request comes from', () => {
  const others = listFiles('ts').filter(path => path !== 'platform/http/client-address.ts')
  const found = others.filter(path => {
    const code = readFile(path).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    return /request\.ips?\b|[{,]\s*ips?\s*[,}][^=\n]*=\s*(await )?request\b|x-forwarded-for|remoteAddress/i.test(code)
  })
  // What became no request has only a socket.
  assert.deepEqual(found, ['platform/server/errors.ts'])
})
