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

/** As whom the server runs. */
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

/** Everything the server's programs get to see: no PG… variable of the person's shell, no secret of the service. */
export const serverEnvironment = { LC_ALL: 'C', TZ: 'UTC' }

/** The folder of one PostgreSQL's programs, and which it is. */
export interface Programs {
  readonly major: number
  readonly minor: number
  /** Where `postgres` and `initdb` are. */
  readonly folder: string
  readonly isBundled: boolean
}

/**
 * The programs for the cluster in `data`, or for a new one. `wanted`: `system`, a PostgreSQL of this machine where that is the
 * better one; `bundled`, the one that npm installs; or a folder with `postgres` and `initdb`. Only for the holder of the
 * server's lock. @throws EmbeddedPostgresError
 */
export function choosePrograms(home: ServerHome, wanted: string): Programs {
  const made = readMajor(home.data)
  const bundled = wanted === 'system' || wanted === 'bundled' ? findBundled() : undefined
  const others = wanted === 'bundled' ? [] : wanted === 'system' ? listFolders() : [wanted]
  const found = others.flatMap(folder => readPrograms(folder, home.account) ?? [])
  const chosen = pickPrograms([...found, ...(bundled instanceof Error || bundled === undefined ? [] : [bundled])], made)
  if (chosen?.isBundled === true) return { ...chosen, folder: prepareBundled(home) }
  if (chosen !== undefined) return chosen
  if (made === undefined || wanted !== 'system') {
    if (bundled instanceof Error) throw bundled
    if (bundled === undefined && found.length === 0)
      throw new EmbeddedPostgresError(
        `EMBEDDED_POSTGRES: ${wanted} holds no postgres and initdb of version 15 or newer that can be run. ` +
          'Name the folder that does, or take the variable away.',
      )
  }
  const brings = bundled instanceof Error ? undefined : (bundled ?? found[0])?.major
  throw new EmbeddedPostgresError(
    wanted === 'system'
      ? `The database in ${home.data} was made by PostgreSQL ${made}, and neither this version (${brings ?? 'none'}) nor this machine has that one. ` +
          `Install PostgreSQL ${made}, or dump the database with it and restore it with another, or set DATA_DIR to another directory to begin anew.`
      : `The database in ${home.data} was made by PostgreSQL ${made}, and this version brings ${brings}. Dump it with the ` +
          'former version and restore it with this one, or set DATA_DIR to another directory to begin anew.',
  )
}

/**
 * Of several: for a cluster only its own major version, there the one without known faults, then the newest. For a new one the
 * newest of this machine without known faults, else the bundled one, which npm may have only with faults.
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

/** The major version that made the cluster; undefined where there is none yet. */
function readMajor(data: string): number | undefined {
  if (!existsSync(data) || readdirSync(data).length === 0) return undefined
  const versionFile = join(data, 'PG_VERSION')
  if (!existsSync(versionFile))
    throw new EmbeddedPostgresError(
      `${data} holds something other than a PostgreSQL cluster. Move it away to begin anew.`,
    )
  return Number(readFileSync(versionFile, 'utf8').trim())
}

/** Where Debian and its kin install PostgreSQL, and where pg_config says that it is. */
function listFolders(): string[] {
  const majors = Object.keys(fixedVersions.postgres)
  const folders = majors.map(major => `/usr/lib/postgresql/${major}/bin`)
  const told = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' })
  if (told.status === 0) folders.push(told.stdout.trim())
  return [...new Set(folders.filter(folder => existsSync(folder)).map(folder => realpathSync(folder)))]
}

/** What is in a folder; undefined where the account of the server can run none there. */
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
  // A beta has no minor version, and is no server for data that are to stay.
  return major === undefined ? {} : { version: { major: Number(major), minor: Number(minor) } }
}

/** The one of npm, as its package names it, or why there is none. */
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
 * The bundled `postgres` and `initdb`, as the server's account can run them: in the package itself, or else, where
 * that account cannot enter it or its library links can be neither found nor made, in a copy in the server's home.
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
