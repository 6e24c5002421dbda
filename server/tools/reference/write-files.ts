import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/**
 * Writes generated files, each under its path from the top of the repository. If the program was called with `--check`, it
 * writes nothing, reports those that are stale with the program to run, and exits 1 if there are any.
 */
export function writeFiles(files: Readonly<Record<string, string>>, program: string): void {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
  for (const [name, text] of Object.entries(files)) {
    const path = fileURLToPath(new URL(`../../../${name}`, import.meta.url))
    if (!values.check) {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    } else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
      console.error(`${name} is stale: run node server/tools/${program}`)
      process.exitCode = 1
    }
  }
}
