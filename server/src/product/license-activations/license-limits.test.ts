import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import type { FastifyReply } from 'fastify'
import { makeLicense } from '../../../test/licenses.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { ALPHABET, checksOf, createLicenseKey, readLicenseKey } from '../licenses/license-key.ts'

const { admin, call, services, signUp } = await createTestApp({
  RATE_LIMIT_ENABLED: 'true',
  RATE_LIMIT_PER_MINUTE: '60',
  TRUSTED_PROXIES: '127.0.0.1',
})
const { organization_id } = await signUp('Acme')
const validate = (key: string, address: string) =>
  call('POST', '/api/v1/licenses/validate', { key }, { 'x-forwarded-for': address })

/** A well-formed key that begins as another one: its first group may be shown. */
function guessLike(key: string): string {
  const data = key
    .slice(0, 5)
    .split('')
    .map(letter => ALPHABET.indexOf(letter))
  while (data.length < 25) data.push(randomInt(ALPHABET.length))
  return [...data, ...checksOf(data)].map(value => ALPHABET.charAt(value)).join('')
}

// Red when: a request with a known key is counted for its address, guesses are not counted, or they count by their prefix.
test('a thousand guesses in a minute on one prefix are refused by their address, and leave the right key its limit', async () => {
  const { key } = await makeLicense(admin, organization_id)
  const counts: Record<string, number> = {}
  for (let hundred = 0; hundred < 10; hundred++) {
    const guesses = Array.from({ length: 100 }, () => validate(guessLike(key), '192.0.2.1'))
    const [right, ...wrong] = await Promise.all([validate(key, '192.0.2.1'), ...guesses])
    assert.equal(right.body.code, 'valid')
    assert.match(right.headers['ratelimit'] ?? '', /^"license";r=59\d\d;/)
    for (const { status, body } of wrong) counts[`${status} ${body.code}`] = (counts[`${status} ${body.code}`] ?? 0) + 1
  }
  assert.deepEqual(counts, { '200 not-found': 60, '429 rate-limited': 940 })
  const refused = await validate(guessLike(key), '192.0.2.1')
  assert.ok(Number(refused.headers['retry-after']) > 0)
  assert.equal((await validate(guessLike(key), '192.0.2.2')).status, 200)
})

test('a hundred devices behind one address are no guesses, and a mistyped key costs nothing', async () => {
  const { key } = await makeLicense(admin, organization_id)
  for (let device = 0; device < 100; device++) assert.equal((await validate(key, '192.0.2.3')).status, 200)
  for (let attempt = 0; attempt < 100; attempt++) {
    const { status, headers } = await validate('nonsense', '192.0.2.3')
    assert.equal(status, 422)
    assert.match(headers['ratelimit'] ?? '', /^"client";r=60;/)
  }
})

// Red when: the address of a guess is the first of X-Forwarded-For, or an IPv6 address counts as itself.
test('a guesser gets no more by naming other addresses, or by moving within an IPv6 network', async () => {
  const guess = (address: string) => validate(createLicenseKey().key, address)
  for (let n = 0; n < 60; n++) assert.equal((await guess(`198.51.100.${n}, 192.0.2.4`)).status, 200)
  for (const spoofed of ['198.51.100.77, 192.0.2.4', '192.0.2.4', 'nonsense, 192.0.2.4', '127.0.0.1, 192.0.2.4'])
    assert.equal((await guess(spoofed)).status, 429, spoofed)
  for (let n = 0; n < 60; n++) assert.equal((await guess(`2001:db8:0:7::${n.toString(16)}`)).status, 200)
  assert.equal((await guess('2001:db8:0:7:ffff::1')).status, 429)
  assert.equal((await guess('2001:db8:0:8::1')).status, 200)
})

// Red when: one of the routes does not pass through withLicense(), or a refusal with a right key counts as a guess.
test('guesses on all routes count together, and what is refused with a right key is no guess', async () => {
  const operations = ['validate', 'activate', 'heartbeat', 'deactivate', 'files', 'activations']
  const ask = (n: number, key: string) => {
    const operation = operations[n % operations.length]
    const body = operation === 'activations' ? { key } : { key, fingerprint: 'one' }
    return call('POST', `/api/v1/licenses/${operation}`, body, { 'x-forwarded-for': '192.0.2.5' })
  }
  const guess = (n: number) => ask(n, createLicenseKey().key)
  for (let n = 0; n < 60; n++) assert.notEqual((await guess(n)).status, 429)
  for (let n = 0; n < 6; n++) assert.equal((await guess(n)).status, 429)
  const { key } = await makeLicense(admin, organization_id, { status: 'suspended' })
  for (let n = 0; n < 10; n++) {
    assert.notEqual((await ask(n, key)).status, 429)
  }
  // The keys of other organizations are no guesses either.
  for (let n = 0; n < 3; n++) {
    const other = await makeLicense(admin, (await signUp('Other')).organization_id)
    assert.equal((await validate(other.key, '192.0.2.5')).body.code, 'valid')
  }
})

// Red when: activations and deactivations are not counted, count for all licenses together, or what changes nothing counts.
test('one key fills the audit log of its organization with at most 600 entries a minute', async () => {
  const [busy, calm] = [await makeLicense(admin, organization_id), await makeLicense(admin, organization_id)]
  const ask = (operation: string, key: string, fingerprint = 'one') =>
    call('POST', `/api/v1/licenses/${operation}`, { key, fingerprint }, { 'x-forwarded-for': '192.0.2.8' })
  const limits = services.limitsOfPrograms({ header: () => {} } as unknown as FastifyReply, '203.0.113.1')
  for (let change = 0; change < 597; change++)
    await limits.changes.count(readLicenseKey(busy.key).hash.toString('base64url'))
  for (const [operation, status] of [
    ['activate', 201],
    ['activate', 200],
    ['heartbeat', 200],
    ['deactivate', 204],
    ['deactivate', 404],
    ['activate', 201],
    ['deactivate', 429],
    ['activate', 429],
    ['heartbeat', 200],
  ] as const)
    assert.equal((await ask(operation, busy.key)).status, status, operation)
  assert.equal((await ask('activate', calm.key)).status, 201)
  const { headers } = await ask('deactivate', busy.key)
  assert.match(headers['ratelimit-policy'] ?? '', /^"license-changes";q=600;w=60$/)
  assert.ok(Number(headers['retry-after']) > 0)
})

// Red when: lists have the limit of all requests: each reads past the devices that have expired within a day.
test('one key lists its devices 60 times a minute', async () => {
  const [busy, calm] = [await makeLicense(admin, organization_id), await makeLicense(admin, organization_id)]
  const ask = (operation: string, body: object) =>
    call('POST', `/api/v1/licenses/${operation}`, body, { 'x-forwarded-for': '192.0.2.9' })
  for (let n = 0; n < 60; n++) assert.equal((await ask('activations', { key: busy.key })).status, 200)
  const { status, headers } = await ask('activations', { key: busy.key })
  assert.equal(status, 429)
  assert.match(headers['ratelimit-policy'] ?? '', /^"license-lists";q=60;w=60$/)
  assert.equal((await ask('activate', { key: busy.key, fingerprint: 'one' })).status, 201)
  assert.equal((await ask('activations', { key: calm.key })).status, 200)
})

// Red when: the limit of a license is counted by address, or for all licenses together.
test('the limit of one key is used up by its own requests alone', async () => {
  const [busy, calm] = [await makeLicense(admin, organization_id), await makeLicense(admin, organization_id)]
  const limits = services.limitsOfPrograms({ header: () => {} } as unknown as FastifyReply, '203.0.113.1')
  for (let use = 0; use < 5999; use++) await limits.countUse(readLicenseKey(busy.key).hash.toString('base64url'))
  assert.equal((await validate(busy.key, '192.0.2.6')).status, 200)
  for (const address of ['192.0.2.6', '192.0.2.7'])
    assert.equal((await validate(busy.key, address)).body.code, 'rate-limited', 'from any address')
  assert.equal((await validate(calm.key, '192.0.2.6')).status, 200)
})
