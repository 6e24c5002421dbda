// Runs the tests: all of them, or the files that are named. `--long` runs what is random far longer, `--coverage` shows which
// lines ran and fails below a share of them; other arguments that begin with -- go to Node's test runner.
import { spawn } from 'node:child_process'
import { existsSync, globSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** Seconds that one test may take, also on a busy machine; in a long run an hour. What waits for ever ends, and is named. */
const LIMIT = 600
/** The lowest share of lines that the tests run, in per cent. */
const COVERED_LINES = 95

const given = process.argv.slice(2)
const files = given.filter(argument => !argument.startsWith('--'))
const options = given.filter(argument => argument.startsWith('--') && !['--long', '--coverage'].includes(argument))
const isLong = given.includes('--long')

const missing = files.filter(file => !existsSync(file) && globSync(file).length === 0)
if (missing.length > 0) {
  console.error(
    `There is no ${missing.join(', no ')}. Name test files from the top of the repository, as in npm test -- server/test/isolation.test.ts; without a name all tests run.`,
  )
  process.exit(2)
}

const coverage = [
  '--experimental-test-coverage',
  `--test-coverage-lines=${files.length > 0 ? 0 : COVERED_LINES}`,
  '--test-coverage-include=server/src/**/*.ts',
  '--test-coverage-exclude=**/*.test.ts',
  '--test-coverage-exclude=**/*.gen.ts',
]
const long = { ORACLE_DECISIONS: '1000000', LOCK_ORDER_ROUNDS: '32', PROPERTY_RUNS: '20' }

// Each file is a process that loads the service. With the cache it compiles nothing again, but the coverage would be less exact.
const cache = given.includes('--coverage')
  ? {}
  : { NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url)) }

// The data of the run's PostgreSQL. The test runner does not wait until it has stopped, so it is removed here.
const directory = mkdtempSync(join(tmpdir(), 'freehold-test-'))

const run = spawn(
  process.execPath,
  [
    '--test',
    '--test-concurrency=3', // on two cores: tests also wait
    `--test-global-setup=${fileURLToPath(new URL('setup.ts', import.meta.url))}`,
    `--test-timeout=${(isLong ? 3600 : LIMIT) * 1000}`,
    '--test-force-exit', // what a test that ran out of time has left running does not hold the file
    ...(given.includes('--coverage') ? coverage : []),
    ...options,
    ...(files.length > 0 ? files : ['server/**/*.test.ts', 'bench/**/*.test.ts']),
  ],
  // The tests run on the PostgreSQL that npm installs, whatever else the machine has; a variable chooses another.
  {
    stdio: 'inherit',
    env: {
      FREEHOLD_TEST_DIRECTORY: directory,
      EMBEDDED_POSTGRES: 'bundled',
      ...cache,
      ...(isLong ? long : {}),
      ...process.env,
    },
  },
)
// A signal to this process also ends the tests and their PostgreSQL too.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => run.kill('SIGINT'))
run.on('exit', code => void finish(code))

/** @param {number | null} code */
async function finish(code) {
  // PostgreSQL may still be writing its last files.
  for (let tries = 0; existsSync(directory) && tries < 50; tries++) {
    await rm(directory, { recursive: true, force: true }).catch(() => {})
    if (existsSync(directory)) await setTimeout(100)
  }
  process.exit(code ?? 1)
}
