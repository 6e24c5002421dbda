import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { findOlderNode } from '../../test/programs/programs.ts'
import { TEST_SECRET, testDatabase } from '../../test/test-database.ts'

const bin = fileURLToPath(new URL('../../bin/freehold.js', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'freehold-cli-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const urls = testDatabase()
const environment = {
  PATH: process.env['PATH'],
  SECRET_KEY: TEST_SECRET,
  DATABASE_URL: urls.ownerUrl,
  DATABASE_TENANT_URL: urls.tenantUrl,
  DATABASE_SYSTEM_URL: urls.systemUrl,
}

function run(
  args: string[],
  { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {},
  node = process.execPath,
) {
  const { status, stdout, stderr } = spawnSync(node, [bin, ...args], {
    cwd: directory,
    env: { ...environment, ...env },
    input,
    encoding: 'utf8',
    timeout: 180_000,
  })
  return { status, stdout, stderr }
}

test('help and an unknown command say what there is', () => {
  assert.match(run([]).stdout, /freehold start/)
  // Red when: a command gets `--help` itself: it is an unknown option there.
  for (const args of [
    ['superuser', '--help'],
    ['start', '--help'],
    ['doctor', '--help'],
    ['migrate', '--help'],
  ]) {
    const { status, stdout, stderr } = run(args)
    assert.deepEqual([status, stderr], [0, ''], args.join(' '))
    assert.match(stdout, RegExp(`freehold ${args[0]}`))
  }
  const unknown = run(['strat'])
  assert.equal(unknown.status, 2)
  assert.match(unknown.stderr, /there is no command strat/)
  assert.equal(run(['doctor', '--rolls']).status, 2)
})

test('a wrong configuration names every fault and starts nothing', () => {
  const { status, stderr } = run(['start'], { env: { PORT: 'http', LOG_LEVEL: 'loud' } })
  assert.equal(status, 1)
  assert.match(stderr, /PORT/)
  assert.match(stderr, /LOG_LEVEL/)
})

test('the doctor finds a healthy service healthy, and a changed wall changed', async () => {
  const healthy = run(['doctor'])
  assert.equal(healthy.status, 0, healthy.stdout + healthy.stderr)
  assert.doesNotMatch(healthy.stdout, /FAULT/)
  assert.match(run(['doctor', '--roles']).stdout, /create role "\w+_tenant_login" login/)

  const database = `changed_${process.pid}`
  const admin = new pg.Client({ connectionString: urls.adminUrl })
  await admin.connect()
  after(() => admin.end())
  await admin.query(`create database ${database} owner freehold`)
  const url = Object.assign(new URL(urls.ownerUrl), { pathname: `/${database}` }).href
  // Only the owner's URL: the logins are made and derived, as in development. The owner of the tests has CREATEROLE but
  // did not make the roles that all databases of this cluster share, so the administrator lets it grant them.
  await admin.query('grant freehold_tenant, freehold_system to freehold with admin option, inherit false, set false')
  const env = { DATABASE_URL: url, DATABASE_TENANT_URL: '', DATABASE_SYSTEM_URL: '' }
  assert.match(run(['doctor'], { env }).stdout, /FAULT roles, grants and policies[^]*freehold migrate apply/)
  assert.match(
    run(['superuser', 'list'], { env }).stderr,
    /no migration has been applied: run `freehold migrate apply`/,
  )
  assert.equal(run(['migrate', 'apply'], { env }).status, 0)
  assert.equal(run(['doctor'], { env }).status, 0)
  const owner = new pg.Client({ connectionString: url })
  await owner.connect()
  await owner.query('drop policy tenant_read on freehold.projects')
  await owner.end()
  const changed = run(['doctor'], { env })
  assert.equal(changed.status, 1)
  assert.match(changed.stdout, /not what the migrations made/)
  assert.match(run(['start'], { env: { ...env, PORT: '0' } }).stderr, /nothing is served/)
  await admin.query(`drop database ${database} with (force)`)
  await admin.query(`drop role ${database}_tenant_login, ${database}_system_login`)
})

test('superusers are granted, listed and revoked by address', () => {
  const email = `root-${process.pid}-${Date.now()}@example.com`
  assert.match(run(['superuser', 'grant', email]).stderr, /no account has the address/)
  assert.match(run(['superuser', 'grant', email, '--create'], { input: 'weak\n' }).stderr, /at least 8 characters/)
  assert.equal(run(['superuser', 'grant', email, '--create'], { input: 'Correct-horse-7\n' }).status, 0)
  assert.match(run(['superuser', 'list']).stdout, new RegExp(email))
  assert.equal(run(['superuser', 'revoke', email]).status, 0)
  assert.doesNotMatch(run(['superuser', 'list']).stdout, new RegExp(email))
  assert.equal(run(['superuser', 'promote', email]).status, 2)
})

test(
  'an older Node hands the command over to the one that npm installed',
  { skip: findOlderNode() === undefined && 'no older Node on the PATH' },
  () => {
    const { status, stdout } = run(['help'], {}, findOlderNode())
    assert.equal(status, 0)
    assert.match(stdout, /freehold start/)
  },
)

test('a Ctrl-C that arrives twice still stops the service in order', async () => {
  const service = spawn(process.execPath, [bin, 'start'], { cwd: directory, env: { ...environment, PORT: '0' } })
  const ended = new Promise(resolve => service.on('exit', resolve))
  let log = ''
  for await (const chunk of service.stdout) {
    log += String(chunk)
    if (log.includes('listens on')) break
  }
  service.kill('SIGINT')
  service.kill('SIGINT')
  assert.equal(await ended, 0, log)
})

// Red when: a command asks for what the service needs: its address, mail, a login that it does not use.
test('outside development each command asks only for the settings that it uses, and leaves no file', () => {
  const [owner, system, secret] = [
    { DATABASE_URL: urls.ownerUrl },
    { DATABASE_SYSTEM_URL: urls.systemUrl },
    { SECRET_KEY: TEST_SECRET },
  ]
  const before = readdirSync(directory)
  const runWith = (args: string[], env: Record<string, string>) =>
    spawnSync(process.execPath, [bin, ...args], {
      cwd: directory,
      env: { PATH: process.env['PATH'], ENVIRONMENT: 'production', ...env },
      encoding: 'utf8',
      timeout: 180_000,
    })
  for (const [args, env] of [
    [['migrate', 'list'], owner],
    [['migrate', 'current'], owner],
    [['migrate', 'apply'], owner],
    [['superuser', 'list'], { ...system, ...secret }],
    [['keys', 'list'], { ...system, ...secret }],
    [['jobs'], system],
    [['doctor', '--roles'], { ...owner, ...secret }],
  ] as const) {
    const { status, stderr } = runWith([...args], env)
    assert.equal(status, 0, `${args.join(' ')}: ${stderr}`)
    assert.equal(stderr, '')
  }
  const asked = runWith(['migrate', 'list'], {}).stderr
  assert.match(asked, /^freehold migrate: The configuration cannot be used:\n- DATABASE_URL is not set[^\n]*\n$/)
  assert.deepEqual(readdirSync(directory), before)
})
