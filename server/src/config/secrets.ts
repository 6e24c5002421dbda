import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
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

/** A file that holds secrets, by the name under which a person knows it: a path may be a secret in the wrong place. */
export interface SecretFile {
  name: string
  path: string
}

/** What lets other users of the machine read or change such files; nothing where all are well kept, or not there. */
export function listExposures(files: readonly SecretFile[]): string[] {
  if (process.platform === 'win32') return []
  return files.flatMap(({ name, path }) => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) return []
    const folder = statSync(dirname(realpathSync(path)))
    // In a folder that is sticky, as /tmp, no one but the owner of a file can put another in its place.
    const isOpenFolder = (folder.mode & 0o002) !== 0 && (folder.mode & 0o1000) === 0
    // What a container engine mounts there is in the container alone, where it is readable by default.
    const isMounted = path.startsWith('/run/secrets/')
    if ((found.mode & 0o022) !== 0) return [`${name} can be changed by other users: chmod go-w, better 600`]
    if ((found.mode & 0o004) !== 0 && !isMounted)
      return [
        `${name} holds secrets and can be read by every user of this machine: chmod 600, or 640 with a group of its own`,
      ]
    return isOpenFolder ? [`${name} lies in a folder in which every user can replace it: chmod o-w the folder`] : []
  })
}
