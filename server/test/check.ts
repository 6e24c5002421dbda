import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// `npm run check`: all static checks, two at a time. Every step runs; if one fails, the check fails.

const scratch = mkdtempSync(join(tmpdir(), 'freehold-check-'))
const node = process.execPath

/** The longest one first: it uses one core, and takes about as long as all others together. */
const steps: [name: string, command: string, ...args: string[]][] = [
  ['OpenAPI: Spectral', 'spectral', 'lint', '--fail-severity=error', 'openapi.json', 'openapi.v5.json'],
  ['types', 'tsc', '-p', '.'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings', 'server', 'bench', 'docs'],
  ['format', 'oxfmt', '--check', 'server', 'bench', 'docs/license-client'],
  ['dead code', 'knip'],
  ['folders', node, 'server/tools/check-folders.ts'],
  ['words', node, 'server/tools/check-words.ts'],
  ['generated files', node, 'server/tools/generate.ts', '--check'],
  ['schema drift', node, 'server/bin/freehold.js', 'migrate', 'check'],
  ['OpenAPI: Redocly', 'redocly', 'lint', 'openapi.json', 'openapi.v5.json'],
]

const settings = {
  ...process.env,
  DATA_DIR: join(scratch, 'data'),
  EMBEDDED_POSTGRES: 'bundled',
  REDOCLY_TELEMETRY: 'off',
  REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
}

/** What a step has said if it failed; undefined if it passed. */
const run = (command: string, args: readonly string[]): Promise<string | undefined> =>
  new Promise(resolve =>
    execFile(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, env: settings }, (error, stdout, stderr) =>
      resolve(error === null ? undefined : `${stdout}${stderr}${stdout || stderr ? '' : error.message}`),
    ),
  )

let failed = 0
const queue = steps.values()
async function work(): Promise<void> {
  for (const [name, command, ...args] of queue) {
    const started = Date.now()
    const said = await run(command, args)
    console.log(`${name} … ${said === undefined ? 'ok' : 'FAILED'} (${((Date.now() - started) / 1000).toFixed(1)} s)`)
    if (said === undefined) continue
    failed++
    console.log(said)
  }
}
await Promise.all([work(), work()])
rmSync(scratch, { recursive: true, force: true })
console.log(failed === 0 ? 'All checks pass.' : `${failed} of ${steps.length} checks failed.`)
process.exitCode = failed === 0 ? 0 : 1
