// Writes openapi.json, the contract between server and clients, and a document of each wire format, such as
// openapi.v5.json; with --check, only reports those that are stale, and exits 1.
import { basename } from 'node:path'
import { features } from '../src/features.ts'
import { createDescribedApp } from './reference/described-app.ts'
import { writeFiles } from './reference/write-files.ts'

const app = await createDescribedApp()
const files: Record<string, string> = {}
for (const format of [undefined, ...features.flatMap(({ format }) => format ?? [])]) {
  const name = format === undefined ? 'openapi.json' : `openapi.${basename(format.path)}.json`
  files[name] = `${JSON.stringify(await app.openApi(format), null, 2)}\n`
}
await app.close()
writeFiles(files, 'generate-openapi.ts')
