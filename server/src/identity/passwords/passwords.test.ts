import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../../platform/problems.ts'
import { createPasswords } from './passwords.ts'

const passwords = await createPasswords()
const IMPORTED = '$2b$04$abcdefghijklmnopqrstuulGVWXz5ntA6ll07RaYv1qGs5fBjEmBy'

// Red when: verify() does not compare with the decoy.
test('a password is verified against its own hash, and against none without one', async () => {
  const stored = await passwords.hash('Correct-horse-7')
  assert.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/, 'OWASP’s parameters')
  assert.equal(await passwords.verify(stored, 'Correct-horse-7'), true)
  assert.equal(await passwords.verify(stored, 'correct-horse-7'), false)
  for (const nothing of [null, undefined, '']) {
    assert.equal(await passwords.verify(nothing, 'Correct-horse-7'), false)
    assert.equal(await passwords.verify(nothing, 'no password is this one'), false)
  }
})

// Red when: renew() checks only for `$argon2id$`.
test('a hash with other parameters than today’s is renewed, and one of today’s is not', async () => {
  const stored = await passwords.hash('Correct-horse-7')
  assert.equal(await passwords.renew(stored, 'Correct-horse-7'), undefined)
  const former = '$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$l39BCnHgKzmwKCCb9IqIqs/81o+QblnDuGf82IeO9os'
  for (const old of [IMPORTED, former]) {
    const renewed = await passwords.renew(old, 'Correct-horse-7')
    assert.ok(renewed !== undefined)
    assert.equal(await passwords.verify(renewed, 'Correct-horse-7'), true)
    assert.equal(await passwords.renew(renewed, 'Correct-horse-7'), undefined)
  }
})

// Red when: imported hashes are computed outside the queue, or renew() waits in a full queue.
test('too many concurrent hashes are refused as busy, imported ones as well, and nothing is renewed meanwhile', async () => {
  const attempts = Array.from({ length: 200 }, () => passwords.verify(IMPORTED, 'Correct-horse-7'))
  const settled = Promise.allSettled(attempts)
  assert.equal(await passwords.renew(IMPORTED, 'Correct-horse-7'), undefined)
  const refused = (await settled).filter(result => result.status === 'rejected')
  assert.ok(refused.length > 100, `${refused.length} refused`)
  for (const { reason } of refused) assert.ok(reason instanceof Problem && reason.code === 'busy')
})
