// Writes the reference pages and the gate's table of permissions; with --check, says what is stale and exits 1.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createDescribedApp } from './described-app.ts'
import { describePermissions, describeProblems, describeRolePermissions, describeRoutes } from './reference.ts'

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const app = await createDescribedApp()
const files = {
  'docs/reference/problems.md': describeProblems(),
  'docs/reference/permissions.md': describePermissions(),
  'docs/reference/routes.md': describeRoutes(app.swagger()),
  'server/src/platform/gate/role-permissions.gen.sql': describeRolePermissions(),
}
await app.close()

for (const [name, text] of Object.entries(files)) {
  const path = fileURLToPath(new URL(`../../${name}`, import.meta.url))
  if (!options.check) {
    writeFileSync(path, text)
  } else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.error(`${name} is stale: run node server/tools/generate-reference.ts`)
    process.exitCode = 1
  }
}
