import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fixedVersions, isFixedPostgres } from '../fixed-versions.ts'

/** The embedded PostgreSQL cannot run; the message is one line and says what to do. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError'
}

/** The account that the server runs as. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

interface ServerHome {
  readonly folder: string
  readonly data: string
  readonly account: Account | undefined
}

export const ownDatabase = 'install PostgreSQL 15 or newer and set DATABASE_URL'

/** The environment of the server's programs: without PG… variables of the shell, and without secrets of the service. */
export const serverEnvironment = { LC_ALL: 'C', TZ: 'UTC' }

/** The programs of one PostgreSQL: their folder and version. */
export interface Programs {
  readonly major: number
  readonly minor: number
  /** Where `postgres` and `initdb` are. */
  readonly folder: string
  readonly isBundled: boolean
}

/**
 * The programs for the cluster in `data`, or for a new one. `wanted`: `system`, a PostgreSQL of this machine if that is
 * the better one; `bundled`, the one that npm installs; or a folder with `postgres` and `initdb`. Call it only while
 * holding the server's lock. @throws EmbeddedPostgresError
 */
export function choosePrograms(home: ServerHome, wanted: string): Programs {
  const made = readMajor(home.data)
  const bundled = wanted === 'system' || wanted === 'bundled' ? findBundled() : undefined
  const others = wanted === 'bundled' ? [] : wanted === 'system' ? listFolders(made) : [wanted]
  const found = others.flatMap(folder => readPrograms(folder, home.account) ?? [])
  const chosen = pickPrograms([...found, ...(bundled instanceof Error || bundled === undefined ? [] : [bundled])], made)
  if (chosen?.isBundled === true) return { ...chosen, folder: prepareBundled(home) }
  if (chosen !== undefined) return chosen
  if (made === undefined || wanted !== 'system') {
    if (bundled instanceof Error) throw bundled
    if (bundled === undefined && found.length === 0)
      throw new EmbeddedPostgresError(
        `EMBEDDED_POSTGRES: ${wanted} has no postgres and initdb of version 15 or newer that can be run. ` +
          'Set a folder that has them, or remove the variable.',
      )
  }
  const brings = bundled instanceof Error ? undefined : (bundled ?? found[0])?.major
  throw new EmbeddedPostgresError(
    wanted === 'system'
      ? `The database in ${home.data} was created by PostgreSQL ${made}, which neither this version (${brings ?? 'none'}) nor this machine has. ` +
          `Install PostgreSQL ${made}, or dump the database with it and restore it with another, or set DATA_DIR to another directory to start with an empty database.`
      : `The database in ${home.data} was created by PostgreSQL ${made}, and this version brings ${brings}. Dump it with the ` +
          'former version and restore it with this one, or set DATA_DIR to another directory to start with an empty database.',
  )
}

/**
 * Chooses among several. For an existing cluster: of its own major version, one without known faults, else the newest.
 * For a new one: the machine's newest without known faults, else the bundled one, even if npm has it only with faults.
 */
export function pickPrograms(candidates: readonly Programs[], major: number | undefined): Programs | undefined {
  const rank = ({ major: of, minor, isBundled }: Programs): number[] => {
    const isFixed = isFixedPostgres(of, minor)
    return major === undefined
      ? [isFixed && !isBundled ? 1 : 0, isBundled ? 1 : 0, of, minor]
      : [isFixed ? 1 : 0, minor, isBundled ? 1 : 0]
  }
  return candidates
    .filter(({ major: of }) => (major === undefined ? of >= 15 : of === major))
    .toSorted((one, other) => {
      const [ranks, others] = [rank(one), rank(other)]
      return others.map((value, index) => value - (ranks[index] ?? 0)).find(difference => difference !== 0) ?? 0
    })[0]
}

/** The major version that created the cluster; undefined if there is none yet. */
function readMajor(data: string): number | undefined {
  if (!existsSync(data) || readdirSync(data).length === 0) return undefined
  const versionFile = join(data, 'PG_VERSION')
  if (!existsSync(versionFile))
    throw new EmbeddedPostgresError(
      `${data} is not a PostgreSQL cluster. Move it away to start with an empty database.`,
    )
  return Number(readFileSync(versionFile, 'utf8').trim())
}

/**
 * The folders where Debian and its derivatives install PostgreSQL, and the one that pg_config reports; for an existing cluster
 * only those of its own major version, where the folder says it.
 */
function listFolders(made: number | undefined): string[] {
  const folders = Object.keys(fixedVersions.postgres).map(major => `/usr/lib/postgresql/${major}/bin`)
  const told = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' })
  if (told.status === 0) folders.push(told.stdout.trim())
  const found = new Set(folders.filter(folder => existsSync(folder)).map(folder => realpathSync(folder)))
  return [...found].filter(folder => {
    const [, major] = /\/(\d+)\/bin$/.exec(folder) ?? []
    return made === undefined || major === undefined || Number(major) === made
  })
}

/** The programs in a folder; undefined if the server's account cannot run them. */
function readPrograms(folder: string, account: Account | undefined): Programs | undefined {
  if (!existsSync(join(folder, 'initdb'))) return undefined
  const { version } = runVersion(folder, account)
  return version && { ...version, folder, isBundled: false }
}

function runVersion(
  folder: string,
  account: Account | undefined,
): { version?: { major: number; minor: number }; fault?: string } {
  const { status, error, stdout, stderr } = spawnSync(join(folder, 'postgres'), ['--version'], {
    ...account,
    cwd: '/',
    env: serverEnvironment,
    encoding: 'utf8',
  })
  if (status !== 0) return { fault: (error?.message ?? stderr).trim() }
  const [, major, minor] = / (\d+)\.(\d+)/.exec(stdout) ?? []
  // A beta has no minor version, and is not suitable for data that must be kept.
  return major === undefined ? {} : { version: { major: Number(major), minor: Number(minor) } }
}

/** The programs in the npm package, or the error that explains why there are none. */
function findBundled(): Programs | EmbeddedPostgresError {
  try {
    const { folder, version } = findPackage(process.platform, process.arch)
    const [major = 0, minor = 0] = version.split('.').map(Number)
    return { major, minor, folder, isBundled: true }
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) return error
    throw error
  }
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
 * The folder where the server's account can run the bundled `postgres` and `initdb`: the package itself, or a copy in
 * the server's folder if the account cannot enter the package, or its links to libraries cannot be created.
 */
function prepareBundled({ folder, account }: ServerHome): string {
  const { folder: source, version } = findPackage(process.platform, process.arch)
  if (linkLibraries(source) && runVersion(join(source, 'native/bin'), account).fault === undefined)
    return join(source, 'native/bin')
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
  const { fault } = runVersion(join(copy, 'native/bin'), account)
  if (fault === undefined) return join(copy, 'native/bin')
  throw new EmbeddedPostgresError(
    `The embedded PostgreSQL does not run on this machine (${fault}); it needs glibc. Instead, ${ownDatabase}.`,
  )
}

/** npm omits symbolic links from packages, and the install script that creates them may have been blocked. */
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
