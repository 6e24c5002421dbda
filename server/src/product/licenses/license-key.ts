import { createHash, randomInt } from 'node:crypto'
import { Problem } from '../../platform/problems.ts'

// The form of a license key: six groups of five characters in Crockford's base32, such as
// 7Q3VK-0XW9M-4T2HB-C8RJE-Z6NPD-51GYF. The first 25 characters are random (125 bits); the first group may be shown and
// stored, so 100 bits remain secret. The last group has five check characters of a Reed–Solomon code over GF(32). Its
// distance is 6: up to five wrong characters, so also two that are swapped, always give a key that is malformed. A text
// that passes by chance: one in 33 million.

export const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const GROUP = 5
const DATA_LENGTH = 25
const CHECK_LENGTH = 5

/** Powers of the generator of GF(32), for the polynomial x^5 + x^2 + 1, and their logarithms. */
const powers: number[] = []
for (let n = 0, value = 1; n < 31; n++) {
  powers.push(value)
  value = value & 16 ? ((value << 1) ^ 0b100101) & 31 : value << 1
}
const logarithms = new Map(powers.map((value, n) => [value, n]))
const multiply = (a: number, b: number): number =>
  a === 0 || b === 0 ? 0 : (powers[((logarithms.get(a) ?? 0) + (logarithms.get(b) ?? 0)) % 31] ?? 0)

/** The generator polynomial, with the highest coefficient, which is 1, left out: the product of (x - g^n), n = 0 … 4. */
const generator = Array.from({ length: CHECK_LENGTH }, (_, n) => powers[n] ?? 0)
  .reduce((product, root) => [...product, 0].map((value, n) => value ^ multiply(product[n - 1] ?? 0, root)), [
    1,
  ] as number[])
  .slice(1)

/** The check characters of the data: the remainder of its division by the generator. */
export function checksOf(data: readonly number[]): number[] {
  let rest: number[] = Array.from({ length: CHECK_LENGTH }, () => 0)
  for (const value of data) {
    const factor = value ^ (rest[0] ?? 0)
    rest = generator.map((coefficient, n) => (rest[n + 1] ?? 0) ^ multiply(factor, coefficient))
  }
  return rest
}

const write = (values: readonly number[]): string =>
  values.map((value, n) => (n > 0 && n % GROUP === 0 ? '-' : '') + ALPHABET.charAt(value)).join('')

/** What is stored of a key. */
export interface LicenseKey {
  /** The first group: it may be shown, so that people recognize the key. */
  prefix: string
  /** SHA-256 of the key. The key is random, so it needs neither a salt nor a slow hash. */
  hash: Buffer
}

/** A new key, and what to store of it. The key itself is shown once. */
export function createLicenseKey(): { key: string } & LicenseKey {
  const data = Array.from({ length: DATA_LENGTH }, () => randomInt(ALPHABET.length))
  const key = write([...data, ...checksOf(data)])
  return { key, ...describe(key) }
}

/**
 * Reads a key as a person types it: small letters, spaces, missing hyphens, `O` for 0, `I` and `L` for 1 are accepted.
 * @throws Problem malformed-key if it cannot be a key, so that it needs no look-up
 */
export function readLicenseKey(text: string): LicenseKey {
  const plain = text.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1')
  const values = plain.split('').map(character => ALPHABET.indexOf(character))
  const data = values.slice(0, DATA_LENGTH)
  const isWhole = values.length === DATA_LENGTH + CHECK_LENGTH && !values.includes(-1)
  if (!isWhole || checksOf(data).some((value, n) => value !== values[DATA_LENGTH + n]))
    throw new Problem('malformed-key')
  return describe(write(values))
}

const describe = (key: string): LicenseKey => ({
  prefix: key.slice(0, GROUP),
  hash: createHash('sha256').update(key).digest(),
})
