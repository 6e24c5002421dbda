import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeFileFault } from './file-faults.ts'

const minimumLength = 32
const minimumVariety = 8

// Out of the documents and examples that people copy from.
const exampleSecrets = new Set(
  (
    'securepass123! securep@ss123 superadmin123! password123 password pass demo dev-secret your_password postgres ' +
    'secret changeme admin'
  ).split(' '),
)
const examplePattern = /^<.*>$|^your[-_]|change[-_]?(me\b|this|in[-_]production)/i

/** Whether a secret, or the password or host inside a URL, is a known example instead of a value of one's own. */
export function isExample(value: string): boolean {
  const url = value.includes('://') && URL.canParse(value) ? new URL(value) : undefined
  if (url && !url.hostname.includes('.') && examplePattern.test(url.hostname)) return true
  const password = url ? safelyDecoded(url.password) : value
  return exampleSecrets.has(password.toLowerCase()) || examplePattern.test(password)
}

function safelyDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** What speaks against a secret key outside development; undefined when nothing does. */
export function weakness(secretKey: string): string | undefined {
  if (isExample(secretKey)) return 'is an example'
  if (secretKey.length < minimumLength) return `has ${secretKey.length} characters, and ${minimumLength} are the least`
  if (new Set(secretKey).size < minimumVariety) return 'repeats a few characters only'
  return undefined
}

/**
 * The installation's own secret key, made at the first call and kept in an owner-only file.
 * @throws Error in words for an operator when the file can neither be made nor used
 */
export function readOrMakeSecretKey(dataDir: string): string {
  const file = join(dataDir, 'secret-key')
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    makeSecretKey(file)
    if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
      throw new Error('other users may read it; make it yours alone (chmod 600)')
    }
    const secretKey = readFileSync(file, 'utf8').trim()
    if (secretKey.length < minimumLength) throw new Error('it is damaged; restore it, or set SECRET_KEY')
    return secretKey
  } catch (error) {
    const { syscall, path } = error as NodeJS.ErrnoException
    // Where the directory itself is at fault, a key in the environment would only move the fault on.
    const refusal = syscall === 'open' && path === file ? undefined : describeFileFault(error, dataDir)
    if (refusal !== undefined) throw new Error(`DATA_DIR: ${refusal}`, { cause: error })
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`SECRET_KEY is not set, and ${file} cannot stand in for it: ${reason}`, { cause: error })
  }
}

/** A link appears whole and only once, so two processes that start together end up with one key. */
function makeSecretKey(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })) return
  const draft = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`
  writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  try {
    linkSync(draft, file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    rmSync(draft)
  }
}
