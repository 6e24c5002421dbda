#!/usr/bin/env node
// The entry point, in plain JavaScript, so that an older Node can run it and start the Node that npm has installed.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// By default SIGUSR1 opens the debugger's port to every user of this machine; `--inspect` does so on purpose.
process.on('SIGUSR1', () => {})

const here = dirname(fileURLToPath(import.meta.url))

if (Number(process.versions.node.split('.')[0]) < 26) handOver()
else {
  module.enableCompileCache(join(here, '../../node_modules/.cache/compile'))
  const { runCommand } = await import('../src/cli/freehold.ts')
  process.exitCode = await runCommand(process.argv.slice(2))
}

/**
 * Runs the same command on the installed Node, forwards signals, and exits with the same code. The IPC channel closes
 * if this process is killed, so that the other one ends too.
 */
function handOver() {
  const installed = ['../../node_modules/.bin/node', '../node_modules/.bin/node', '../../.bin/node'].map(path =>
    join(here, path),
  )
  const node = installed.find(path => existsSync(path))
  if (node === undefined) {
    console.error(
      `freehold needs Node 26 or newer; this is ${process.version}. Run npm ci, which installs one beside the service.`,
    )
    process.exit(1)
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'])
    process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}
