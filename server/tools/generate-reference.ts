// Writes the reference pages; with --check, only reports stale ones, and exits 1.
import { basename } from 'node:path'
import { features } from '../src/features.ts'
import { declare } from '../src/platform/declarations.ts'
import { createDescribedApp } from './reference/described-app.ts'
import { describeFormat, describePermissions, describeProblems, describeRoutes } from './reference/reference.ts'
import { writeFiles } from './reference/write-files.ts'

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

writeFiles(files, 'generate-reference.ts')
