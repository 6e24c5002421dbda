import { accessSync, chmodSync, constants, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describeFileFault } from '../../config/file-faults.ts'

/** The data directory cannot be used; the message is one line and says what to do. */
export class DataDirectoryError extends Error {
  override name = 'DataDirectoryError'
}

/** Another running service uses the data directory; the message names its process and port if they are known. */
export class DataDirectoryInUse extends DataDirectoryError {
  override name = 'DataDirectoryInUse'
}

export interface FileLock {
  release(): void
}

const beginnings = {
  shared: 'begin; select 1 from sqlite_schema',
  single: 'begin immediate',
  alone: 'begin exclusive',
}

const sqliteBusy = 5

// Keeps the handles, because a lock is released when its handle is garbage-collected.
const held = new Set<DatabaseSync>()

/**
 * Locks a separate file, which is created if missing: any number of processes may lock it `shared`, one of them may
 * lock it `single` as well, and `alone` excludes all others. Undefined if another lock conflicts. Never waits, except
 * `alone`: 100 ms, so that two concurrent attempts do not both fail.
 *
 * The lock belongs to the kernel, so it ends with its process, however that ends: there are no stale locks or reused
 * process ids, and it works between containers too. SQLite's file locks are the ones that Node can take. They also end
 * if this process opens and closes the same file in another way, so it must not.
 */
export function lockFile(path: string, mode: keyof typeof beginnings): FileLock | undefined {
  const database = new DatabaseSync(path, { timeout: mode === 'alone' ? 100 : 0 })
  try {
    chmodSync(path, 0o600)
    // The journal is in memory, so that nothing is written: it works on a full disk.
    database.exec(`pragma journal_mode = memory; ${beginnings[mode]}`)
  } catch (error) {
    database.close()
    if (((error as { errcode?: number }).errcode ?? 0) % 256 === sqliteBusy) return undefined
    throw error
  }
  held.add(database)
  return {
    release: () => {
      if (held.delete(database)) database.close()
    },
  }
}

/** Creates the data directory, for its owner only, if missing. @throws DataDirectoryError if it is not writable */
export function makeDataDirectory(dataDir: string): void {
  try {
    mkdirSync(dirname(dataDir), { recursive: true })
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw toDataDirectoryError(error, dataDir)
  }
}

/**
 * Creates the data directory, accessible to its owner only, if missing, and claims it for the service on `port`, until
 * `release` or the end of this process. @throws DataDirectoryInUse if another running service uses it
 */
export function claimDataDirectory(dataDir: string, port: number): { release(): void } {
  makeDataDirectory(dataDir)
  const holderFile = join(dataDir, 'service.json')
  const lock = lockFile(join(dataDir, 'service.lock'), 'single')
  if (!lock) throw new DataDirectoryInUse(describeHolder(dataDir, holderFile))
  try {
    writeFileSync(holderFile, JSON.stringify({ pid: process.pid, port }), { mode: 0o600 })
  } catch (error) {
    lock.release()
    throw toDataDirectoryError(error, dataDir)
  }
  return {
    release: () => {
      rmSync(holderFile, { force: true })
      lock.release()
    },
  }
}

function toDataDirectoryError(error: unknown, dataDir: string): unknown {
  const message = describeFileFault(error, dataDir)
  return message === undefined ? error : new DataDirectoryError(message, { cause: error })
}

function describeHolder(dataDir: string, holderFile: string): string {
  const advice = 'Stop that one, or set DATA_DIR to another directory.'
  // A process that has just taken the lock may not yet have replaced the entry of one that was killed.
  for (let tries = 0; tries < 10; tries += 1) {
    const holder = readHolder(holderFile)
    if (holder && isProcessAlive(holder.pid)) {
      return `${dataDir} is in use by process ${holder.pid}, which serves port ${holder.port}. ${advice}`
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25)
  }
  return `${dataDir} is in use by another process. ${advice}`
}

function readHolder(holderFile: string): { pid: number; port: number } | undefined {
  try {
    return JSON.parse(readFileSync(holderFile, 'utf8')) as { pid: number; port: number }
  } catch {
    return undefined
  }
}

/** Whether a process with this id exists, of any user; a zombie counts. */
export function isProcessAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
