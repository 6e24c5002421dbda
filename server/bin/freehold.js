#!/usr/bin/env node
// The way in: plain JavaScript, so that an older Node can read it and hand over to the one that npm installed beside us.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const major = Number(process.versions.node.split('.')[0])
const here = dirname(fileURLToPath(import.meta.url))

if (major < 26) {
  const installed = [join(here, '../../node_modules/.bin/node'), join(here, '../node_modules/.bin/node'), join(here, '../../.bin/node')]
  const node = installed.find(path => existsSync(path) && path !== process.execPath)
  if (node === undefined) {
    console.error(`freehold needs Node 26 or newer; this is ${process.version}. Run npm ci, which installs one beside the service.`)
    process.exit(1)
  }
  const { status, signal } = spawnSync(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  if (signal !== null) process.kill(process.pid, signal)
  process.exit(status ?? 1)
}

enableCompileCache(join(here, '../../node_modules/.cache/compile'))
const { runCommand } = await import('../src/cli/freehold.ts')
process.exitCode = await runCommand(process.argv.slice(2))
