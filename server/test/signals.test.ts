import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { repository } from './documents/markdown.ts'
import { findFreePort } from './programs/ports.ts'
import { findOlderNode, needs } from './programs/programs.ts'
import {
  findEmbeddedPostgres,
  onTestDatabase,
  request,
  startServiceProcess,
  waitUntil,
} from './programs/service-process.ts'
import { TEST_SECRET } from './test-database.ts'

// What happens to the service, its port and its PostgreSQL, for each signal to each process.

const scratch = mkdtempSync(join(tmpdir(), 'freehold-signals-'))
chmodSync(scratch, 0o755) // as root, PostgreSQL runs as another user, who has to enter the folder
const children: ChildProcess[] = []
after(() => {
  for (const { pid } of children) endGroup(pid!)
  const left = findEmbeddedPostgres(dataDir) // only if a test failed
  if (left !== undefined) process.kill(left, 'SIGQUIT')
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
})

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // exited already
  }
}

const program = join(repository, 'server/bin/freehold.js')

/** All tests here run one after the other, and each leaves no process behind. */
const dataDir = join(scratch, 'data')
const hasPostgres = () => findEmbeddedPostgres(dataDir) !== undefined

/** A process with its children in a group of its own, and its output. */
function launch(command: string, args: string[], settings: Record<string, string>) {
  const child = spawn(command, args, {
    cwd: repository,
    env: { PATH: process.env['PATH'], SECRET_KEY: TEST_SECRET, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  children.push(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  return { pid: child.pid!, ended, said: () => said, kill: (signal: NodeJS.Signals) => child.kill(signal) }
}

const isServed = (port: string) =>
  fetch(`http://127.0.0.1:${port}/ready`).then(
    answer => answer.ok,
    () => false,
  )

/** Starts the service by a command, with its own PostgreSQL. */
async function launchService(command: string, args: string[], settings: Record<string, string> = {}) {
  const port = String(await findFreePort())
  const service = launch(command, args, { DATA_DIR: dataDir, PORT: port, ...settings })
  await waitUntil(() => isServed(port)).catch(() => assert.fail(service.said()))
  assert.ok(hasPostgres())
  return { ...service, isGone: async () => !(await isServed(port)) && !hasPostgres() }
}

// Red when: cli/until-signal.ts does not listen for it.
for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGQUIT'] as const)
  test(`${signal} stops a service without a log file gracefully`, { timeout: 300_000 }, async () => {
    const service = await launchService(process.execPath, [program, 'start'])
    service.kill(signal)
    assert.equal(await service.ended, 0, service.said())
    assert.ok(await service.isGone())
  })

// Red when: SIGHUP stops it all the same, or the file is not reopened.
test('SIGHUP reopens the log file after a rename, and no line in between is lost', { timeout: 300_000 }, async t => {
  for (const format of ['json', 'text']) {
    const file = join(scratch, 'logs', `${format}.log`)
    const service = await startServiceProcess({ ...onTestDatabase(), LOG_FILE: file, LOG_FORMAT: format })
    t.after(() => service.end('SIGKILL'))
    const ask = (id: string) => request(service.url, 'GET', '/health', undefined, { 'x-request-id': id })
    const read = () => [`${file}.1`, file].map(path => (existsSync(path) ? readFileSync(path, 'utf8') : ''))
    await ask('before-1')
    renameSync(file, `${file}.1`)
    await ask('before-2')
    process.kill(service.pid, 'SIGHUP')
    await waitUntil(() => read()[1] !== '' || existsSync(file))
    await ask('after-1')
    await waitUntil(() => read()[1]!.includes('after-1'))
    assert.ok(!read()[0]!.includes('after-1'), 'the renamed file gets no more lines')
    for (const id of ['before-1', 'before-2', 'after-1']) assert.equal(read().join('').split(id).length, 2, id)

    // The folder is a file now: the service logs the error, and continues to write to the open file.
    renameSync(dirname(file), `${dirname(file)}-moved`)
    writeFileSync(dirname(file), '')
    process.kill(service.pid, 'SIGHUP')
    const moved = join(`${dirname(file)}-moved`, `${format}.log`)
    await waitUntil(() => readFileSync(moved, 'utf8').includes('could not be opened again'))
    rmSync(dirname(file))
    renameSync(`${dirname(file)}-moved`, dirname(file))
    assert.deepEqual(await service.end('SIGTERM'), { code: 0, signal: null })
  }
})

// Red when: bin/freehold.js does not listen for it.
test('SIGUSR1 opens no debugger', { timeout: 300_000 }, async t => {
  const port = 9229 // Node's own
  const isTaken = await new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve(true)).listen(port, '127.0.0.1', () => probe.close(() => resolve(false)))
  })
  if (isTaken) return t.skip(`port ${port} is taken`)
  const service = await startServiceProcess({ ...onTestDatabase(), NODE_OPTIONS: '' })
  t.after(() => service.end('SIGKILL'))
  process.kill(service.pid, 'SIGUSR1')
  await delay(500)
  assert.equal((await request(service.url, 'GET', '/health')).status, 200)
  await assert.rejects(fetch(`http://127.0.0.1:${port}/json`))
  assert.equal(service.errors(), '')
})

// Red when: orphanage.ts does not watch npm and its shell, which pass on few signals.
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGKILL'] as const)
  test(
    `${signal} to npm start stops the service, and its PostgreSQL with it`,
    { timeout: 300_000, ...needs('npm') },
    async () => {
      const service = await launchService('npm', ['start'], { HOME: scratch })
      service.kill(signal)
      await service.ended
      await waitUntil(service.isGone)
      assert.match(service.said(), /stopping/)
    },
  )

// Red when: the launcher creates no channel, or orphanage.ts does not notice when it closes.
const older = findOlderNode()
for (const signal of ['SIGHUP', 'SIGKILL'] as const)
  test(
    `${signal} to an older Node that started the service stops the service, and its PostgreSQL with it`,
    { timeout: 300_000, ...(older === undefined ? { skip: 'no older Node is on the path' } : {}) },
    async () => {
      const service = await launchService(older!, [program, 'start'])
      service.kill(signal)
      const code = await service.ended
      if (signal !== 'SIGKILL') assert.equal(code, 0, service.said())
      await waitUntil(service.isGone)
      assert.match(service.said(), /stopping/)
    },
  )

// Red when: no listener for `exit`, or for a start that hangs.
test('killing a start, a command or a service stops its PostgreSQL too', { timeout: 300_000 }, async t => {
  // A database that accepts and never answers.
  const silent = createServer(socket => t.after(() => socket.destroy())).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const dead = `postgres://user:word@127.0.0.1:${(silent.address() as AddressInfo).port}/there`
  const hanging = launch(process.execPath, [program, 'start'], {
    DATABASE_URL: dead,
    PORT: String(await findFreePort()),
  })
  await once(silent, 'connection')
  hanging.kill('SIGTERM')
  const began = Date.now()
  assert.notEqual(await hanging.ended, null)
  assert.ok(Date.now() - began < 60_000)

  for (const [args, signals] of [
    [['start'], ['SIGTERM']],
    [['start'], ['SIGTERM', 'SIGTERM']],
    [['migrate', 'list'], ['SIGINT']],
    [['migrate', 'apply'], ['SIGHUP']],
  ] as const) {
    const command = launch(process.execPath, [program, ...args], { DATA_DIR: dataDir, PORT: '0' })
    await waitUntil(hasPostgres)
    for (const [index, signal] of signals.entries()) {
      if (index > 0) await delay(1100)
      command.kill(signal)
    }
    await command.ended
    await waitUntil(() => !hasPostgres())
  }
})
