import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { connectRaw } from '../../../test/programs/raw-socket.ts'
import { createTestApp } from '../../../test/test-app.ts'
import { createLogger } from './logging.ts'

const { app, call, signUp, addMember, logged } = await createTestApp()

interface Line {
  request_id: string
  msg: string
  [field: string]: unknown
}
const linesOf = (request_id: string): Line[] =>
  logged()
    .split('\n')
    .filter(line => line.includes(request_id))
    .map(line => JSON.parse(line) as Line)

test('a request is one line: method, route pattern, status, duration and the ids that lead further', async () => {
  const owner = await signUp('Acme')
  const created = await owner.call('POST', '/api/v1/projects', { name: 'Logged' })
  const path = `/api/v1/projects/${created.body.id}`
  await owner.call('GET', path, undefined, { 'x-request-id': 'logged-get' })
  const [line, ...more] = linesOf('logged-get')
  assert.deepEqual(more, [])
  const { time, level, pid, hostname, ms, session_id, ...rest } = line as Line
  assert.ok(typeof ms === 'number' && ms >= 0)
  assert.deepEqual(rest, {
    request_id: 'logged-get',
    method: 'GET',
    route: '/api/v1/projects/:id',
    status: 200,
    user_id: owner.user_id,
    organization_id: owner.organization_id,
    ip: '127.0.0.1',
    msg: 'request',
  })
  assert.ok(time && level && session_id && pid && hostname)
})

test('a request that fits no route, or no HTTP, is a line too', async () => {
  const token = 'secret-segment'.repeat(4)
  await call('GET', `/nowhere/${token}/x?token=secret`, undefined, { 'x-request-id': 'logged-nowhere' })
  const line = linesOf('logged-nowhere')[0]
  assert.deepEqual([line?.['route'], line?.['path'], line?.['status']], [null, '/nowhere/…/x', 404])
  assert.doesNotMatch(logged(), /secret-segment/)
  const raw = await connectRaw(app)
  const { headers } = await raw('GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n')
  assert.equal(linesOf(headers['x-request-id']!)[0]?.['status'], 400)
})

// Red when: logRequests logs request.headers, request.body or request.url.
// Red when: platform/server/errors.ts does not note the refusal.
test('a refusal is a line that says why, and to whom as far as that is known', async () => {
  const viewer = await addMember(await signUp('Logging'), 'viewer')
  for (const [id, code, ask] of [
    [
      'refused-nobody',
      'not-signed-in',
      () => call('GET', '/api/v1/auth/me', undefined, { 'x-request-id': 'refused-nobody' }),
    ],
    [
      'refused-login',
      'invalid-credentials',
      () =>
        call('POST', '/api/v1/auth/login', { email: viewer.email, password: 'x' }, { 'x-request-id': 'refused-login' }),
    ],
    [
      'refused-role',
      'permission-missing',
      () => viewer.call('POST', '/api/v1/projects', { name: 'x' }, { 'x-request-id': 'refused-role' }),
    ],
    [
      'refused-body',
      'invalid-fields',
      () => viewer.call('PATCH', '/api/v1/users/me', { superuser: true }, { 'x-request-id': 'refused-body' }),
    ],
  ] as const) {
    const { status } = await ask()
    const line = linesOf(id).find(({ msg }) => msg === 'request')
    assert.deepEqual([line?.['status'], line?.['problem']], [status, code])
    if (id === 'refused-role') assert.equal(line?.['user_id'], viewer.user_id)
  }
})

test('no line holds a secret: no password, token, cookie, body or query', async () => {
  const person = await signUp()
  await call(
    'POST',
    '/api/v1/auth/login?password=Query-secret-1',
    { email: person.email, password: 'Wrong-secret-1' },
    { cookie: 'sid=Cookie-secret-1', authorization: 'Bearer Token-secret-1' },
  )
  await call('POST', '/api/v1/auth/signup', { email: person.email, password: 'Sign-up-secret-1' })
  await call('POST', '/api/v1/auth/refresh', { refresh_token: person.refresh_token })
  await person.call('POST', '/api/v1/auth/step-up', { password: person.password })
  await call('POST', '/api/v1/auth/login', '{"password":"Broken-secret-1"')
  const text = logged()
  assert.doesNotMatch(text, /secret-1/)
  for (const secret of [person.password, person.access_token, person.refresh_token, person.email])
    assert.ok(!text.includes(secret))
})

test('a fault of ours is told to the log in full and to the caller not at all', async () => {
  const broken = await createTestApp()
  const person = await broken.signUp('Acme')
  broken.database.tenant.run = async () => {
    throw new Error('relation "users" does not exist')
  }
  const { status, text } = await person.call('GET', '/api/v1/projects', undefined, { 'x-request-id': 'logged-fault' })
  assert.equal(status, 500)
  assert.doesNotMatch(text, /relation|users|\.ts/)
  const line = broken
    .logged()
    .split('\n')
    .find(text => text.includes('logged-fault') && text.includes('relation'))
  assert.match(String(line), /relation \\"users\\" does not exist.*logging\.test\.ts/)
})

test('the log is JSON for programs, and lines to read for people; a value that the database quotes stands in neither', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'freehold-log-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const written = async (format: 'json' | 'text') => {
    const file = join(directory, 'deeper', `${format}.log`)
    const { log } = await createLogger({ level: 'info', format, file })
    log.debug('too fine')
    log.info({ status: 200 }, 'request')
    const refused = Object.assign(new Error('invalid input syntax for type uuid: "quoted-value"'), {
      severity: 'ERROR',
      code: '22P02',
      table: 'users',
    })
    log.error({ err: new Error('outside', { cause: refused }) }, 'unexpected error')
    let text = ''
    for (let tries = 0; tries < 3000 && !text.includes('22P02'); tries++) {
      await setTimeout(20)
      text = existsSync(file) ? readFileSync(file, 'utf8') : ''
    }
    assert.match(text, /22P02/)
    assert.doesNotMatch(text, /quoted-value|too fine/)
    return text.trim().split('\n')
  }
  const [first, second] = (await written('json')).map(line => JSON.parse(line) as Line)
  assert.deepEqual([first?.['status'], first?.msg, second?.msg], [200, 'request', 'unexpected error'])
  assert.match(String(first?.['time']), /^\d{4}-\d\d-\d\dT/)
  assert.match((await written('text'))[0] ?? '', /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: request \{"status":200\}$/)
})
