import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describeFileFault } from './file-faults.ts'

const minimumLength = 32
const minimumVariety = 8

// From documents and examples that people copy.
const exampleSecrets = new Set(
  (
    'securepass123! securep@ss123 superadmin123! password123 password pass demo dev-secret your_password postgres ' +
    'secret changeme admin'
  ).split(' '),
)
const examplePattern = /^<.*>$|^your[-_]|change[-_]?(me\b|this|in[-_]production)/i

/** Whether a secret, or the password or host in a URL, is a known example. */
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

/** The weakness of a secret that programs use, which is refused outside development; undefined if there is none. */
export function weakness(secret: string): string | undefined {
  if (isExample(secret)) return 'is an example'
  if (secret.length < minimumLength) return `has ${secret.length} characters, and ${minimumLength} are the least`
  if (new Set(secret).size < minimumVariety) return 'has too few different characters'
  return undefined
}

/**
 * The installation's own secret key, generated at the first call, in a file that only its owner may read.
 * @throws Error with a message for the operator if the file can neither be created nor used
 */
export function readOrMakeSecretKey(dataDir: string): string {
  const file = join(dataDir, 'secret-key')
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    makeSecretKey(file)
    if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
      throw new Error('other users may read it; allow only its owner to (chmod 600)')
    }
    const secretKey = readFileSync(file, 'utf8').trim()
    if (secretKey.length < minimumLength) throw new Error('it is damaged; restore it, or set SECRET_KEY')
    return secretKey
  } catch (error) {
    const { syscall, path } = error as NodeJS.ErrnoException
    // If the directory itself is at fault, a key in the environment would only cause the next fault.
    const refusal = syscall === 'open' && path === file ? undefined : describeFileFault(error, dataDir)
    if (refusal !== undefined) throw new Error(`DATA_DIR: ${refusal}`, { cause: error })
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`SECRET_KEY is not set, and ${file} cannot be used instead: ${reason}`, { cause: error })
  }
}

/** Creating a link is atomic and succeeds only once, so two processes that start together use the same key. */
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

/** A file with secrets, with the name to show instead of its path, which could be a misplaced secret. */
export interface SecretFile {
  name: string
  path: string
}

/** The permissions that allow other users to read or change such files, as messages; missing files are ignored. */
export function listExposures(files: readonly SecretFile[]): string[] {
  if (process.platform === 'win32') return []
  return files.flatMap(({ name, path }) => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) return []
    const folder = statSync(dirname(realpathSync(path)))
    // In a sticky folder, such as /tmp, only the owner of a file can replace it.
    const isOpenFolder = (folder.mode & 0o002) !== 0 && (folder.mode & 0o1000) === 0
    // Secrets that a container engine mounts there exist only in the container, and are readable by default.
    const isMounted = path.startsWith('/run/secrets/')
    if ((found.mode & 0o022) !== 0) return [`${name} can be changed by other users: chmod go-w, better 600`]
    if ((found.mode & 0o004) !== 0 && !isMounted)
      return [
        `${name} contains secrets and can be read by every user of this machine: chmod 600, or 640 with its own group`,
      ]
    return isOpenFolder ? [`${name} is in a folder in which every user can replace it: chmod o-w the folder`] : []
  })
}
