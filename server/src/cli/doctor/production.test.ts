import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { load, production } from '../../../test/environments.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { TEST_SECRET, testDatabase } from '../../../test/test-database.ts'
import { features } from '../../features.ts'
import { declare } from '../../platform/declarations.ts'
import { productionChecks } from './production.ts'

const bin = fileURLToPath(new URL('../../../bin/freehold.js', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'freehold-production-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const { tenantUrl, systemUrl, ownerUrl } = testDatabase()

/** Answers as the service does behind a proxy, with the time of a clock that may be wrong. */
let isOurs = true
let skewSeconds = 0
const front = createServer((_request, response) => {
  response.setHeader('date', new Date(Date.now() + skewSeconds * 1000).toUTCString())
  if (isOurs) response.setHeader('x-request-id', 'one')
  response.end(JSON.stringify(isOurs ? { status: 'healthy' } : {}))
}).listen(0, '127.0.0.1')
after(() => front.close())
await once(front, 'listening')
const publicUrl = `http://127.0.0.1:${(front.address() as AddressInfo).port}`

/** What `doctor --production` says for each check: `ok`, `note` or `FAULT`, and its lines. */
async function examine(settings: Record<string, string>): Promise<{ code: number; of: (name: string) => string }> {
  const child = spawn(process.execPath, [bin, 'doctor', '--production'], {
    cwd: directory,
    env: {
      PATH: process.env['PATH'],
      ENVIRONMENT: 'production',
      SECRET_KEY: TEST_SECRET,
      DATABASE_TENANT_URL: tenantUrl,
      DATABASE_SYSTEM_URL: systemUrl,
      PUBLIC_URL: publicUrl,
      EMAIL_VERIFICATION: 'optional',
      DATA_DIR: join(directory, 'data'),
      ...settings,
    },
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', part => (text += part))
  const code = await new Promise<number>(resolve => child.once('close', end => resolve(end ?? 1)))
  return { code, of: name => new RegExp(`^(ok|note|FAULT) +${name}\\n(      - .*\\n)*`, 'm').exec(text)?.[0] ?? text }
}

// Red when: a check is dropped from the list, or finds nothing.
test('what a deployment lacks is named with its remedy, and the exit code is 1', async () => {
  const { admin, signUp } = await createTestApp()
  const { user_id, email } = await signUp()
  await admin.query('update users set superuser = true where id = $1', [user_id])
  skewSeconds = -60
  chmodSync(directory, 0o755)
  const { code, of } = await examine({
    DATABASE_URL: ownerUrl,
    LOG_LEVEL: 'debug',
    LOG_FILE: join(directory, 'service.log'),
    CORS_ORIGINS: 'http://app.acme.test',
    CSP_MODE: 'disabled',
    RATE_LIMIT_ENABLED: 'false',
    TRUSTED_PROXIES: '10.0.0.0/7',
    REDIS_URL: 'redis://redis.acme.test',
    DATA_DIR: directory,
  })
  assert.equal(code, 1)
  const expected: Record<string, RegExp> = {
    environment: /FAULT.*\n.*log level is debug: remove DEBUG=true/,
    'database logins': /FAULT.*\n.*set it only for `freehold migrate`/,
    'public URL': /FAULT.*\n.*serve it over https[^]*clock of this machine differs .* by 6[01] s: .*NTP/,
    browsers: /FAULT.*\n.*CORS_ORIGINS allows http:\/\/app\.acme\.test[^]*CSP_MODE is disabled/,
    limits: /FAULT.*\n.*RATE_LIMIT_ENABLED is false/,
    proxies: /FAULT.*\n.*TRUSTED_PROXIES has 10\.0\.0\.0\/7/,
    Redis: /FAULT.*\n.*REDIS_URL has no password/,
    accounts: /FAULT.*\n.*no email is sent/,
    superusers: new RegExp(`FAULT.*\\n.*superuser ${email} has no second factor`),
    log: /FAULT.*\n.*no configuration of logrotate names LOG_FILE/,
    'user and files': /FAULT.*\n.*chmod o-rwx/,
    backups: /note.*\n.*make backups every day/,
  }
  for (const [name, pattern] of Object.entries(expected)) assert.match(of(name), pattern, name)
  // Back, for the next test.
  await admin.query('update users set superuser = false where id = $1', [user_id])
})

test('a deployment that lacks nothing has no fault in its settings, and one that only works for development has', async () => {
  skewSeconds = 0
  chmodSync(directory, 0o750)
  const good = await examine({
    CORS_ORIGINS: 'https://app.acme.test',
    TRUSTED_PROXIES: '10.0.0.1',
    FROM_EMAIL: 'Acme <no-reply@acme.test>',
    SMTP_URL: 'smtp://freehold:Rw4490Lkq@127.0.0.1:1',
  })
  // Without TLS on this machine, that fault remains, and there is no mail server.
  assert.equal(good.code, 1)
  for (const name of [
    'environment',
    'secrets',
    'database logins',
    'database TLS',
    'limits',
    'proxies',
    'Redis',
    'accounts',
  ])
    assert.match(good.of(name), /^(ok|note)/, name)
  for (const name of ['superusers', 'log', 'monitoring', 'user and files'])
    assert.match(good.of(name), /^(ok|note)/, name)
  assert.match(good.of('public URL'), /^FAULT public URL\n      - PUBLIC_URL is http:.*\n$/)

  isOurs = false
  const other = await examine({ ENVIRONMENT: 'development', DATABASE_URL: ownerUrl })
  assert.equal(other.code, 1)
  assert.match(other.of('environment'), /ENVIRONMENT is development: set ENVIRONMENT=production/)
  assert.match(other.of('public URL'), /is not answered by this service/)
})

// Red when: one of these checks finds nothing.
test('what cannot be arranged around a process is found as well', async () => {
  const { database } = await createTestApp()
  /** The faults and notes of one check, for settings and URLs that production accepts. */
  async function ask(name: string, settings: Record<string, string>, changes: { tenantUrl?: string } = {}) {
    const check = productionChecks.find(([one]) => one === name)![1]
    const urls = { tenantUrl: production.DATABASE_TENANT_URL, systemUrl: production.DATABASE_SYSTEM_URL, ...changes }
    const found = await check({
      config: load({ ...production, ...settings }),
      database,
      declared: declare(features),
      urls,
    })
    return { faults: found.faults?.join('\n') ?? '', notes: found.notes?.join('\n') ?? '' }
  }
  // The connection of this test is not encrypted, and PostgreSQL says so whatever the URL is.
  assert.match((await ask('database TLS', {})).faults, /the tenant login reaches db\.internal without TLS/)
  const tenantUrl = 'postgresql://freehold_app:short-one@db.internal/app'
  assert.match(
    (await ask('secrets', {}, { tenantUrl })).faults,
    /DATABASE_TENANT_URL has a short or well-known password/,
  )
  assert.match(
    (await ask('secrets', { METRICS_TOKEN: production.SECRET_KEY })).faults,
    /METRICS_TOKEN is the SECRET_KEY/,
  )
  assert.match(
    (await ask('public URL', {})).faults,
    /PUBLIC_URL is https:\/\/api\.example\.com: use a name of your own/,
  )
  for (const sender of ['shop@example.com', 'Shop <no-reply@mail.example.org>'])
    assert.match((await ask('accounts', { FROM_EMAIL: sender })).faults, /use an address of your own domain/)
  assert.match((await ask('proxies', { TRUSTED_PROXIES: '' })).faults, /TRUSTED_PROXIES is empty/)
  const metrics = { ENABLE_METRICS: 'true' }
  assert.match((await ask('monitoring', metrics)).faults, /ENABLE_METRICS needs METRICS_TOKEN/)
  const open = await ask('monitoring', { ...metrics, PUBLIC_MONITORING: 'true' })
  assert.deepEqual([open.faults, /PUBLIC_MONITORING is true: everyone/.test(open.notes)], ['', true])
})
