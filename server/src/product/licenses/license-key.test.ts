import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '../../platform/problems.ts'
import { createLicenseKey, readLicenseKey } from './license-key.ts'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const isMalformed = (text: string): boolean => {
  try {
    readLicenseKey(text)
    return false
  } catch (error) {
    return error instanceof Problem && error.code === 'malformed-key'
  }
}
const replaceAt = (key: string, place: number, character: string): string =>
  key.slice(0, place) + character + key.slice(place + 1)

test('a key has six groups, is random, and is read as it was made', () => {
  const made = createLicenseKey()
  assert.match(made.key, /^[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){5}$/)
  assert.equal(made.prefix, made.key.slice(0, 5))
  assert.deepEqual(readLicenseKey(made.key), { prefix: made.prefix, hash: made.hash })
  const keys = new Set(Array.from({ length: 1000 }, () => createLicenseKey().key))
  assert.equal(keys.size, 1000)
  for (let place = 0; place < 29; place++)
    if (place % 6 !== 5) assert.ok(new Set([...keys].map(key => key[place])).size > 16, `character ${place} is random`)
})

test('a key is read in small letters, with spaces, without hyphens, and with letters that look like digits', () => {
  const { key, hash } = createLicenseKey()
  const typed = [key.toLowerCase(), key.replaceAll('-', ''), ` ${key.replaceAll('-', ' ')}\n`]
  typed.push(key.replaceAll('0', 'O').replaceAll('1', 'l'), key.replaceAll('0', 'o').replaceAll('1', 'I'))
  for (const text of typed) assert.deepEqual(readLicenseKey(text).hash, hash, text)
})

// Red when: checksOf() returns four zeros and the sum of the values, or a root of the generator is left out.
test('every single wrong character and every swap of two characters is found', () => {
  const { key } = createLicenseKey()
  const places = key.split('').flatMap((character, place) => (character === '-' ? [] : [place]))
  for (const place of places)
    for (const character of ALPHABET)
      if (character !== key[place]) assert.ok(isMalformed(replaceAt(key, place, character)), `${place} ${character}`)
  for (const one of places)
    for (const other of places)
      if (key[one] !== key[other])
        assert.ok(isMalformed(replaceAt(replaceAt(key, one, key[other]!), other, key[one]!)), `${one} ${other}`)
})

test('up to five wrong characters are found', () => {
  const wrong = fc.uniqueArray(fc.tuple(fc.nat(29), fc.integer({ min: 1, max: 31 })), {
    minLength: 1,
    maxLength: 5,
    selector: ([place]) => place,
  })
  fc.assert(
    fc.property(wrong, changes => {
      const characters = createLicenseKey().key.replaceAll('-', '').split('')
      for (const [place, by] of changes) characters[place] = ALPHABET[(ALPHABET.indexOf(characters[place]!) + by) % 32]!
      assert.ok(isMalformed(characters.join('')))
    }),
    { numRuns: 2000 },
  )
})

// Red when: a root of the generator is another one, or occurs twice: five wrong characters could pass, which no sample finds.
test('a key is zero at five consecutive powers of the generator of GF(32): so its distance is six', () => {
  const double = (value: number): number => (value & 16 ? ((value << 1) ^ 0b100101) & 31 : value << 1)
  const times = (a: number, b: number): number => (b === 0 ? 0 : (b & 1 ? a : 0) ^ times(double(a), b >> 1))
  for (let sample = 0; sample < 20; sample++) {
    const values = createLicenseKey()
      .key.replaceAll('-', '')
      .split('')
      .map(character => ALPHABET.indexOf(character))
    for (const root of [1, 2, 4, 8, 16])
      assert.equal(
        values.reduce((sum, value) => times(sum, root) ^ value, 0),
        0,
        `root ${root}`,
      )
  }
})

test('any other text is malformed, however long', () => {
  const { key } = createLicenseKey()
  for (const text of ['', '-', key.slice(1), `${key}0`, key.replace(/.$/, 'U'), '0'.repeat(100_000), 'ключ', '\u0000'])
    assert.ok(isMalformed(text), text.slice(0, 40))
  assert.ok(!isMalformed('0'.repeat(30)), 'the code word of zeros has the form of a key')
})
