import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertFault, load } from '../../test/environments.ts'

// Red when: the front end does not come first, an origin outside the domain or without https stays in the default, or an address passes for a domain.
test('passkeys belong to the front end’s domain, and to none where no browser would take one', () => {
  const api = { PUBLIC_URL: 'https://api.example.com' }
  assert.deepEqual(load(api).passkeys, { rpId: 'api.example.com', origins: ['https://api.example.com'] })
  assert.deepEqual(load({ ...api, FRONTEND_URL: 'https://example.com/app' }).passkeys, {
    rpId: 'example.com',
    origins: ['https://example.com', 'https://api.example.com'],
  })
  assert.deepEqual(load({ ...api, FRONTEND_URL: 'https://badexample.com', PASSKEY_RP_ID: 'Example.com' }).passkeys, {
    rpId: 'example.com',
    origins: ['https://api.example.com'],
  })
  const app = `android:apk-key-hash:${'x'.repeat(43)}`
  assert.deepEqual(load({ ...api, PASSKEY_ORIGINS: `https://other.example,${app},http://localhost:3000` }).passkeys, {
    rpId: 'api.example.com',
    origins: ['https://other.example', app, 'http://localhost:3000'],
  })
  for (const PUBLIC_URL of [
    'http://192.168.1.5:8000',
    'http://127.0.0.1:8000',
    'http://[::1]:8000',
    'http://nas.lan',
  ]) {
    const { passkeys, warnings } = load({ PUBLIC_URL })
    assert.equal(passkeys, undefined, PUBLIC_URL)
    assert.match(warnings.join(), /^passkeys are off: .* PASSKEY_RP_ID and PASSKEY_ORIGINS$/)
  }
  for (const PASSKEY_RP_ID of ['192.168.1.5', '2130706433', '[::1]', 'https://example.com', 'example.com:443', 'a..b'])
    assertFault({ PASSKEY_RP_ID }, /^PASSKEY_RP_ID: is (an IP address|not a domain name); accepted: a domain name/)
  assertFault({ PASSKEY_ORIGINS: 'http://example.com' }, /"http:\/\/example.com" is not https, which browsers require/)
})
