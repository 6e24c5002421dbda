import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createTestApp } from '../../../test/test-app.ts'
import { testDatabase } from '../../../test/test-database.ts'
import { Problem } from '../problems.ts'
import type { ProblemCode } from '../problems.ts'
import { sealToken } from '../tokens/one-time-tokens.ts'
import { createFailureLog } from './failures.ts'

interface Line {
  msg: string
  reason?: string
  status?: number
  problem?: string
  [field: string]: unknown
}
const linesIn = (text: string): Line[] =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Line)

/** A way to the test run's database that can be cut. */
async function openRelay() {
  const { hostname, port } = new URL(testDatabase().adminUrl)
  const host = hostname.replace(/^\[|\]$/g, '')
  const open = new Set<Socket>()
  let isCut = false
  const relay = createServer(client => {
    if (isCut) {
      client.destroy()
      return
    }
    const server = connect(Number(port) || 5432, host)
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      open.add(one)
      one.on('error', () => {}).on('close', () => other.destroy())
      one.pipe(other)
    }
  })
  await new Promise<void>(resolve => relay.listen(0, '127.0.0.1', resolve))
  after(() => relay.close())
  const { port: own } = relay.address() as AddressInfo
  const through = (url: string) => Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(own) }).href
  return {
    through,
    cut: () => {
      isCut = true
      for (const socket of open) socket.destroy()
    },
  }
}

// Red when: errors.ts logs each cause with its stack (400 lines and more than 300 KB).
test('while the database is away each request is one line, and all the rest is a few', async () => {
  const { tenantUrl, systemUrl } = testDatabase()
  const relay = await openRelay()
  const app = await createTestApp({
    DATABASE_TENANT_URL: relay.through(tenantUrl),
    DATABASE_SYSTEM_URL: relay.through(systemUrl),
  })
  const person = await app.signUp('Acme')
  relay.cut()
  const from = app.logged().length
  const began = performance.now()
  const requests = Array.from({ length: 200 }, (_, index) => {
    if (index % 4 === 0)
      return app.call('POST', '/api/v1/auth/login', { email: person.email, password: person.password })
    if (index % 4 === 1) return app.call('GET', '/ready')
    if (index % 4 === 2)
      return person.call('POST', '/api/v1/projects', { name: 'x' }, { 'idempotency-key': `k${index}` })
    return person.call('GET', '/api/v1/projects')
  })
  const answers = await Promise.all(requests)
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([503]))
  const token = sealToken(app.services.keys.oneTime, { purpose: 'reset-password' }, crypto.randomUUID())
  for (let round = 0; round < 5; round++)
    assert.equal((await app.app.inject(`/account/reset-password?token=${token}`)).statusCode, 503)
  const text = app.logged().slice(from)
  const lines = linesIn(text)
  const refused = lines.filter(({ msg, status }) => msg === 'request' && status === 503)
  assert.ok(refused.length >= 200 && refused.every(({ problem }) => problem === 'database-unavailable'))
  const others = lines.filter(({ msg }) => msg !== 'request')
  // The repetitions of each cause are summed up every ten seconds.
  const most = 12 * Math.ceil((performance.now() - began) / 10_000)
  assert.ok(others.length > 0 && others.length <= most, `${others.length}: ${others.map(({ msg }) => msg).join(', ')}`)
  assert.ok(others.every(({ reason }) => typeof reason === 'string' && reason !== ''))
  assert.doesNotMatch(text, /"stack"|\\n {4}at /)
  assert.ok(text.length < 200 * 500, `${text.length} bytes`)
})

// Red when: a handler of errors writes a stack for a problem that is expected.
test('every refusal that has to be expected is one line each and a cause once, whichever it is', async () => {
  const app = await createTestApp()
  const { problems } = app.services.declared
  const expected = Object.entries(problems).filter(([, [status]]) => status > 500)
  assert.ok(expected.length >= 4)
  const person = await app.signUp('Acme')
  for (const [code] of expected) {
    app.database.tenant.run = async () => {
      throw new Problem(code as ProblemCode, { retryAfter: 1, cause: new Error(`why ${code}\nin two lines`) })
    }
    const from = app.logged().length
    for (let round = 0; round < 20; round++) {
      const { headers } = await app.app.inject({
        url: '/api/v1/projects',
        headers: { authorization: `Bearer ${person.access_token}` },
      })
      assert.match(String(headers['content-type']), /problem/)
    }
    const text = app.logged().slice(from)
    const others = linesIn(text).filter(({ msg }) => msg !== 'request')
    assert.deepEqual(
      others.map(({ msg, reason }) => [msg, reason]),
      [[code, `why ${code} in two lines`]],
    )
    assert.doesNotMatch(text, /"stack"/)
  }
})

test('repetitions are summed up, each kind by itself, and kinds without end are one', async () => {
  const lines: [string, Record<string, unknown>][] = []
  const log = createFailureLog({ warn: (details, message) => void lines.push([message, { ...details }]) }, 40)
  const lost = () => Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' })
  for (let round = 0; round < 500; round++) log.note('database-unavailable', lost())
  for (let round = 0; round < 3; round++) log.note('busy', new Error('a lock'), { queue: 'mail' })
  log.note('busy', new Error('once'))
  assert.deepEqual(lines, [
    ['database-unavailable', { reason: 'ECONNREFUSED: connect failed' }],
    ['busy', { reason: 'a lock', queue: 'mail' }],
    ['busy', { reason: 'once' }],
  ])
  await delay(150)
  assert.deepEqual(lines.slice(3), [
    ['database-unavailable, repeatedly', { reason: 'ECONNREFUSED: connect failed', times: 499, seconds: 0.04 }],
    ['busy, repeatedly', { reason: 'a lock', times: 2, seconds: 0.04 }],
  ])
  lines.length = 0
  for (let round = 0; round < 3000; round++) log.note('provider-failed', new Error(`reason ${round}`))
  assert.ok(lines.length <= 501, `${lines.length}`)
  await delay(150)
  const times = lines.map(([, details]) => Number(details['times'] ?? 0)).reduce((sum, count) => sum + count, 0)
  assert.equal(times + lines.filter(([message]) => !message.includes(',')).length, 3000)
  const refused = Object.assign(new Error('invalid input: "quoted"'), { severity: 'ERROR', code: '22P02' })
  log.note('x', new Error('outside', { cause: refused }))
  assert.deepEqual(lines.at(-1), ['x', { reason: 'outside (22P02: a value was refused)' }])
})
