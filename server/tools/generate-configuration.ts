// Writes the files that are generated from the table of variables; with --check, only reports stale ones, and exits 1.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeConfiguration, describeEnvFile } from './reference/configuration.ts'

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } })

const files = { 'docs/reference/configuration.md': describeConfiguration(), '.env.example': describeEnvFile() }

for (const [name, text] of Object.entries(files)) {
  const path = fileURLToPath(new URL(`../../${name}`, import.meta.url))
  if (!options.check) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  } else if (readOrNothing(path) !== text) {
    console.error(`${name} is stale: run node server/tools/generate-configuration.ts`)
    process.exitCode = 1
  }
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
