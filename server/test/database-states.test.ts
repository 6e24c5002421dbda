import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { inspectSessionSettings } from '../src/platform/connections/session-settings.ts'
import { Connection } from '../src/platform/connections/connection.ts'
import { createOwnDatabase } from './own-database.ts'
import type { OwnDatabase } from './own-database.ts'
import { launchService, request, signUpAt, startServiceProcess, waitUntil } from './programs/service-process.ts'
import type { ServiceProcess } from './programs/service-process.ts'
import { TEST_SECRET } from './test-database.ts'

// What the service answers while its database fails over, fills up or restarts, and with settings that it cannot use.

const own = await createOwnDatabase()
const name = new URL(own.ownerUrl).pathname.slice(1)
const env = { DATABASE_TENANT_URL: own.tenantUrl, DATABASE_SYSTEM_URL: own.systemUrl, RUN_JOBS: 'false' }
const logins = [own.tenantUrl, own.systemUrl].map(url => new URL(url).username)

const probes = async ({ url }: ServiceProcess) => {
  const [ready, health] = [await request(url, 'GET', '/ready'), await request(url, 'GET', '/health')]
  return [ready.status, health.status, health.body.database]
}

/** Ends the connections of the service, as a server does that becomes a standby. */
const disconnect = (database: OwnDatabase) =>
  database.admin.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = any ($1)', [logins])

// Red when: 25006 is not `isBroken` (500), or keeps its connection (503 after the database takes changes again).
test('a database that turns read-only is 503 with Retry-After for changes, and /ready says so until it is over', async t => {
  const service = await startServiceProcess(env)
  t.after(() => service.end('SIGKILL'))
  const client = await signUpAt(service.url)
  await own.admin.query(`alter database "${name}" set default_transaction_read_only = on`)
  await disconnect(own)
  await waitUntil(async () => (await request(service.url, 'GET', '/ready')).status === 503)
  assert.deepEqual(await probes(service), [503, 503, 'read-only'])
  for (const [path, body] of [
    ['/api/v1/projects', { name: 'Refused' }],
    ['/api/v1/auth/login', { email: client.email, password: 'Correct-horse-7' }],
    ['/api/v1/auth/refresh', { refresh_token: client.refresh_token }],
    ['/api/v1/auth/password-reset', { email: client.email }],
  ] as const) {
    const { status, headers, body: problem } = await client.call('POST', path, body)
    assert.deepEqual([status, problem.code], [503, 'database-unavailable'], path)
    assert.ok(Number(headers.get('retry-after')) > 0, path)
  }
  assert.equal((await client.call('GET', '/api/v1/projects')).status, 200, 'reading goes on')
  await own.admin.query(`alter database "${name}" reset default_transaction_read_only`)
  await disconnect(own)
  await waitUntil(async () => (await request(service.url, 'GET', '/ready')).status === 200)
  assert.equal((await client.call('POST', '/api/v1/projects', { name: 'Accepted' })).status, 201)
})

/** A server without room for what is being written, with another for each code: real ones need disks of their own. */
const shortages = ['53100', '53200', '53400', '58030', '53000', '58000']

// Red when: isShortage does not know the class, or nothing notes it for the probe.
test('a full disk, and every other shortage of the server, is 503, and /ready says so for ten seconds', async t => {
  await own.admin.query(`create function public.refuse() returns trigger language plpgsql as $$ begin
      if new.name ~ '^5[38]' then raise exception 'could not extend file' using errcode = new.name; end if;
      return new; end $$`)
  const service = await startServiceProcess(env)
  t.after(() => service.end('SIGKILL'))
  const client = await signUpAt(service.url)
  await own.admin.query('create trigger refuse before insert on projects for each row execute function public.refuse()')
  t.after(() => own.admin.query('drop trigger refuse on projects; drop function public.refuse()'))
  assert.deepEqual(await probes(service), [200, 200, 'connected'])
  let last = 0
  for (const code of shortages) {
    last = Date.now()
    const { status, headers, body } = await client.call('POST', '/api/v1/projects', { name: code })
    assert.deepEqual([status, body.code], [503, 'database-unavailable'], code)
    assert.ok(Number(headers.get('retry-after')) > 0, code)
  }
  assert.deepEqual(await probes(service), [503, 503, 'full'])
  await waitUntil(async () => (await request(service.url, 'GET', '/ready')).status === 200)
  assert.ok(Date.now() - last > 9900)
  assert.equal((await client.call('POST', '/api/v1/projects', { name: 'Accepted' })).status, 201)
})

// Red when: 25P03 is not `isBroken`: the connection is lost, and no one here is to blame.
test('a connection that the server ends is not a fault of the service', async t => {
  const limits = { idle_in_transaction_session_timeout: '1ms', statement_timeout: '1ms', lock_timeout: '1ms' }
  for (const [setting, value] of Object.entries(limits)) {
    for (const login of logins)
      await own.admin.query(`alter role "${login}" in database "${name}" set ${setting} = '${value}'`)
    const service = await launchService(env)
    t.after(() => service.end('SIGKILL'))
    await waitUntil(() => !service.isRunning() || /listens on/.test(service.output()))
    if (service.isRunning()) {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          request(service.url, 'POST', '/api/v1/auth/signup', {
            email: `limit-${setting}-${index}@example.com`,
            password: 'Correct-horse-7',
          }),
        ),
      )
      for (const { status, body } of answers)
        assert.ok(status === 201 || status === 503, `${setting}: ${status} ${JSON.stringify(body)}`)
    }
    for (const login of logins) await own.admin.query(`alter role "${login}" in database "${name}" reset ${setting}`)
    await service.end('SIGKILL')
  }
})

/** Settings of a database or a login that the service cannot work with, and cannot set itself under every pooler. */
const wrong: Readonly<Record<string, string>> = {
  default_transaction_read_only: 'on',
  default_transaction_isolation: 'serializable',
  quote_all_identifiers: 'on',
  transform_null_equals: 'on',
  array_nulls: 'off',
  bytea_output: 'escape',
  IntervalStyle: 'iso_8601',
  row_security: 'off',
}

// Red when: a line of NEEDED goes, or doctor does not ask.
test('a setting that the service cannot work with is named at the start and by doctor, with what to do', async () => {
  const [login] = logins as [string]
  for (const [setting, value] of Object.entries(wrong)) {
    await own.admin.query(`alter role "${login}" in database "${name}" set ${setting} = '${value}'`)
    const pool = new pg.Pool({ Client: Connection as never, connectionString: own.tenantUrl, max: 1 })
    const faults = await inspectSessionSettings(pool, 'DATABASE_TENANT_URL')
    await pool.end()
    assert.equal(faults.length, 1, setting)
    assert.match(faults[0] ?? '', new RegExp(`^${setting} is ${value} for ${login} .*alter role .* set ${setting}`))
    if (setting !== 'row_security')
      await own.admin.query(`alter role "${login}" in database "${name}" reset ${setting}`)
  }
  await own.admin.query(`alter role "${login}" in database "${name}" set search_path = public`)
  const doctor = spawnSync(
    process.execPath,
    [fileURLToPath(new URL('../bin/freehold.js', import.meta.url)), 'doctor'],
    {
      env: { PATH: process.env['PATH'], SECRET_KEY: TEST_SECRET, PUBLIC_URL: 'http://localhost:8000', ...env },
      cwd: '/',
      encoding: 'utf8',
    },
  )
  assert.equal(doctor.status, 1, doctor.stdout + doctor.stderr)
  assert.match(doctor.stdout, /row_security is off/)
  const refused = await launchService(env)
  assert.equal((await refused.ended).code, 1)
  assert.match(refused.errors(), /row_security is off/)
  await own.admin.query(`alter role "${login}" in database "${name}" reset row_security`)
  const lost = await launchService(env)
  assert.equal((await lost.ended).code, 1)
  assert.match(lost.errors(), /does not find the schema freehold/)
})
