import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeLicense } from '../../../test/licenses.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { createLicenseKey } from '../licenses/license-key.ts'

const { admin, call, signUp } = await createTestApp({
  RATE_LIMIT_ENABLED: 'true',
  RATE_LIMIT_PER_MINUTE: '60',
  TRUSTED_PROXIES: '127.0.0.1',
})
const { organization_id } = await signUp('Acme')
const validate = (key: string, address: string) =>
  call('POST', '/api/v1/licenses/validate', { key }, { 'x-forwarded-for': address })

// Red when: a request with a known key is counted for its address, or guesses are not counted.
test('a thousand guesses in a minute are refused by their address, and leave the right key its limit', async () => {
  const { key } = await makeLicense(admin, organization_id)
  const counts: Record<string, number> = {}
  for (let guess = 0; guess < 1000; guess++) {
    const { status, body } = await validate(createLicenseKey().key, '192.0.2.1')
    const word = `${status} ${body.code}`
    counts[word] = (counts[word] ?? 0) + 1
    if (guess % 100 === 0) {
      const right = await validate(key, '192.0.2.1')
      assert.equal(right.body.code, 'valid')
      assert.match(right.headers['ratelimit'] ?? '', /^"license";r=59\d\d;/)
    }
  }
  assert.deepEqual(counts, { '200 not-found': 60, '429 rate-limited': 940 })
  const refused = await validate(createLicenseKey().key, '192.0.2.1')
  assert.ok(Number(refused.headers['retry-after']) > 0)
  assert.equal((await validate(createLicenseKey().key, '192.0.2.2')).status, 200)
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
