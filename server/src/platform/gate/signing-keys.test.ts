import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import { TEST_SECRET } from '../../../test/test-database.ts'
import { Problem } from '../problems.ts'
import {
  followSigningKeys,
  loadSigningKeys,
  publicKeySet,
  removeSigningKey,
  rotateSigningKeys,
} from './signing-keys.ts'
import type { SigningAlgorithm, SigningKey } from './signing-keys.ts'
import { systemFor } from '../database/runners.ts'
import { createAccessTokens } from './access-tokens.ts'
import type { AccessClaims } from './access-tokens.ts'

const { database, admin } = await createTestApp()
const system = systemFor(database, 'signing-keys')
const claims: AccessClaims = { sub: 'u', jti: 'j', sid: 's', auth_time: 0, email: 'e', user_id: 'u' }
const issuer = 'http://localhost:8000'

// EdDSA is what the other test files sign with, beside this one: rotation is tried on the others.
for (const algorithm of ['ES256', 'RS256', 'HS256'] as SigningAlgorithm[]) {
  test(`${algorithm}: a new key signs once every process knows it, the old one verifies on, a removed one no more`, async () => {
    await admin.query('delete from signing_keys where algorithm = $1', [algorithm])
    const tokens = createAccessTokens({ issuer, accessTokenSeconds: 900 })
    const read = async (): Promise<SigningKey[]> => {
      const keys = await loadSigningKeys(system, TEST_SECRET, algorithm)
      tokens.useKeys(keys)
      return keys
    }
    const keyOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).kid
    const [first] = await read()
    const before = tokens.sign(claims)
    assert.equal(tokens.verify(before).sub, 'u')

    const second = await system.transaction(transaction => rotateSigningKeys(transaction, TEST_SECRET, algorithm))
    const both = await read()
    assert.equal(keyOf(tokens.sign(claims)), first!.id, 'the new key has not settled')
    assert.equal(publicKeySet(both).keys.length, algorithm === 'HS256' ? 0 : 2)

    await admin.query(
      `update signing_keys set created_at = created_at - interval '1 minute', retired_at = retired_at - interval '1 minute' where algorithm = $1`,
      [algorithm],
    )
    await read()
    assert.equal(keyOf(tokens.sign(claims)), second)
    assert.equal(tokens.verify(before).sub, 'u', 'tokens of the retired key live on')

    await system.run(removeSigningKey(first!.id))
    await read()
    assert.throws(() => tokens.verify(before), Problem)
  })
}

test('twins that start at once make one key', async () => {
  await admin.query(`delete from signing_keys where algorithm = 'ES256'`)
  const read = await Promise.all(Array.from({ length: 8 }, () => loadSigningKeys(system, TEST_SECRET, 'ES256')))
  assert.equal(new Set(read.flat().map(key => key.id)).size, 1)
})

test('the private half is encrypted, and opens only with the secret that closed it', async () => {
  const [key] = await loadSigningKeys(system, TEST_SECRET, 'EdDSA')
  const { rows } = await admin.query('select private_key from signing_keys where id = $1', [key!.id])
  assert.ok(!rows[0].private_key.includes('PRIVATE KEY'))
  assert.equal(createPublicKey(key!.publicKey!).asymmetricKeyType, 'ed25519')
  await assert.rejects(
    loadSigningKeys(system, 'another secret of more than 32 characters', 'EdDSA'),
    /SECRET_KEY is not the one that this database was set up with/,
  )
})

// Red when: a retired key is no longer read before a token of 24 hours, as v5 has it, has expired.
test('a retired key verifies until the last token that it may have signed has expired', async () => {
  await admin.query(`delete from signing_keys where algorithm = 'ES256'`)
  const [old] = await loadSigningKeys(system, TEST_SECRET, 'ES256')
  await system.transaction(transaction => rotateSigningKeys(transaction, TEST_SECRET, 'ES256'))
  for (const [age, isKept] of [
    ['23 hours 59 minutes', true],
    ['24 hours 1 minute', false],
  ] as const) {
    await admin.query('update signing_keys set retired_at = now() - $2::interval where id = $1', [old!.id, age])
    const ids = (await loadSigningKeys(system, TEST_SECRET, 'ES256')).map(({ id }) => id)
    assert.equal(ids.includes(old!.id), isKept, age)
  }
})

test('a process that follows the keys is told of a change once', async () => {
  await admin.query(`delete from signing_keys where algorithm = 'ES256'`)
  let told = 0
  const options = { secretKey: TEST_SECRET, jwtAlgorithm: 'ES256' } as const
  const followed = await followSigningKeys(
    system,
    options,
    () => told++,
    error => assert.fail(String(error)),
  )
  assert.equal(followed.current().length, 1)
  followed.stop()
  assert.equal(told, 1)
})
