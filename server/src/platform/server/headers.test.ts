import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const ORIGIN = 'https://app.example.com'
const { call, signUp } = await createTestApp({ CORS_ORIGINS: ORIGIN })

test('every answer carries the security headers, whatever it is', async () => {
  for (const [method, path] of [
    ['GET', '/health'],
    ['GET', '/nowhere'],
    ['TRACE', '/health'],
    ['GET', '/%zz'],
    ['POST', '/api/v1/auth/login'],
    ['GET', '/docs'],
    ['OPTIONS', '/health'],
  ] as const) {
    const { headers } = await call(method, path)
    const sent = `${method} ${path}`
    assert.equal(headers['x-content-type-options'], 'nosniff', sent)
    assert.equal(headers['x-frame-options'], 'DENY', sent)
    assert.equal(headers['x-xss-protection'], '0', sent)
    assert.match(headers['content-security-policy'] ?? '', /default-src/, sent)
    assert.equal(headers['strict-transport-security'], undefined, sent)
    assert.equal(headers['server'] ?? headers['x-powered-by'], undefined, sent)
  }
})

// Red when: the origins are left out of the policy, or stand in that of answers which are no pages.
test('the policy of a page names where a sign-in is led to', async () => {
  const settings = {
    OIDC_PROVIDERS: JSON.stringify([
      { name: 'acme', issuer: 'https://id.acme.test/realm', client_id: 'i', client_secret: 's' },
    ]),
  }
  const social = await createTestApp(settings)
  const policyOf = async (path: string) => (await social.call('GET', path)).headers['content-security-policy'] ?? ''
  for (const path of ['/docs', '/redoc'])
    assert.match(await policyOf(path), /form-action 'self' https:\/\/id\.acme\.test https:\/\/github\.com;/, path)
  assert.match(await policyOf('/health'), /form-action 'none'/)
})

// Red when: headers.ts asks X-Forwarded-Proto itself instead of request.protocol.
test('HSTS is sent over HTTPS alone, as a trusted proxy says and no one else', async () => {
  const proxied = await createTestApp({ TRUSTED_PROXIES: '127.0.0.1' })
  const https = { 'x-forwarded-proto': 'https' }
  assert.match(
    (await proxied.call('GET', '/health', undefined, https)).headers['strict-transport-security'] ?? '',
    /^max-age=\d{8}/,
  )
  assert.equal((await proxied.call('GET', '/health')).headers['strict-transport-security'], undefined)
  assert.equal((await call('GET', '/health', undefined, https)).headers['strict-transport-security'], undefined)
})

// Red when: securityHeadersOf does not look at PUBLIC_URL, or answerUnreadable gets other fields.
test('HSTS is sent wherever PUBLIC_URL is https, also to what never became a request, and never for this machine', async () => {
  for (const [PUBLIC_URL, isSent] of [
    ['https://api.example.com', true],
    ['https://localhost:8443', false],
    ['http://api.example.com', false],
  ] as const) {
    const app = await createTestApp({ PUBLIC_URL })
    for (const [method, path] of [
      ['GET', '/health'],
      ['GET', '/nowhere'],
      ['GET', '/%zz'],
      ['POST', '/api/v1/auth/login'],
    ] as const) {
      const field = (await app.call(method, path)).headers['strict-transport-security']
      assert.equal(field !== undefined, isSent, `${PUBLIC_URL} ${path}`)
    }
  }
})

// Red when: noticeProxies says nothing, says it twice, or does not know its proxies.
test('a proxy that is not trusted is named in the log, once', async () => {
  const warningsOf = async (settings: Record<string, string>, headers: Record<string, string>) => {
    const app = await createTestApp(settings)
    for (let count = 0; count < 3; count += 1) await app.call('GET', '/health', undefined, headers)
    return app.logged().match(/a request from 127\.0\.0\.1 has [^"]*/g) ?? []
  }
  const forwarded = { 'x-forwarded-for': '203.0.113.7' }
  const [empty] = await warningsOf({}, forwarded)
  assert.match(String(empty), /has x-forwarded-for, but TRUSTED_PROXIES is empty.*set TRUSTED_PROXIES=127\.0\.0\.1$/)
  for (const name of ['forwarded', 'x-real-ip', 'x-forwarded-proto'])
    assert.equal((await warningsOf({}, { [name]: 'https' })).length, 1, name)
  assert.match((await warningsOf({ TRUSTED_PROXIES: '10.0.0.0/8' }, forwarded)).join(), /does not name it/)
  assert.deepEqual(await warningsOf({ TRUSTED_PROXIES: '127.0.0.0/8,::1' }, forwarded), [])
  assert.deepEqual(await warningsOf({}, {}), [])
})

test('answers with secrets, and every problem, are stored nowhere', async () => {
  const person = await signUp()
  assert.equal((await person.call('GET', '/api/v1/auth/me')).headers['cache-control'], 'no-store')
  const signedIn = await call('POST', '/api/v1/auth/login', { email: person.email, password: person.password })
  assert.deepEqual([signedIn.status, signedIn.headers['cache-control']], [200, 'no-store'])
  assert.equal((await person.call('GET', '/api/v1/projects/none')).headers['cache-control'], 'no-store')
})

test('a request id is kept when it is one, and made when it is none', async () => {
  assert.equal(
    (await call('GET', '/health', undefined, { 'x-request-id': 'my-id_1.2' })).headers['x-request-id'],
    'my-id_1.2',
  )
  for (const given of ['', 'a b', 'x'.repeat(65), '<script>', 'a,b', 'é']) {
    const { headers } = await call('GET', '/nowhere', undefined, { 'x-request-id': given })
    assert.match(headers['x-request-id'] ?? '', /^[0-9a-f-]{36}$/, given)
  }
  const { headers, body } = await call('GET', '/nowhere')
  assert.equal(body.request_id, headers['x-request-id'])
})

test('a page of an allowed origin may call, with the methods and headers that are served', async () => {
  const preflight = {
    origin: ORIGIN,
    'access-control-request-method': 'PATCH',
    'access-control-request-headers': 'authorization',
  }
  const { status, headers } = await call('OPTIONS', '/api/v1/projects', undefined, preflight)
  assert.equal(status, 204)
  assert.equal(headers['access-control-allow-origin'], ORIGIN)
  // The cookies that there are tie a browser to what it began; they let no one in.
  assert.equal(headers['access-control-allow-credentials'], 'true')
  assert.deepEqual(headers['access-control-allow-methods']?.split(', '), ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
  assert.match(headers['access-control-allow-headers'] ?? '', /Authorization.*Idempotency-Key.*If-Match/)
  const answer = await call('GET', '/health', undefined, { origin: ORIGIN })
  assert.equal(answer.headers['access-control-allow-origin'], ORIGIN)
  assert.match(answer.headers['access-control-expose-headers'] ?? '', /ETag.*RateLimit.*X-Request-ID/)
  assert.match(answer.headers['vary'] ?? '', /Origin/)
})

// Red when: the allowed fields are only those that the service reads: every call of a page that traces is refused.
test('a page that traces its requests may call, and one with fields that a setting names', async () => {
  const own = await createTestApp({ CORS_ORIGINS: ORIGIN, CORS_HEADERS: 'X-Correlation-ID, x-app-version' })
  const allowed = async (on: typeof own, field: string) => {
    const preflight = { 'access-control-request-method': 'GET', 'access-control-request-headers': field }
    const { headers } = await on.call('OPTIONS', '/api/v1/projects', undefined, { origin: ORIGIN, ...preflight })
    const fields = headers['access-control-allow-headers']?.toLowerCase().split(', ') ?? []
    return fields.includes(field)
  }
  for (const field of ['traceparent', 'tracestate', 'baggage', 'sentry-trace'])
    assert.ok(await allowed(own, field), field)
  for (const field of ['x-correlation-id', 'x-app-version']) {
    assert.ok(await allowed(own, field), field)
    assert.ok(!(await allowed({ ...own, call }, field)), field)
  }
  assert.ok(!(await allowed(own, 'x-tenant-id')))
})

test('no other origin may', async () => {
  for (const origin of [
    'https://evil.example',
    'null',
    `${ORIGIN}.evil.example`,
    ORIGIN.replace('https', 'http'),
    'http://localhost:3000',
    ORIGIN.toUpperCase(),
  ]) {
    for (const method of ['OPTIONS', 'GET']) {
      const { headers } = await call(method, '/health', undefined, { origin, 'access-control-request-method': 'GET' })
      assert.equal(headers['access-control-allow-origin'], undefined, `${method} ${origin}`)
      assert.match(headers['vary'] ?? '', /Origin/)
    }
  }
})

// Red when: corsFor gives every request its options, or turns a preflight without an Origin away.
test('without an Origin nothing is said but that answers differ by it', async () => {
  for (const { status, headers } of [await call('GET', '/health'), await call('GET', '/nowhere')]) {
    assert.ok(status === 200 || status === 404)
    assert.match(headers['vary'] ?? '', /Origin/)
    assert.deepEqual(
      Object.keys(headers).filter(name => name.startsWith('access-control-')),
      [],
    )
  }
  assert.equal((await call('OPTIONS', '/health')).status, 204)
})

test('in development any port of this machine may, and nothing that only looks like it', async () => {
  const development = await createTestApp()
  const allowed = async (origin: string) =>
    (await development.call('GET', '/health', undefined, { origin })).headers['access-control-allow-origin']
  for (const origin of ['http://localhost:3000', 'http://127.0.0.1:5173', 'https://localhost', 'http://[::1]:8080'])
    assert.equal(await allowed(origin), origin)
  for (const origin of [
    'http://localhost.evil.example',
    'http://evil.example/localhost',
    'http://localhost:3000.evil.example',
    'http://127.0.0.2',
  ])
    assert.equal(await allowed(origin), undefined, origin)
})

// Red when: sendTagged sends the resource whatever If-None-Match says.
test('who has the current state of a resource gets 304 and no body', async () => {
  const owner = await signUp('Acme')
  const path = `/api/v1/organizations/${owner.organization_id}`
  const tag = (await owner.call('GET', path)).headers['etag']!
  for (const known of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
    const { status, headers, text } = await owner.call('GET', path, undefined, { 'if-none-match': known })
    assert.deepEqual([status, headers['etag'], text, headers['content-type']], [304, tag, '', undefined], known)
  }
  assert.equal((await owner.call('GET', path, undefined, { 'if-none-match': '"x"' })).status, 200)
  await owner.call('PATCH', path, { name: 'Acme 2' })
  assert.equal((await owner.call('GET', path, undefined, { 'if-none-match': tag })).status, 200)
})

test('the older paths answer as the current ones and say where to go', async () => {
  const person = await signUp()
  const credentials = { email: person.email, password: person.password }
  for (const body of [credentials, { ...credentials, password: 'wrong' }, {}]) {
    const older = await call('POST', '/api/auth/login', body)
    assert.equal(older.status, (await call('POST', '/api/v1/auth/login', body)).status)
    assert.match(older.headers['deprecation'] ?? '', /^@\d{10}$/)
    assert.equal(older.headers['sunset'], 'Fri, 31 Dec 2027 23:59:59 GMT')
    assert.equal(older.headers['link'], '</api/v1/auth/login>; rel="successor-version"')
  }
  const current = await call('POST', '/api/v1/auth/login', credentials)
  assert.equal(current.headers['deprecation'], undefined)
  for (const path of ['/api/authx/login', '/api/v2/auth/login', '/api//auth/login'])
    assert.equal((await call('POST', path, credentials)).status, 404, path)
})

test('X-Tenant-Id changes nothing: the organization comes from the token', async () => {
  const owner = await signUp('Mine')
  const other = await signUp('Theirs')
  const { body } = await owner.call('GET', '/api/v1/auth/me', undefined, { 'x-tenant-id': other.organization_id })
  assert.equal(body.organization.id, owner.organization_id)
  await owner.call('POST', '/api/v1/projects', { name: 'Mine alone' }, { 'x-tenant-id': other.organization_id })
  assert.deepEqual((await other.call('GET', '/api/v1/projects')).body.items, [])
})
