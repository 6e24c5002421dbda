import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseEnv } from 'node:util'
import { loadConfig } from '../src/config/config.ts'
import { repository } from './documents/markdown.ts'
import { findFreePort } from './programs/ports.ts'
import { needs } from './programs/programs.ts'
import { readDeployed, startCaddy, startNginx } from './programs/proxies.ts'
import { onTestDatabase, startServiceProcess, waitUntil } from './programs/service-process.ts'
import { createTestApp } from './test-app.ts'
import { TEST_SECRET } from './test-database.ts'

// The files of the deployment guide, unchanged except for ports, the domain (to avoid requesting a certificate) and the
// folder of the installation.

const scratch = mkdtempSync(join(tmpdir(), 'freehold-deployment-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

const secrets = {
  'secret-key': TEST_SECRET,
  'database-tenant-url': 'postgres://shop_tenant:qcWy0dFzn2@db.example.com/shop',
  'database-system-url': 'postgres://shop_system:kQx2v7Lm4t@db.example.com/shop',
  'smtp-url': 'smtp://shop:jH5sTq9wZb@mail.example.com:587',
}

/** An installation: the settings, and a file for each secret. */
function install() {
  mkdirSync(join(scratch, 'secrets'), { recursive: true, mode: 0o700 })
  for (const [name, text] of Object.entries(secrets))
    writeFileSync(join(scratch, 'secrets', name), `${text}\n`, { mode: 0o600 })
  writeFileSync(join(scratch, '.env'), readDeployed('production.env'), { mode: 0o600 })
  return loadConfig({}, scratch)
}

/** The number that the pattern captures. */
const numberIn = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? assert.fail(`${pattern}`))

// Red when: TRUSTED_PROXIES or a secret is missing from the settings, or only one of the times is changed.
test('the settings are complete, and their times are consistent with the unit and the proxies', async () => {
  const config = install()
  assert.deepEqual([config.warnings, config.trustedProxies], [[], ['127.0.0.1', '::1']])
  assert.deepEqual([config.environment, config.host], ['production', '127.0.0.1'])
  assert.match(config.publicUrl, /^https:/)
  assert.equal(config.database.url, undefined)

  const [unit, nginx, caddy] = ['freehold@.service', 'nginx-site.conf', 'Caddyfile'].map(name =>
    readDeployed(name),
  ) as [string, string, string]
  const longest = 30 // seconds that a request may take
  assert.ok(numberIn(unit, /^TimeoutStopSec=(\d+)$/m) > config.drainSeconds + longest)
  assert.ok(numberIn(nginx, /fail_timeout=(\d+)s/) < config.drainSeconds)
  assert.ok(numberIn(caddy, /health_interval (\d+)s/) + numberIn(caddy, /health_timeout (\d+)s/) < config.drainSeconds)
  const noticed = numberIn(unit, /^ExecStartPost=\/usr\/bin\/sleep (\d+)$/m)
  assert.ok(noticed >= numberIn(nginx, /fail_timeout=(\d+)s/) && noticed > numberIn(caddy, /health_interval (\d+)s/))
  const { app } = await createTestApp()
  const idle = app.server.keepAliveTimeout / 1000
  assert.ok(numberIn(nginx, /keepalive_timeout (\d+)s/) < idle && numberIn(caddy, /keepalive (\d+)s/) < idle)
  for (const text of [nginx, caddy])
    assert.deepEqual(text.match(/127\.0\.0\.1:\d+/g), ['127.0.0.1:8001', '127.0.0.1:8002'])
  assert.match(unit, /^ExecStart=\/opt\/freehold\/node_modules\/\.bin\/node server\/bin\/freehold\.js start$/m)
})

// Red when: a setting of the unit is misspelled, or a program that it starts does not exist.
test('systemd accepts the unit', needs('systemd-analyze'), () => {
  const path = join(scratch, 'freehold@.service')
  writeFileSync(path, readDeployed('freehold@.service').replaceAll('/opt/freehold/', repository))
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' })
  const about = `${stdout}${stderr}`.split('\n').filter(line => line.includes('freehold'))
  assert.deepEqual([status, about], [0, []])
})

test('Caddy accepts its file', needs('caddy'), () => {
  const path = join(scratch, 'Caddyfile')
  writeFileSync(path, readDeployed('Caddyfile'))
  for (const args of [
    ['validate', '--adapter', 'caddyfile', '--config', path],
    ['fmt', '--diff', path],
  ]) {
    const env = { PATH: process.env['PATH'], HOME: scratch }
    const { status, stdout, stderr } = spawnSync('caddy', args, { encoding: 'utf8', env })
    assert.equal(status, 0, stderr)
    assert.doesNotMatch(stdout, /^[-+]/m)
  }
})

/** A client at 127.0.0.2 that claims another address. */
const ask = (url: string): Promise<{ status: number | undefined; headers: IncomingHttpHeaders }> =>
  new Promise((resolve, reject) => {
    const forged = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'gopher', 'x-real-ip': '203.0.113.9' }
    const options = {
      headers: { ...forged, host: 'api.example.com' },
      localAddress: '127.0.0.2',
      rejectUnauthorized: false,
    }
    const send = url.startsWith('https:') ? secureRequest : httpRequest
    send(url, options, answer =>
      answer.resume().on('end', () => resolve({ status: answer.statusCode, headers: answer.headers })),
    )
      .on('error', reject)
      .end()
  })

// Red when: a proxy keeps the client's X-Forwarded-For, or the settings do not trust the proxy.
for (const proxy of ['nginx', 'caddy'] as const)
  test(
    `behind ${proxy} a client has its real address, whatever it sends, and gets Strict-Transport-Security`,
    { timeout: 300_000, ...needs(proxy, ...(proxy === 'nginx' ? ['openssl'] : [])) },
    async t => {
      install()
      const [port, first, second, plain] = (await Promise.all(Array.from({ length: 4 }, findFreePort))) as [
        number,
        number,
        number,
        number,
      ]
      const settings = parseEnv(readFileSync(join(scratch, '.env'), 'utf8')) as Record<string, string>
      const given = Object.fromEntries(Object.entries(settings).filter(([name]) => !name.endsWith('_FILE')))
      const { DATABASE_TENANT_URL, DATABASE_SYSTEM_URL } = onTestDatabase() as Record<string, string>
      const urls = { DATABASE_TENANT_URL: DATABASE_TENANT_URL!, DATABASE_SYSTEM_URL: DATABASE_SYSTEM_URL! }
      const rest = { ...urls, SMTP_URL: secrets['smtp-url'], RUN_JOBS: 'false', DATA_DIR: join(scratch, 'data') }
      const services = await Promise.all(
        [first, second].map(own => startServiceProcess({ ...given, ...rest, DRAIN_SECONDS: '0', PORT: String(own) })),
      )
      t.after(() => Promise.all(services.map(service => service.end('SIGKILL'))))
      const names = { 8001: first, 8002: second }
      if (proxy === 'nginx') await startNginx(readDeployed('nginx-site.conf', { ...names, 80: plain, 443: port }), port)
      else await startCaddy(readDeployed('Caddyfile', names).replace(/^api\.example\.com /m, `http://:${port} `), port)

      const url = `${proxy === 'nginx' ? 'https' : 'http'}://127.0.0.1:${port}`
      for (let count = 0; count < 4; count += 1) {
        const { status, headers } = await ask(`${url}/api/v1/auth/me`)
        assert.equal(status, 401)
        assert.match(String(headers['strict-transport-security']), /^max-age=63072000/)
      }
      const logged = () =>
        services.flatMap(service => service.output().match(/"route":"\/api\/v1\/auth\/me".*?"ip":"[^"]*"/g) ?? [])
      await waitUntil(() => logged().length === 4)
      for (const line of logged()) assert.match(line, /"ip":"127\.0\.0\.2"$/)
      for (const service of services) assert.doesNotMatch(service.output(), /TRUSTED_PROXIES/)
      if (proxy === 'nginx') {
        const { status, headers } = await ask(`http://127.0.0.1:${plain}/docs?x`)
        assert.deepEqual([status, headers.location], [308, 'https://api.example.com/docs?x'])
      }
    },
  )
