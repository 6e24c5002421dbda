import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertFault, load, production } from '../../test/environments.ts'

// Red when: readList splits JSON at commas, or networks lets 0.0.0.0/0 through.
test('lists are read as JSON or with commas, and every entry is checked', () => {
  const origins = ['http://localhost:3000', 'https://app.example.com']
  assert.deepEqual(load({ CORS_ORIGINS: `${origins.join(', ')},` }).corsOrigins, origins)
  assert.deepEqual(load({ CORS_ORIGINS: JSON.stringify(origins) }).corsOrigins, origins)
  for (const list of ['*', 'null', "['http://a.test']", '[1]', 'https://*.a.test', 'a.test']) {
    assertFault({ CORS_ORIGINS: list }, /^CORS_ORIGINS: /)
  }
  assertFault({ ...production, CORS_ORIGINS: 'localhost' }, /^CORS_ORIGINS: localhost is for development/)
  const proxies = ['10.0.0.0/8', '127.0.0.1', '::1', 'fd00::/8']
  assert.deepEqual(load({ TRUSTED_PROXIES: proxies.join() }).trustedProxies, proxies)
  for (const entry of [
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0',
    'proxy.internal',
    '::1/129',
    '1.2.3.4/8/8',
    'fe80::1%eth0',
  ]) {
    assertFault({ TRUSTED_PROXIES: entry }, /is neither an IP address nor a network/)
  }
  for (const entry of ['0.0.0.0/0', '::/0', '::/00'])
    assertFault({ TRUSTED_PROXIES: entry }, /would trust every client/)
})

// Red when: integer() accepts what Number() accepts, or a range moves.
test('numbers are whole and within their range', () => {
  for (const [port, isGood] of [
    ['0', true],
    ['65535', true],
    ['65536', false],
    ['-1', false],
    ['1e3', false],
    ['80.5', false],
    ['0x50', false],
  ] as const) {
    if (isGood) assert.equal(load({ PORT: port }).port, Number(port))
    else
      assertFault(
        { PORT: port },
        /^PORT: ".*" is (not a whole number|out of range); accepted: a whole number from 0 to 65535$/,
      )
  }
  assertFault({ DATABASE_POOL_SIZE: '1' }, /accepted: a whole number from 2 to 1000/)
  assertFault({ ACCOUNT_LOCKOUT_THRESHOLD: '0' }, /accepted: a whole number from 1 to 100/)
  assertFault({ REFRESH_TOKEN_EXPIRE_DAYS: '91' }, /accepted: a whole number from 1 to 90/)
  assertFault(
    { REFRESH_TOKEN_EXPIRE_MINUTES: '10' },
    /^REFRESH_TOKEN_EXPIRE_MINUTES: a refresh token would expire before/,
  )
})

// Red when: choice() compares case, or DEBUG wins over LOG_LEVEL.
test('words are read in any case, and DEBUG=true means debug unless LOG_LEVEL is given', () => {
  assert.equal(load({ LOG_LEVEL: 'INFO' }).log.level, 'info')
  assert.equal(load({ LOG_LEVEL: 'WARNING' }).log.level, 'warn')
  assert.equal(load({ LOG_LEVEL: 'critical' }).log.level, 'fatal')
  assert.equal(load({ ALGORITHM: 'hs256' }).jwtAlgorithm, 'HS256')
  assert.equal(load({ DEBUG: 'True' }).log.level, 'debug')
  assert.deepEqual(load({ DEBUG: 'True' }).warnings, [])
  assert.equal(load({ DEBUG: 'false' }).log.level, 'info')
  assert.equal(load({ DEBUG: 'fastify:*' }).log.level, 'info')
  const both = load({ DEBUG: 'true', LOG_LEVEL: 'INFO' })
  assert.equal(both.log.level, 'info')
  assert.deepEqual(both.warnings, ['DEBUG=true is overruled by LOG_LEVEL=info'])
  assert.equal(load({ RATE_LIMIT_ENABLED: 'OFF' }).rateLimit.enabled, false)
  assertFault(
    { ENVIRONMENT: 'prod' },
    /^ENVIRONMENT: "prod" is not one of them; accepted: development, staging, production$/,
  )
  assertFault({ DATABASE_SCHEMA: 'pg_mine' }, /cannot name a schema/)
})
