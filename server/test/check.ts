import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// `npm run check`: all static checks. Every step runs; if one fails, the check fails.

const scratch = mkdtempSync(join(tmpdir(), 'freehold-check-'))
const node = process.execPath

const steps: [name: string, command: string, ...args: string[]][] = [
  ['types', 'tsc', '-p', '.'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings', 'server', 'bench', 'docs'],
  ['format', 'oxfmt', '--check', 'server', 'bench', 'docs/license-client'],
  ['dead code', 'knip'],
  ['folders', node, 'server/tools/check-folders.ts'],
  ['words', node, 'server/tools/check-words.ts'],
  ['generated files', node, 'server/tools/generate.ts', '--check'],
  ['schema drift', node, 'server/bin/freehold.js', 'migrate', 'check'],
  ['OpenAPI: Redocly', 'redocly', 'lint', 'openapi.json', 'openapi.v5.json'],
  ['OpenAPI: Spectral', 'spectral', 'lint', '--fail-severity=error', 'openapi.json', 'openapi.v5.json'],
]

let failed = 0
for (const [name, command, ...args] of steps) {
  const started = Date.now()
  process.stdout.write(`${name} … `)
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: {
      ...process.env,
      DATA_DIR: join(scratch, 'data'),
      EMBEDDED_POSTGRES: 'bundled',
      REDOCLY_TELEMETRY: 'off',
      REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
    },
  })
  const passed = status === 0
  console.log(`${passed ? 'ok' : 'FAILED'} (${((Date.now() - started) / 1000).toFixed(1)} s)`)
  if (!passed) {
    failed++
    console.log(`${stdout}${stderr}${error?.message ?? ''}`)
  }
}
rmSync(scratch, { recursive: true, force: true })
console.log(failed === 0 ? 'All checks pass.' : `${failed} of ${steps.length} checks failed.`)
process.exitCode = failed === 0 ? 0 : 1
