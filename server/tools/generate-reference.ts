// Writes the reference pages; with --check, only reports stale ones, and exits 1.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { features } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import { createDescribedApp } from './reference/described-app.ts'
import { describeFormat, describePermissions, describeProblems, describeRoutes } from './reference/reference.ts'

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const declared = declare(features)
const app = await createDescribedApp(declared)
const files: Record<string, string> = {
  'docs/reference/problems.md': describeProblems(declared),
  'docs/reference/permissions.md': describePermissions(declared),
  'docs/reference/routes.md': describeRoutes(await app.openApi()),
}
await app.close()
for (const format of declared.formats)
  files[`docs/reference/${basename(format.path)}.md`] = describeFormat(format, declared)

for (const [name, text] of Object.entries(files)) {
  const path = fileURLToPath(new URL(`../../${name}`, import.meta.url))
  if (!options.check) {
    writeFileSync(path, text)
  } else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.error(`${name} is stale: run node server/tools/generate-reference.ts`)
    process.exitCode = 1
  }
}
