import assert from 'node:assert/strict'
import { hash } from '@node-rs/argon2'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'
import { checkPassword } from './password-policy.ts'

// One password, as different keyboards and systems write it.

const { admin, call, signUp } = await createTestApp({ SIGN_IN_FAILURES_PER_ADDRESS_PER_HOUR: '0' })
const NFC = 'Müßig-Éclair 7'.normalize('NFC')
const NFD = NFC.normalize('NFD')
const NBSP = NFC.replace(' ', '\u00a0')

const logIn = async (email: string, password: string) =>
  (await call('POST', '/api/v1/auth/login', { email, password })).status
const newAddress = () => `spelling-${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2)}@example.com`

// Red when: passwords.ts hashes or verifies what was typed.
test('a password matches however it is composed, from its first hash to its change', async () => {
  for (const typed of [NFC, NFD, NBSP]) {
    const email = newAddress()
    const { body } = await call('POST', '/api/v1/auth/signup', { email, password: typed })
    for (const other of [NFC, NFD, NBSP]) assert.equal(await logIn(email, other), 200)
    assert.equal(await logIn(email, NFC.replace('É', 'E')), 401)
    const authorization = `Bearer ${body.access_token}`
    const change = { current_password: NFD, new_password: `${NFD}!` }
    const changed = await call('POST', '/api/v1/auth/change-password', change, { authorization })
    assert.ok(changed.status < 300, changed.text)
    assert.equal(await logIn(email, `${NFC}!`), 200)
  }
})

// Red when: verify does not try what was typed, or renew keeps a hash of it.
test('a hash that was made of another spelling is accepted as typed, and replaced', async () => {
  const person = await signUp()
  const former = await hash(NFD, { memoryCost: 19456, timeCost: 2, parallelism: 1 })
  await admin.query('update users set password_hash = $2 where id = $1', [person.user_id, former])
  assert.equal(await logIn(person.email, NFC), 401, 'it was never this one')
  assert.equal(await logIn(person.email, NFD), 200)
  assert.equal(await logIn(person.email, NFC), 200, 'from now on it is')
  const { rows } = await admin.query('select password_hash from users where id = $1', [person.user_id])
  assert.equal(await logIn(person.email, NFD), 200)
  const after = await admin.query('select password_hash from users where id = $1', [person.user_id])
  assert.equal(after.rows[0].password_hash, rows[0].password_hash, 'and is not replaced again')
})

const lacksOf = async (password: string, rule: 'composition' | 'length' = 'composition', names: string[] = []) =>
  checkPassword(password, { rule, words: [] }, names).then(
    () => [],
    (error: { errors: { detail: string }[] }) => error.errors.map(({ detail }) => detail),
  )

// Red when: a letter without case is none of the two kinds, or a vowel sign is a special character.
test('the composition policy can be met in every script, and is met by nothing else', async () => {
  for (const password of [
    'Пароль-мой7',
    'סיסמה-ארוכה7',
    'كلمةالسر-٧',
    '密码很长很安全-7',
    'पासवर्डलंबा-7',
    'รหัสผ่าน-7',
    'Ŝtelita-7x',
  ])
    assert.deepEqual(await lacksOf(password), [], password)
  for (const [password, lack] of [
    ['пароль-мой7', 'must have an upper-case letter'],
    ['ПАРОЛЬ-МОЙ7', 'must have a lower-case letter'],
    ['पासवर्डलंबा7', 'must have a special character'],
    ['e\u0301E\u0301tranger7', 'must have a special character'],
    ['密码很长很安全-', 'must have a digit'],
  ] as const)
    assert.deepEqual(await lacksOf(password), [lack], password)
})

// Red when: the length is that of UTF-16, or of what was typed.
test('the length of a password is counted in characters', async () => {
  assert.deepEqual(await lacksOf('Aa7-😀😀😀'), ['must have at least 8 characters'])
  assert.deepEqual(await lacksOf('Aa7-😀😀😀😀'), [])
  assert.deepEqual(await lacksOf('Áá7-óóó'.normalize('NFD')), ['must have at least 8 characters'])
  assert.deepEqual(await lacksOf('😀'.repeat(14), 'length'), ['must have at least 15 characters'])
  assert.deepEqual(await lacksOf('a'.repeat(128), 'length'), [])
  assert.deepEqual(await lacksOf('a'.repeat(129), 'length'), ['must have at most 128 characters'])
  const [name] = ['Zoë Éclair'.normalize('NFD')]
  assert.equal((await lacksOf('éclair-Éclair-7', 'composition', [name as string])).length, 1)
})
