import { statSync } from 'node:fs'

/**
 * Explains an error of the file system to the operator, in one line; undefined for other errors. `variable` sets the
 * path.
 */
export function describeFileFault(error: unknown, path: string, variable = 'DATA_DIR'): string | undefined {
  const place = variable === 'DATA_DIR' ? 'a directory' : 'a file'
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return `The disk that holds ${path} is full. Free some space, or set ${variable} to ${place} on another disk.`
  }
  if (code === 'EROFS') return `${path} is on a read-only file system. Set ${variable} to ${place} that can be written.`
  if (code === 'EISDIR') return `${path} is a directory. Set ${variable} to a file, such as one in that directory.`
  if (code === 'ENOTDIR' || code === 'EEXIST')
    return variable === 'DATA_DIR'
      ? `${path} is not a directory. Move it, or set DATA_DIR to another.`
      : `A folder of ${path} is not a directory. Move it, or set ${variable} to another file.`
  if (code === 'ENOENT' && variable !== 'DATA_DIR')
    return `${path} does not exist. Make it, or set ${variable} to ${place} that does.`
  if (code !== 'EACCES' && code !== 'EPERM') return undefined
  const owner = findOwner(path)
  const own = process.geteuid?.()
  return owner === undefined || owner === own
    ? `${path} cannot be written. Change its permissions, or set ${variable} to another ${place.slice(2)}.`
    : `${path} belongs to another user (uid ${owner}, this process is uid ${own}). ` +
        `Run as that user, give the ${place.slice(2)} to this one, or set ${variable} to ${place} of your own.`
}

function findOwner(path: string): number | undefined {
  try {
    return statSync(path).uid
  } catch {
    return undefined // in a folder that this process cannot enter
  }
}
