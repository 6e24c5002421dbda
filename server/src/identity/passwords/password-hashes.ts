import { hashRaw } from '@node-rs/argon2'
import { hash as bcrypt } from 'bcrypt'
import { pbkdf2 as deriveByPbkdf2, scrypt as deriveByScrypt } from 'node:crypto'
import { promisify } from 'node:util'

/** A parsed hash: the expected digest, and the function that derives a digest from a password. */
export interface PasswordHash {
  digest: Buffer
  derive(password: string): Promise<Buffer>
}

/** The reason why a stored hash is rejected. */
export interface HashFault {
  fault: string
}

const pbkdf2 = promisify(deriveByPbkdf2)
const scrypt = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(
  deriveByScrypt,
)

/**
 * An import file can have any parameters; hashes above about two seconds of a core, or this much memory, are rejected.
 */
const MAX_MEMORY_KIB = 256 * 1024
const MAX_BCRYPT_COST = 15
const MAX_ARGON2_KIB = 1024 * 1024
const MAX_SCRYPT_KIB = 512 * 1024
const MAX_SCRYPT_BLOCKS = 64
const MAX_PBKDF2_ITERATIONS = 3_000_000

/** In a shorter digest, other passwords match by chance; a longer one multiplies the cost of PBKDF2. */
const DIGEST_BYTES = [16, 64] as const
/** Argon2 has the narrowest bounds of all algorithms. */
const SALT_BYTES = [8, 48] as const

const KNOWN =
  'bcrypt ($2a$, $2b$, $2y$), Argon2 ($argon2id$, $argon2i$, $argon2d$), scrypt ($scrypt$ln=…) or PBKDF2 ($pbkdf2-sha256$, $pbkdf2-sha512$, pbkdf2_sha256$)'

/** Decodes Base64 in both alphabets of PHC strings: passlib writes `.` for `+`. Padding is optional. */
const bytesOf = (text: string): Buffer => Buffer.from(text.replaceAll('.', '+'), 'base64')

/**
 * Parses a hash that another system made, to verify passwords against it. It supports bcrypt, Argon2, scrypt and PBKDF2
 * as their libraries, PHC strings, passlib and Django write them (docs/guides/import.md lists the forms).
 * @returns the reason, as an import reports it, when the hash is malformed, of another kind, too weak or too expensive
 */
export function readHash(stored: string): PasswordHash | HashFault {
  for (const [form, read] of forms) {
    const groups = form.exec(stored)?.groups
    if (groups !== undefined) return read(groups)
  }
  return { fault: `is not a whole hash of a known kind: ${KNOWN}` }
}

type Groups = Record<string, string>
const forms: readonly (readonly [RegExp, (groups: Groups) => PasswordHash | HashFault])[] = [
  // Django prefixes the name of its hasher.
  [/^(?:bcrypt\$)?\$2[aby]\$(?<cost>\d\d)\$(?<salt>[./A-Za-z0-9]{22})(?<digest>[./A-Za-z0-9]{31})$/, readBcrypt],
  [
    /^(?:argon2)?\$argon2(?<kind>id|i|d)(?:\$v=(?<version>16|19))?\$m=(?<m>\d{1,10}),t=(?<t>\d{1,10}),p=(?<p>\d{1,3})\$(?<salt>[A-Za-z0-9+/]+)\$(?<digest>[A-Za-z0-9+/]+)$/,
    readArgon2,
  ],
  [
    /^\$scrypt\$ln=(?<ln>\d{1,3}),r=(?<r>\d{1,10}),p=(?<p>\d{1,10})\$(?<salt>[A-Za-z0-9+/.]+)\$(?<digest>[A-Za-z0-9+/.]+={0,2})$/,
    readScrypt,
  ],
  [
    /^\$pbkdf2-(?<kind>sha256|sha512)\$(?:i=)?(?<i>\d{1,10})(?:,l=\d{1,3})?\$(?<salt>[A-Za-z0-9+/.]+={0,2})\$(?<digest>[A-Za-z0-9+/.]+={0,2})$/,
    groups => readPbkdf2(groups, bytesOf(groups['salt']!)),
  ],
  // Django's salt is text, not Base64.
  [
    /^pbkdf2_(?<kind>sha256)\$(?<i>\d{1,10})\$(?<salt>[^$]+)\$(?<digest>[A-Za-z0-9+/]+={0,2})$/,
    groups => readPbkdf2(groups, Buffer.from(groups['salt']!)),
  ],
]

const BCRYPT_ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const BASE64_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Decodes the 23 bytes; libraries differ in the unused bits of the last character. */
const bcryptBytesOf = (text: string): Buffer =>
  Buffer.from(
    text.replace(/./g, letter => BASE64_ALPHABET.charAt(BCRYPT_ALPHABET.indexOf(letter))),
    'base64',
  )

function readBcrypt({ cost = '', salt = '', digest = '' }: Groups): PasswordHash | HashFault {
  if (Number(cost) < 4 || Number(cost) > MAX_BCRYPT_COST)
    return { fault: `has bcrypt cost ${Number(cost)}: 4 to ${MAX_BCRYPT_COST} are accepted` }
  // All three letters mean the same, but with $2a$ this library treats a password of 255 bytes as empty.
  const setting = `$2b$${cost}$${salt}`
  return {
    digest: bcryptBytesOf(digest),
    derive: async password => bcryptBytesOf((await bcrypt(password, setting)).slice(-31)),
  }
}

function readArgon2({ kind = '', version = '16', m, t, p, ...encoded }: Groups): PasswordHash | HashFault {
  const [memoryCost, timeCost, parallelism] = [Number(m), Number(t), Number(p)]
  const [salt, digest] = [bytesOf(encoded['salt']!), bytesOf(encoded['digest']!)]
  if (timeCost < 1 || parallelism < 1 || memoryCost < 8 * parallelism)
    return { fault: `has impossible Argon2 parameters: m=${m},t=${t},p=${p}` }
  if (memoryCost > MAX_MEMORY_KIB || memoryCost * timeCost > MAX_ARGON2_KIB)
    return {
      fault: `costs too much: Argon2 with m=${m},t=${t}; m up to ${MAX_MEMORY_KIB} and m × t up to ${MAX_ARGON2_KIB} are accepted`,
    }
  const options = {
    salt,
    memoryCost,
    timeCost,
    parallelism,
    outputLen: digest.length,
    algorithm: ['d', 'i', 'id'].indexOf(kind),
    version: version === '16' ? 0 : 1, // without a version it is version 16
  }
  return faultOf(salt, digest) ?? { digest, derive: password => hashRaw(password, options) }
}

function readScrypt({ ln, r, p, ...encoded }: Groups): PasswordHash | HashFault {
  const [N, blocks, lanes] = [2 ** Number(ln), Number(r), Number(p)]
  const [salt, digest] = [bytesOf(encoded['salt']!), bytesOf(encoded['digest']!)]
  const memory = (N * blocks) / 8 // 128 bytes each, in KiB
  if (N < 2 || blocks < 1 || lanes < 1) return { fault: `has impossible scrypt parameters: ln=${ln},r=${r},p=${p}` }
  if (memory > MAX_MEMORY_KIB || memory * lanes > MAX_SCRYPT_KIB || Math.max(blocks, lanes) > MAX_SCRYPT_BLOCKS)
    return {
      fault: `costs too much: scrypt with ln=${ln},r=${r},p=${p}; ${MAX_MEMORY_KIB / 1024} MiB (ln=18,r=8), ${MAX_SCRYPT_KIB / 1024} MiB for all p together, r and p up to ${MAX_SCRYPT_BLOCKS} are accepted`,
    }
  const options = { N, r: blocks, p: lanes, maxmem: 2 * MAX_SCRYPT_KIB * 1024 }
  return faultOf(salt, digest) ?? { digest, derive: password => scrypt(password, salt, digest.length, options) }
}

function readPbkdf2({ kind = '', i, ...encoded }: Groups, salt: Buffer): PasswordHash | HashFault {
  const iterations = Number(i)
  const digest = bytesOf(encoded['digest']!)
  if (iterations < 1) return { fault: `has impossible PBKDF2 parameters: i=${i}` }
  const rounds = iterations * Math.ceil(digest.length / (kind === 'sha256' ? 32 : 64))
  if (rounds > MAX_PBKDF2_ITERATIONS)
    return { fault: `costs too much: PBKDF2 with i=${i}; up to ${MAX_PBKDF2_ITERATIONS} are accepted` }
  return (
    faultOf(salt, digest) ?? { digest, derive: password => pbkdf2(password, salt, iterations, digest.length, kind) }
  )
}

function faultOf(salt: Buffer, digest: Buffer): HashFault | undefined {
  if (salt.length < SALT_BYTES[0] || salt.length > SALT_BYTES[1])
    return { fault: `has a salt of ${salt.length} bytes: ${SALT_BYTES.join(' to ')} are accepted` }
  if (digest.length < DIGEST_BYTES[0] || digest.length > DIGEST_BYTES[1])
    return { fault: `has a digest of ${digest.length} bytes: ${DIGEST_BYTES.join(' to ')} are accepted` }
  return undefined
}
