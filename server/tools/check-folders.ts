// `npm run check`: reports folders with too many files to see at a glance. The linter limits the length of files.
import { globSync } from 'node:fs'
import { dirname } from 'node:path'

/** The most files of code or SQL in a folder, without tests and generated files. */
const MAX_FILES = 12

/** Folders that may have more, each with the reason. */
const exceptions: Readonly<Record<string, string>> = {
  'server/migrations': 'every migration adds two files',
}

const files = globSync(['server/{bin,migrations,src,test,tools}/**/*.{js,ts,sql}', 'bench/**/*.ts'], {
  exclude: ['**/node_modules', '**/*.test.ts', '**/*.gen.ts', '**/*.d.ts'],
})
const large = new Map([...Map.groupBy(files, dirname)].filter(([, { length }]) => length > MAX_FILES))
const faults = [
  ...[...large]
    .filter(([folder]) => !(folder in exceptions))
    .map(
      ([folder, { length }]) =>
        `${folder} has ${length} files, and ${MAX_FILES} are the most: put those of one subject into a folder of their own`,
    ),
  ...Object.keys(exceptions)
    .filter(folder => !large.has(folder))
    .map(
      folder => `${folder} has at most ${MAX_FILES} files: take it off the exceptions in server/tools/check-folders.ts`,
    ),
]
if (faults.length > 0) {
  console.error(faults.join('\n'))
  process.exitCode = 1
}
