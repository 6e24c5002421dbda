import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describeFileFault } from '../../config/file-faults.ts'
import { makeDataDirectory } from './data-directory.ts'
import { EmbeddedPostgresError, ownDatabase, serverEnvironment } from './postgres-programs.ts'
import type { Account, Programs } from './postgres-programs.ts'

export type Log = (level: 'info' | 'warn' | 'error', message: string) => void

/** The embedded server's folders, and the account that it runs as. */
export interface Home {
  /** Owned by the service: password, port, log and lock of the server. */
  readonly folder: string
  /** Owned by the account: the cluster itself. */
  readonly data: string
  /** Set if this process is root, because PostgreSQL refuses to run as root. */
  readonly account: Account | undefined
}

/** Finds or creates the server's folder for a data directory, and finds the account that the server runs as. */
export function prepareHome(dataDir: string, log: Log): Home {
  makeDataDirectory(dataDir)
  const place = join(realpathSync(dataDir), 'postgres')
  const account = process.geteuid?.() === 0 ? findAccount(join(place, 'data')) : undefined
  const reachable = !account || openDataDirectory(dirname(place), account)
  if (!lstatSync(place, { throwIfNoEntry: false })) {
    if (account && !reachable) makePlaceElsewhere(place, account, log)
    else mkdirSync(place, { recursive: true, mode: 0o700 })
  }
  if (!existsSync(place)) {
    throw new EmbeddedPostgresError(
      `The database of ${dataDir} is in a folder that no longer exists. ` +
        `Restore it, or remove ${place} to start with an empty database.`,
    )
  }
  const folder = realpathSync(place)
  accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  if (account && statSync(folder).uid === 0) openFolder(folder, account)
  if (account && !mayEnter(folder, account)) {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and the account it runs as (uid ${account.uid}) cannot enter ${folder}. ` +
        'Allow others to enter the folders above it (chmod o+x), or move the data directory.',
    )
  }
  return { folder, data: join(folder, 'data'), account }
}

function findAccount(data: string): Account {
  const owner = statSync(data, { throwIfNoEntry: false })
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const accounts = readFileSync('/etc/passwd', 'utf8')
  for (const name of ['postgres', 'nobody']) {
    const [, uid, gid] = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(accounts) ?? []
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new EmbeddedPostgresError(
    'PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody. ' +
      `Run as another user, or ${ownDatabase}.`,
  )
}

/** Reads only the permission bits; if an access control list permits more, the server just gets a folder elsewhere. */
function mayEnter(folder: string, account: Account): boolean {
  const { mode, uid, gid } = statSync(folder)
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
  return (mode & bit) !== 0 && (folder === dirname(folder) || mayEnter(dirname(folder), account))
}

/** Allows the account to pass through a folder that only root may enter, without allowing it to list its files. */
function openFolder(folder: string, account: Account): void {
  chownSync(folder, 0, account.gid)
  chmodSync(folder, 0o710)
}

function openDataDirectory(dataDir: string, account: Account): boolean {
  const { mode, uid } = statSync(dataDir)
  if (uid === 0 && (mode & 0o067) === 0 && mayEnter(dirname(dataDir), account)) openFolder(dataDir, account)
  return mayEnter(dataDir, account)
}

function makePlaceElsewhere(place: string, account: Account, log: Log): void {
  const hash = createHash('sha256').update(dirname(place)).digest('hex').slice(0, 12)
  if (mkdirSync('/var/lib/freehold', { recursive: true })) chmodSync('/var/lib/freehold', 0o711)
  // A new name each time: a data directory that was emptied must not find its former database again.
  const elsewhere = mkdtempSync(`/var/lib/freehold/${hash}-`)
  try {
    symlinkSync(elsewhere, place)
  } catch (error) {
    rmSync(elsewhere, { recursive: true })
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return // another command has created it meanwhile
    throw error
  }
  log(
    'warn',
    `PostgreSQL runs as uid ${account.uid}, which cannot enter ${dirname(place)}: the database is kept in ${elsewhere}`,
  )
}

/**
 * Creates the cluster if there is none: first under another name, so that a crash leaves no incomplete cluster. Refuses
 * one with another owner. Call it only while holding the server's lock.
 */
export async function prepareCluster(home: Home, { folder: programs, major }: Programs): Promise<void> {
  const { folder, data, account } = home
  if (existsSync(data) && readdirSync(data).length > 0) return giveBackCluster(home)
  const passwordFile = join(folder, 'password')
  // A new name each time: the initdb of a process that was killed may still be writing to the old folder.
  const unfinished = mkdtempSync(`${data}-`)
  writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flush: true })
  if (account) for (const path of [unfinished, passwordFile]) chownSync(path, account.uid, account.gid)
  const access = ['--username=postgres', `--pwfile=${passwordFile}`, '--auth-local=reject', '--auth-host=scram-sha-256']
  try {
    const options = ['-D', unfinished, '--no-instructions', ...localeOptions(major), ...access]
    await promisify(execFile)(join(programs, 'initdb'), options, {
      ...account,
      cwd: folder,
      env: serverEnvironment,
    })
    renameSync(unfinished, data)
  } catch (error) {
    const { stderr } = error as { stderr?: string }
    throw stderr ? new EmbeddedPostgresError(describeFailure(home, stderr), { cause: error }) : error
  } finally {
    for (const name of readdirSync(folder)) {
      if (name.startsWith('data-')) rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 3 })
    }
  }
}

/** One line with the reason why `initdb` or the server failed, and what to do if that is known. */
export function describeFailure({ folder }: Home, said: string): string {
  const { bavail, bsize } = statfsSync(folder)
  // On a full disk the reason may be missing in the server's log.
  if (/No space left on device|Check free disk space/.test(said) || bavail * bsize < 64 * 1024) {
    return describeFileFault({ code: 'ENOSPC' }, folder) ?? said
  }
  const reason = /^.*\b(?:FATAL|PANIC|error): .*$/m.exec(said)?.[0] ?? said.trim().split('\n').at(-1)
  return `PostgreSQL does not start: ${reason}`
}

/**
 * The builtin locale sorts and folds by PostgreSQL's own Unicode tables, independent of the machine's libc or ICU, so
 * an upgrade or a move to another machine never makes an index invalid. PostgreSQL 15 and 16 have no builtin locale:
 * there texts are sorted by their bytes, which is the same order, and folded by libc.
 */
const localeOptions = (major: number): string[] => [
  '--encoding=UTF8',
  '--locale=C',
  ...(major >= 17
    ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']
    : [`--lc-ctype=${process.platform === 'darwin' ? 'UTF-8' : 'C.UTF-8'}`]),
]

/** Makes the server's account the owner again, if root has copied the cluster. */
function giveBackCluster({ data, account }: Home): void {
  if (!account || statSync(data).uid !== 0) return
  for (const name of ['', ...readdirSync(data, { recursive: true, encoding: 'utf8' })])
    lchownSync(join(data, name), account.uid, account.gid)
}
