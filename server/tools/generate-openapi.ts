// Writes openapi.json, the contract between server and clients; with --check, only reports if it is stale, and exits 1.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createDescribedApp } from './described-app.ts'

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const path = fileURLToPath(new URL('../../openapi.json', import.meta.url))
const app = await createDescribedApp()
const text = `${JSON.stringify(await app.openApi(), null, 2)}\n`
await app.close()

if (!options.check) {
  writeFileSync(path, text)
} else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
  console.error('openapi.json is stale: run node server/tools/generate-openapi.ts')
  process.exitCode = 1
}
