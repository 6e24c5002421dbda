// Writes openapi.json, the contract between server and clients, and a document of each wire format, such as
// openapi.v5.json; with --check, only reports those that are stale, and exits 1.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { features } from '../src/features.ts'
import { createDescribedApp } from './reference/described-app.ts'

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const app = await createDescribedApp()
for (const format of [undefined, ...features.flatMap(({ format }) => format ?? [])]) {
  const name = format === undefined ? 'openapi.json' : `openapi.${basename(format.path)}.json`
  const path = fileURLToPath(new URL(`../../${name}`, import.meta.url))
  const text = `${JSON.stringify(await app.openApi(format), null, 2)}\n`
  if (!options.check) {
    writeFileSync(path, text)
  } else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.error(`${name} is stale: run node server/tools/generate-openapi.ts`)
    process.exitCode = 1
  }
}
await app.close()
