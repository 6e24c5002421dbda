import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeDeviceKey, verifyLicenseFile } from '../../../../docs/license-client/license-file.ts'
import type { PublicKey } from '../../../../docs/license-client/license-file.ts'
import { makeLicense } from '../../../test/licenses.ts'
import type { Terms } from '../../../test/licenses.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { TEST_SECRET } from '../../../test/test-database.ts'
import { systemFor } from '../../platform/database/runners.ts'
import { addFileKey, listFileKeys, publicFileKeys, removeFileKey } from './file-keys.ts'

const { admin, call, signUp, database, services } = await createTestApp()
const { organization_id } = await signUp('Acme')
const system = systemFor(database, 'license files')
const issuer = services.config.publicUrl
const fingerprint = 'one'
const DAY = 86_400_000

const post = (operation: string, body: object) => call('POST', `/api/v1/licenses/${operation}`, body)
const publicKeys = async () => (await call('GET', '/.well-known/license-jwks.json')).body.keys as PublicKey[]
async function activated(terms?: Terms) {
  const license = await makeLicense(admin, organization_id, terms)
  const { body } = await post('activate', { key: license.key, fingerprint })
  return { ...license, activation_id: body.id as string }
}
const fileOf = (key: string, wanted: object = {}) => post('files', { key, fingerprint, ...wanted })

test('an activated device gets a file that it verifies offline, and that is no file of another device', async () => {
  const metadata = { product: 'editor', max_version: '2', order: 'A-1' }
  const license = await activated({ entitlements: ['export'], max_activations: 1, metadata })
  const made = await fileOf(license.key, { ttl_seconds: 3600 })
  assert.equal(made.status, 201)
  const keys = await publicKeys()
  assert.ok(keys.some(({ kid }) => kid === made.body.key_id))
  const verdict = await verifyLicenseFile(made.body.file, { keys, issuer, fingerprint })
  assert.ok(verdict.code === 'valid')
  const { iat, exp, ...claims } = verdict.license
  assert.deepEqual(claims, {
    iss: issuer,
    jti: made.body.id,
    sub: license.id,
    organization_id,
    activation_id: license.activation_id,
    fingerprint,
    plan: 'test-plan',
    product: 'editor',
    max_version: '2',
    entitlements: ['export'],
    license_expires_at: null,
    on_expiry: 'restrict',
  })
  assert.equal(exp - iat, 3600)
  assert.equal(Date.parse(made.body.expires_at), exp * 1000)
  const stranger = await verifyLicenseFile(made.body.file, { keys, issuer, fingerprint: 'two' })
  assert.equal(stranger.code, 'fingerprint-mismatch')
  const later = await verifyLicenseFile(made.body.file, { keys, issuer, fingerprint, now: exp * 1000 })
  assert.equal(later.code, 'file-expired')
})

test('a file is encrypted to the key of the device', async () => {
  const { key } = await activated()
  const deviceKey = await makeDeviceKey()
  const { body } = await fileOf(key, { device_public_key: deviceKey.x })
  const expected = { keys: await publicKeys(), issuer, fingerprint }
  assert.equal((await verifyLicenseFile(body.file, { ...expected, deviceKey })).code, 'valid')
  assert.equal((await verifyLicenseFile(body.file, expected)).code, 'not-decryptable')
  const refused = await fileOf(key, { device_public_key: 'A'.repeat(43) })
  assert.deepEqual(refused.body.errors, [{ pointer: '/device_public_key', detail: 'is not a public key of X25519' }])
})

// Red when: issue_license_file does not ask for the license or the activation.
test('no file without a usable license and an activation', async () => {
  const license = await makeLicense(admin, organization_id, { max_activations: 1, heartbeat_seconds: 60 })
  assert.equal((await fileOf(license.key)).body.code, 'activation-missing')
  await post('activate', { key: license.key, fingerprint })
  await admin.query('update license_activations set expires_at = now() where license_id = $1', [license.id])
  assert.equal((await fileOf(license.key)).body.code, 'heartbeat-dead')
  await admin.query(`update licenses set status = 'suspended' where id = $1`, [license.id])
  assert.equal((await fileOf(license.key)).body.license_status, 'suspended')
})

// Red when: a device that holds a file can be replaced while the file is valid.
test('an activation counts until the end of its file, which a floating license borrows for 30 days at most', async () => {
  const { key } = await activated({ activation: 'floating', max_activations: 1, heartbeat_seconds: 60 })
  const { body } = await fileOf(key, { ttl_seconds: 366 * 86_400 })
  assert.ok(Math.abs(Date.parse(body.expires_at) - Date.now() - 30 * DAY) < 60_000)
  const beat = await post('heartbeat', { key, fingerprint })
  assert.equal(Date.parse(beat.body.expires_at), Date.parse(body.expires_at))
  assert.equal((await post('activate', { key, fingerprint: 'two' })).body.code, 'activations-exhausted')
})

test('a file ends with its license, unless that stays usable', async () => {
  const expires_at = new Date(Date.now() + DAY)
  for (const [on_expiry, days] of [
    ['restrict', 1],
    ['read-only', 7],
    ['keep', 7],
  ] as const) {
    const { key } = await activated({ expires_at, on_expiry })
    const { body } = await fileOf(key, { ttl_seconds: 7 * 86_400 })
    assert.ok(Math.abs(Date.parse(body.expires_at) - Date.now() - days * DAY) < 60_000, on_expiry)
    const expected = { keys: await publicKeys(), issuer, fingerprint, now: Date.now() + 2 * DAY }
    const verdict = await verifyLicenseFile(body.file, expected)
    assert.equal(verdict.code, on_expiry === 'restrict' ? 'file-expired' : 'valid')
    if (verdict.code === 'valid') assert.equal(verdict.access, on_expiry === 'keep' ? 'full' : 'read-only')
  }
})

// Red when: a new key signs at once, or the old one is no longer published.
test('a new key is published before it signs, and an old one as long as its files may be valid', async () => {
  const { key } = await activated()
  const before = (await fileOf(key)).body
  await system.run(addFileKey(TEST_SECRET, 'later'))
  const published = await publicKeys()
  const added = published.at(-1)?.kid
  assert.notEqual(added, before.key_id)
  assert.equal((await fileOf(key)).body.key_id, before.key_id)
  await admin.query(`update license_file_keys set signs_at = now() where id = $1`, [added])
  const after = (await fileOf(key)).body
  assert.equal(after.key_id, added)
  for (const { file } of [before, after])
    assert.equal((await verifyLicenseFile(file, { keys: published, issuer, fingerprint })).code, 'valid')

  const all = await system.run(listFileKeys)
  const idsAt = (days: number) => publicFileKeys(all, Date.now() + days * DAY).keys.map(({ kid }) => kid)
  assert.ok(idsAt(365).includes(before.key_id))
  assert.ok(!idsAt(367).includes(before.key_id))
  assert.ok(idsAt(3670).includes(added as string))

  await system.run(removeFileKey(before.key_id))
  const expected = { keys: await publicKeys(), issuer, fingerprint }
  assert.equal((await verifyLicenseFile(before.file, expected)).code, 'unknown-key')
})

test('processes without a key create one', async () => {
  await admin.query('delete from license_file_keys')
  assert.deepEqual(await publicKeys(), [])
  const { key } = await activated()
  const made = await Promise.all([fileOf(key), fileOf(key), fileOf(key)])
  assert.equal(new Set(made.map(({ body }) => body.key_id)).size, 1)
  assert.equal((await publicKeys()).length, 1)
})

test('private keys are encrypted, and the keys of access tokens are others', async () => {
  const { rows } = await admin.query('select private_key from license_file_keys')
  for (const { private_key } of rows) assert.ok(!private_key.includes('PRIVATE KEY'))
  const tokenKeys = (await call('GET', '/.well-known/jwks.json')).body.keys as { x: string }[]
  const fileKeys = await publicKeys()
  assert.ok(fileKeys.every(({ x }) => tokenKeys.every(other => other.x !== x)))
})
