import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** On Debian, servers are in `sbin`, which only root has on the path. */
export const programPaths = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }

/** Whether a program can be run here. */
export const isInstalled = (program: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${program}`], { env: programPaths }).status === 0

/** The option that skips a test, with a message, if a program is missing. */
export const needs = (...programs: string[]): { skip?: string } => {
  const missing = programs.filter(program => !isInstalled(program))
  return missing.length > 0 ? { skip: `${missing.join(' and ')} not installed` } : {}
}

/** A Node on the path that is too old to run the service itself. */
export const findOlderNode = (): string | undefined =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .map(path => join(path, 'node'))
    .filter(path => existsSync(path))
    .find(
      path => Number(spawnSync(path, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' }).stdout) < 26,
    )
