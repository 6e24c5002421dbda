import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { waitUntil } from '../../../test/programs/service-process.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

// What an access token says is true for as long as it lives, and its session may have ended. So nothing that it names may
// be charged for it: the operations are those of the OpenAPI document.

const MANY = '100000'
const limited = { RATE_LIMIT_ENABLED: 'true', TRUSTED_PROXIES: '127.0.0.1' }
const leftOf = ({ headers }: Answer): number => Number(/^"client";r=(\d+)/.exec(headers['ratelimit'] ?? '')?.[1])
const from = (address: string) => ({ 'x-forwarded-for': address })

type App = Awaited<ReturnType<typeof createTestApp>>

/** A person with a live session and one that has ended, whose access token is still good. */
async function signInTwice(app: App): Promise<{ live: Person; ended: Person }> {
  const live = await app.signUp('Acme')
  const ended = await app.logIn(live)
  assert.equal((await ended.call('POST', '/api/v1/auth/logout')).status, 204)
  return { live, ended }
}

// Red when: rate-limit.ts charges the person before the gate has answered, or at a route that does not ask it.
test('no request with the token of an ended session is charged to its person, whatever comes of it', async () => {
  const app = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: MANY })
  const { paths } = (await app.app.openApi()) as { paths: Record<string, Record<string, { requestBody?: unknown }>> }
  const { live, ended } = await signInTwice(app)
  const leftToPerson = async () => leftOf(await live.call('GET', '/api/v1/auth/me', undefined, from('198.51.100.1')))
  let [sent, left] = [0, await leftToPerson()]
  const startedAt = performance.now()
  const counts: Record<number, number> = {}
  for (const [template, operations] of Object.entries(paths)) {
    for (const [method, { requestBody }] of Object.entries(operations)) {
      const path = template
        .replace('/organizations/{id}', `/organizations/${live.organization_id}`)
        .replace(/\{[^}]+\}/g, () => randomUUID())
      const bodies = requestBody === undefined ? [undefined] : [{}, '{', { unknown_name: 1 }]
      for (const body of bodies) {
        const { status } = await ended.call(method.toUpperCase(), path, body, from('198.51.100.2'))
        counts[status] = (counts[status] ?? 0) + 1
        // The question itself is charged; on a slow machine it can be the first one of another minute.
        const now = await leftToPerson()
        const isNextMinute = now > left
        assert.equal(
          now,
          (isNextMinute ? Number(MANY) : left) - 1,
          `${method} ${path} ${JSON.stringify(body)}: ${status}`,
        )
        left = now
        sent++
      }
    }
  }
  assert.ok(counts[401]! > 20 && counts[422]! > 20 && counts[200]! > 2, JSON.stringify(counts))
  // Probes are not counted, and what a stricter limit of its route refuses has met it first.
  const address = leftOf(await app.call('GET', '/problems', undefined, from('198.51.100.2')))
  const isOneMinute = performance.now() - startedAt < 59_000 // else the address has been counted anew
  assert.ok(
    !isOneMinute || Number(MANY) - address > sent * 0.9,
    `${Number(MANY) - address} of ${sent} were charged to the address`,
  )
})

// Red when: a doubtful session is not counted by its address at the beginning.
test('a dead token is refused with its address, and tells nothing of what its person does', async () => {
  const app = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '30' })
  const { live, ended } = await signInTwice(app)
  for (let round = 0; round < 5; round++) await live.call('GET', '/api/v1/auth/me', undefined, from('203.0.113.1'))
  const first = await ended.call('GET', '/api/v1/projects', undefined, from('203.0.113.2'))
  assert.deepEqual([first.status, leftOf(first)], [401, 29])
  const statuses: number[] = []
  for (let round = 0; round < 65; round++)
    statuses.push((await ended.call('GET', '/api/v1/projects', undefined, from('203.0.113.2'))).status)
  assert.deepEqual([statuses[0], statuses.at(-1)], [401, 429])
  assert.ok(statuses.filter(status => status === 401).length <= 30)
  const still = await live.call('GET', '/api/v1/auth/me', undefined, from('203.0.113.1'))
  assert.deepEqual([still.status, leftOf(still)], [200, 24])
  // At once, too.
  const burst = await signInTwice(app)
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => burst.ended.call('GET', '/api/v1/projects', undefined, from('203.0.113.3'))),
  )
  assert.ok(answers.some(({ status }) => status === 429))
  const after = await burst.live.call('GET', '/api/v1/auth/me', undefined, from('203.0.113.4'))
  assert.deepEqual([after.status, leftOf(after)], [200, 29])
})

// Red when: requests without an answer are counted by person instead of by session.
test('requests of an ended session that hang keep no one else out', async () => {
  const app = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: '10' })
  await app.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.app.server.address() as AddressInfo
  const { live, ended } = await signInTwice(app)
  const sockets = Array.from({ length: 20 }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ended.access_token}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{`,
    )
    return socket
  })
  try {
    let text = ''
    for (const socket of sockets) socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    // Ten wait for the rest of their bodies, ten are refused.
    await waitUntil(() => text.split('HTTP/1.1 429').length === 11)
    assert.equal((await live.call('GET', '/api/v1/auth/me')).status, 200)
  } finally {
    // The app would wait for them when it closes.
    for (const socket of sockets) socket.destroy()
  }
})

// Red when: a person is charged only where the answer is a success.
test('a live session is charged for everything that its gate has answered', async () => {
  const app = await createTestApp({ ...limited, RATE_LIMIT_PER_MINUTE: MANY })
  const live = await app.signUp('Acme')
  const before = leftOf(await live.call('GET', '/api/v1/auth/me'))
  const requests = [
    ['GET', '/api/v1/projects', 200],
    ['GET', `/api/v1/projects/${randomUUID()}`, 404],
    ['GET', `/api/v1/organizations/${randomUUID()}/members`, 404],
    ['DELETE', `/api/v1/users/sessions/${randomUUID()}`, 404],
  ] as const
  for (const [method, path, status] of requests) assert.equal((await live.call(method, path)).status, status, path)
  assert.equal(leftOf(await live.call('GET', '/api/v1/auth/me')), before - requests.length - 1)
})
