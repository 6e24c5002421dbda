import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

// `npm run generate`: writes all generated files; with --check it only reports stale ones.

const generators = [
  'generate-tables.ts',
  'generate-configuration.ts',
  'generate-reference.ts',
  'generate-openapi.ts',
  'describe-system.ts',
]

for (const generator of generators) {
  const { status } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL(generator, import.meta.url)), ...process.argv.slice(2)],
    { stdio: 'inherit' },
  )
  if (status !== 0) process.exitCode = 1
}
